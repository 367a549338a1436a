#include "offline.h"

#include "base/log.h"
#include "engine/engine.h"

enum pat_status pat_offline_open(struct pat_engine **out, const char *path, struct pat_error *error) {
    const struct pat_engine_options options = {
        .data_dir = path, .sync = "always", .cpu = "auto", .version = PATRON_VERSION, .read_only = true};
    /* What a server would log at its start, the report says. */
    pat_log_set_level(PAT_LOG_ERROR);
    return pat_engine_open(out, &options, error);
}

void pat_offline_close(struct pat_engine **engine) {
    (void)pat_engine_close(engine, false, NULL);
}

/* Answers borrow texts of the store, and are to outlive it. */
static enum pat_status keep(struct pat_arena *arena, struct pat_value *result, struct pat_error *error) {
    struct pat_builder builder = {.arena = arena};
    *result = pat_build_copy(&builder, result);
    return builder.failed ? pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the answer") : PAT_OK;
}

static enum pat_status question_ask(struct pat_engine *engine, const struct pat_request *request,
                                    struct pat_arena *arena, struct pat_value *result, struct pat_error *error) {
    struct pat_inquiry inquiry = {.request = request, .arena = arena};
    PAT_TRY(pat_engine_pin(engine, &inquiry, error));
    enum pat_status status = pat_engine_answer(engine, &inquiry, result, error);
    if (status == PAT_OK) status = keep(arena, result, error);
    pat_engine_unpin(engine, &inquiry);
    return status;
}

enum pat_status pat_offline_ask(struct pat_engine *engine, const char *method, const struct pat_value *params,
                                struct pat_arena *arena, struct pat_value *result, struct pat_error *error) {
    const struct pat_method_info *info = pat_method_find(pat_text_of(method));
    struct pat_request *request = pat_arena_alloc(arena, sizeof *request);
    if (request == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to ask for %s", method);
    PAT_TRY(pat_request_parse(request, info, params, arena, error));
    if (info->road == PAT_ROAD_LOOP) {
        PAT_TRY(pat_engine_look(engine, request, arena, result, error));
        return keep(arena, result, error);
    }
    return question_ask(engine, request, arena, result, error);
}
