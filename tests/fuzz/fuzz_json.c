/* JSON: whatever parses prints, and what was printed parses and prints as the same bytes, plain or indented. */
#include "proto/json.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(struct pat_buf *out, const struct pat_value *value, bool pretty) {
    pat_buf_init(out, PAT_MEM_OTHER);
    PAT_ASSERT(pat_json_print(out, value, pretty) == PAT_OK);
}

static void check_again(const struct pat_buf *text, const struct pat_buf *expected, struct pat_arena *arena) {
    struct pat_value value;
    struct pat_error error;
    PAT_ASSERT(pat_json_parse(&value, (struct pat_text){(const char *)text->data, text->length}, arena, &error) ==
               PAT_OK);
    struct pat_buf again;
    print(&again, &value, false);
    PAT_ASSERT(again.length == expected->length && memcmp(again.data, expected->data, again.length) == 0);
    pat_buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_value value;
    struct pat_error error = {.offset = -1};
    enum pat_status status = pat_json_parse(&value, (struct pat_text){(const char *)data, size}, &arena, &error);
    PAT_ASSERT(status == PAT_OK || status == PAT_ERR_BAD_REQUEST);
    if (status == PAT_OK) {
        struct pat_buf plain, pretty;
        print(&plain, &value, false);
        print(&pretty, &value, true);
        check_again(&plain, &plain, &arena);
        check_again(&pretty, &plain, &arena);
        pat_buf_deinit(&plain);
        pat_buf_deinit(&pretty);
    } else {
        PAT_ASSERT(error.offset >= 0 && (size_t)error.offset <= size);
    }
    pat_arena_deinit(&arena);
    return 0;
}
