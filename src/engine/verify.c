/* `verify`: what the files on disk say, beside what a recount of the columns says (analytics/recount.h). */
#include "engine/engine_private.h"

#include "base/log.h"

#include <inttypes.h>

/* Read between two looks at whether to stop: some milliseconds of a disk. */
#define PIECE_BYTES ((uint64_t)4 << 20)

/* ---- the version it does not need to the end --------------------------------------------------------------------- */

/* Reading files takes minutes, and a version that is open so long keeps all that batches replace meanwhile. Versions
 * are closed on the loop thread alone, so it is asked to. */
enum pat_status pat_engine__early_prepare(struct pat_inquiry *inquiry, struct pat_error *error) {
    inquiry->early = pat_arena_alloc(inquiry->arena, sizeof *inquiry->early);
    if (inquiry->early == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the question");
    *inquiry->early = (struct pat_early){.inquiry = inquiry};
    return PAT_OK;
}

/* After this whoever answers touches nothing of the version. */
void pat_engine__early_give(struct pat_engine *engine, const struct pat_inquiry *inquiry) {
    struct pat_early *early = inquiry->early;
    if (early == NULL) return; /* one of a batch, whose version stays */
    early->next = __atomic_load_n(&engine->early, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&engine->early, &early->next, early, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        continue;
    pat_engine__wake(engine);
}

void pat_engine__early_release(struct pat_engine *engine) {
    if (__atomic_load_n(&engine->early, __ATOMIC_RELAXED) == NULL) return;
    struct pat_early *early = __atomic_exchange_n(&engine->early, NULL, __ATOMIC_ACQUIRE);
    for (struct pat_early *next; early != NULL; early = next) {
        next = early->next;
        pat_engine_unpin(engine, early->inquiry);
    }
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

unsigned pat_engine__tell_damage(const struct pat_verified *found, unsigned from) {
    for (unsigned i = from; i < found->kept; i++) {
        const struct pat_finding *finding = &found->finding[i];
        pat_log(PAT_LOG_ERROR, "damaged",
                "file=%s offset=%" PRId64 " first_lsn=%" PRIu64 " last_lsn=%" PRIu64 " message=\"%s\"", finding->file,
                finding->offset, finding->first_lsn, finding->last_lsn, finding->message);
    }
    return found->kept;
}

static struct pat_value findings_value(const struct pat_verified *found, struct pat_builder *builder) {
    struct pat_value list = pat_build_array(builder, found->kept);
    for (unsigned i = 0; i < found->kept; i++) {
        const struct pat_finding *finding = &found->finding[i];
        struct pat_value map = pat_build_map(builder, 5);
        pat_build_put(builder, &map, "file", pat_build_text(builder, pat_text_of(finding->file)));
        if (finding->offset >= 0) pat_build_put(builder, &map, "offset", pat_value_int(finding->offset));
        if (finding->last_lsn > 0) {
            pat_build_put(builder, &map, "first_lsn", pat_value_uint(finding->first_lsn));
            pat_build_put(builder, &map, "last_lsn", pat_value_uint(finding->last_lsn));
        }
        pat_build_put(builder, &map, "message", pat_build_text(builder, pat_text_of(finding->message)));
        pat_build_push(builder, &list, map);
    }
    return list;
}

static struct pat_value files_check(const struct pat_verified *found, struct pat_builder *builder) {
    struct pat_value check = pat_build_map(builder, 5);
    pat_build_put(builder, &check, "name", pat_value_string("files"));
    pat_build_put(builder, &check, "ok", pat_value_bool(found->findings == 0));
    pat_build_put(builder, &check, "rows", pat_value_uint(found->parts));
    if (found->findings == 0) return check;
    pat_build_put(builder, &check, "detail", pat_build_text(builder, pat_text_of(found->finding[0].message)));
    pat_build_put(builder, &check, "wrong", pat_value_uint(found->findings));
    return check;
}

static void put_files(struct pat_builder *builder, const struct pat_verified *found, struct pat_value *result) {
    for (uint32_t i = 0; i < result->count; i++) {
        struct pat_member *member = &result->as.members[i];
        if (pat_text_is(member->key, "checks")) pat_build_push(builder, &member->value, files_check(found, builder));
        if (pat_text_is(member->key, "ok") && found->findings > 0) member->value = pat_value_bool(false);
    }
    pat_build_put(builder, result, "files", pat_value_uint(found->files));
    pat_build_put(builder, result, "bytes", pat_value_uint(found->bytes));
    if (found->findings > 0) pat_build_put(builder, result, "damaged", findings_value(found, builder));
}

static enum pat_status read_files(struct pat_verify *verify, enum pat_status (*stop_cb)(void *context), void *context,
                                  struct pat_error *error) {
    for (bool done = false; !done;) {
        PAT_TRY(stop_cb(context));
        PAT_TRY(pat_verify_some(verify, PIECE_BYTES, &done, error));
    }
    return PAT_OK;
}

enum pat_status pat_engine__verify_files(struct pat_engine *engine, enum pat_status (*stop_cb)(void *context),
                                         void *context, struct pat_builder *builder, struct pat_value *result,
                                         struct pat_error *error) {
    struct pat_verify *verify = NULL;
    PAT_TRY(pat_verify_open(&verify, engine->persist, error));
    const enum pat_status status = read_files(verify, stop_cb, context, error);
    /* Whoever only looks at a directory has no log: the answer says it all. */
    if (!engine->read_only || engine->degraded) (void)pat_engine__tell_damage(pat_verify_found(verify), 0);
    if (status == PAT_OK) put_files(builder, pat_verify_found(verify), result);
    pat_verify_close(&verify);
    if (status == PAT_OK && builder->failed) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the answer");
    return status;
}
