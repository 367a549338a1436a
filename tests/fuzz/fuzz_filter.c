/* Any bytes as a filter: text, or a JSON tree when they start with '['. Whatever is accepted must read back as the same
 * filter from its canonical text and from its tree. */
#include "base/arena.h"
#include "base/status.h"
#include "model/filter.h"
#include "proto/json.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum pat_status read_filter(const struct pat_filter **out, struct pat_text text, struct pat_arena *arena,
                                   struct pat_error *error) {
    if (text.length == 0 || text.data[0] != '[') return pat_filter_parse(out, text, NULL, arena, error);
    struct pat_value tree;
    PAT_TRY(pat_json_parse(&tree, text, arena, error));
    return pat_filter_from_tree(out, &tree, NULL, arena, error);
}

static void check_both_forms(const struct pat_filter *filter, struct pat_arena *arena) {
    const struct pat_filter *again = NULL;
    struct pat_error error;
    const struct pat_text text = pat_filter_print(filter, arena);
    PAT_ASSERT(text.data != NULL);
    PAT_ASSERT(pat_filter_parse(&again, text, NULL, arena, &error) == PAT_OK);
    PAT_ASSERT(pat_filter_equal(filter, again));
    struct pat_builder builder = {.arena = arena};
    const struct pat_value tree = pat_filter_to_tree(filter, &builder);
    PAT_ASSERT(pat_filter_from_value(&again, &tree, NULL, arena, &error) == PAT_OK);
    PAT_ASSERT(pat_filter_equal(filter, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pat_arena arena;
    pat_arena_init(&arena, (size_t)64 << 20);
    const struct pat_filter *filter = NULL;
    struct pat_error error = {.status = PAT_OK};
    const struct pat_text text = {(const char *)data, size};
    const enum pat_status status = read_filter(&filter, text, &arena, &error);
    if (status == PAT_OK) {
        check_both_forms(filter, &arena);
    } else {
        PAT_ASSERT(error.status == status);
        PAT_ASSERT(error.message[0] != '\0');
        PAT_ASSERT(error.offset <= (int64_t)size);
    }
    pat_arena_deinit(&arena);
    return 0;
}
