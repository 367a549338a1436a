/* A method's name, a newline, parameters as JSON: no input may do more than give an error that says something. */
#include "base/arena.h"
#include "base/status.h"
#include "model/request.h"
#include "proto/json.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(const struct pat_method_info *info, const struct pat_value *params, struct pat_arena *arena) {
    struct pat_request request;
    struct pat_error error = {.status = PAT_OK};
    const enum pat_status status = pat_request_parse(&request, info, params, arena, &error);
    if (status != PAT_OK) {
        PAT_ASSERT(error.status == status);
        PAT_ASSERT(error.message[0] != '\0');
        return;
    }
    PAT_ASSERT(request.method == info->method);
    PAT_ASSERT(request.question.where != NULL);
    PAT_ASSERT(pat_filter_print(request.question.where, arena).data != NULL);
    PAT_ASSERT(info->method != PAT_METHOD_LOAD || request.load.columns != NULL);
    PAT_ASSERT(info->method != PAT_METHOD_RFM_MAP_SAVE || request.map != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    const char *line = size > 0 ? memchr(text, '\n', size) : NULL;
    if (line == NULL) return 0;
    const struct pat_text name = {text, (size_t)(line - text)};
    (void)pat_method_nearest(name);
    const struct pat_method_info *info = pat_method_find(name);
    if (info == NULL) return 0;
    struct pat_arena arena;
    pat_arena_init(&arena, (size_t)64 << 20);
    struct pat_value params;
    struct pat_error error;
    const struct pat_text json = {line + 1, size - name.length - 1};
    if (pat_json_parse(&params, json, &arena, &error) == PAT_OK) check_request(info, &params, &arena);
    pat_arena_deinit(&arena);
    return 0;
}
