/* batch: questions about one version. What is wrong with one of them is said in its place. */
#include "model/request_private.h"

/* What one call is: ["count", {"where": ...}]. */
static enum pat_status parse_call(struct pat_batch_call *out, struct pat_request *request, const struct pat_value *call,
                                  struct pat_arena *arena, struct pat_error *error) {
    char got[PAT_DESCRIBE_BYTES], shown[PAT_ERROR_FIELD_BYTES];
    if (call->type != PAT_VALUE_ARRAY || call->count < 1 || call->count > 2 ||
        call->as.items[0].type != PAT_VALUE_TEXT) {
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "a call is [method, params], got %s",
                             pat_value__describe(call, got));
    }
    const struct pat_text name = pat_value_as_text(&call->as.items[0]);
    out->info = pat_method_find(name);
    if (out->info == NULL) {
        const char *nearest = pat_method_nearest(name);
        return pat_error_set(error, PAT_ERR_UNKNOWN_METHOD, "there is no method \"%s\"%s%s%s",
                             pat_text_printable(name, shown, sizeof shown),
                             nearest != NULL ? "; did you mean \"" : "; `schema` lists them",
                             nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
    }
    if (out->info->road != PAT_ROAD_READ || out->info->method == PAT_METHOD_BATCH ||
        out->info->method == PAT_METHOD_BACKUP_READ) {
        return pat_error_set(error, PAT_ERR_BAD_REQUEST,
                             "a batch holds questions about the data, and \"%s\" is none: call it by itself",
                             out->info->name);
    }
    PAT_TRY(pat_request_parse(request, out->info, call->count == 2 ? &call->as.items[1] : NULL, arena, error));
    if (!request->cursor_given) return PAT_OK;
    return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, "cursor", -1, -1,
                            "a cursor stays on its own version: call rows by itself to go on");
}

enum pat_status pat_request__batch(struct pat_request *out, const struct pat_params *params) {
    const struct pat_value *calls = pat_param__get(params, "calls");
    if (calls == NULL) return pat_param__missing(params, "calls", "an array of [method, params]");
    if (calls->type != PAT_VALUE_ARRAY || calls->count < 1 || calls->count > PAT_BATCH_CALLS_MAX) {
        return pat_param__fail(params, "calls", calls, "an array of 1 to %u calls [method, params]",
                               PAT_BATCH_CALLS_MAX);
    }
    struct pat_batch_call *call = pat_arena_array(params->arena, calls->count, sizeof *call);
    struct pat_request *request = pat_arena_array(params->arena, calls->count, sizeof *request);
    if (call == NULL || request == NULL) return pat_param__no_memory(params);
    PAT_TRY(pat_request__reading(out, params));
    for (uint32_t i = 0; i < calls->count; i++) {
        struct pat_error error = {0};
        const enum pat_status status = parse_call(&call[i], &request[i], &calls->as.items[i], params->arena, &error);
        call[i].request = &request[i];
        if (status == PAT_OK) {
            /* One version has to serve them all. */
            if (request[i].question.min_lsn > out->question.min_lsn)
                out->question.min_lsn = request[i].question.min_lsn;
            continue;
        }
        struct pat_error *kept = pat_arena_alloc(params->arena, sizeof *kept);
        if (kept == NULL || status == PAT_ERR_NO_MEMORY) return pat_param__no_memory(params);
        *kept = error;
        call[i].error = kept;
    }
    out->call = call;
    out->calls = calls->count;
    return PAT_OK;
}
