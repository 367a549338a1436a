/* Building and reading trees of values. */
#include "model/value.h"

#include "base/mem.h"
#include "model/types.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void containers_grow_past_the_capacity_given(void **state) {
    (void)state;
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_builder builder = {.arena = &arena};
    struct pat_value array = pat_build_array(&builder, 0);
    struct pat_value map = pat_build_map(&builder, 3);
    for (int64_t i = 0; i < 1000; i++) {
        pat_build_push(&builder, &array, pat_value_int(i));
        const struct pat_value key = pat_build_printf(&builder, "key %lld", (long long)i);
        pat_build_put_text_key(&builder, &map, pat_value_as_text(&key), pat_value_int(-i));
    }
    assert_false(builder.failed);
    assert_int_equal(array.count, 1000);
    assert_int_equal(map.count, 1000);
    for (int64_t i = 0; i < 1000; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key %lld", (long long)i);
        assert_int_equal(array.as.items[i].as.integer, i);
        assert_int_equal(pat_value_get(&map, key)->as.integer, -i);
    }
    assert_null(pat_value_get(&map, "key"));
    assert_null(pat_value_get(&array, "key 1"));
    assert_null(pat_value_get(NULL, "key 1"));
    pat_arena_deinit(&arena);
}

static void leaves_are_what_was_given(void **state) {
    (void)state;
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_builder builder = {.arena = &arena};
    char name[] = "Z\xc3\xbcrich";
    const struct pat_value copy = pat_build_text(&builder, pat_text_of(name));
    name[0] = 'x';
    assert_true(pat_value_is_text(&copy, "Z\xc3\xbcrich"));
    assert_false(pat_value_is_text(&copy, "Z"));
    assert_false(pat_value_is_text(NULL, "Z"));
    const struct pat_value empty = pat_build_text(&builder, pat_text_of(NULL));
    assert_true(pat_value_is_text(&empty, ""));
    const struct pat_value day = pat_build_day(&builder, 14952);
    assert_true(pat_value_is_text(&day, "2010-12-09"));
    assert_int_equal(pat_build_day(&builder, PAT_NULL).type, PAT_VALUE_NIL);
    assert_int_equal(pat_value_uint(INT64_MAX).type, PAT_VALUE_INT);
    assert_int_equal(pat_value_uint((uint64_t)INT64_MAX + 1).type, PAT_VALUE_UINT);
    assert_string_equal(pat_value_type_name(&copy), "string");
    const struct pat_value great = pat_value_uint(UINT64_MAX), real = pat_value_real(0.5);
    assert_string_equal(pat_value_type_name(&great), "integer");
    assert_string_equal(pat_value_type_name(&real), "number");
    assert_string_equal(pat_value_type_name(NULL), "nil");
    pat_arena_deinit(&arena);
}

/* Everything a builder does, in an arena that ends at any point. */
static bool build_all(struct pat_builder *builder) {
    struct pat_value map = pat_build_map(builder, 1);
    for (int i = 0; i < 40; i++) {
        struct pat_value array = pat_build_array(builder, 2);
        for (int j = 0; j < 40; j++) pat_build_push(builder, &array, pat_build_day(builder, j));
        pat_build_push(builder, &array, pat_build_printf(builder, "%d", i));
        pat_build_push(builder, &array, pat_build_text(builder, PAT_TEXT("text")));
        pat_build_put(builder, &map, "key", array);
    }
    const struct pat_value copy = pat_build_copy(builder, &map);
    if (!builder->failed) {
        assert_int_equal(copy.count, map.count);
        assert_true(copy.as.members != map.as.members && copy.as.members[0].key.data != map.as.members[0].key.data);
        const struct pat_value *inner = &copy.as.members[39].value;
        assert_true(pat_value_is_text(&inner->as.items[40], "39") &&
                    inner->as.items != map.as.members[39].value.as.items);
    }
    return !builder->failed;
}

static void a_builder_without_memory_fails_quietly_and_stays_failed(void **state) {
    (void)state;
    bool built = false;
    for (uint64_t nth = 1; !built; nth++) {
        struct pat_arena arena;
        pat_arena_init(&arena, 0);
        struct pat_builder builder = {.arena = &arena};
        (void)pat_mem_fail_at(nth);
        built = build_all(&builder);
        (void)pat_mem_fail_at(0);
        if (!built) assert_int_equal(pat_build_text(&builder, PAT_TEXT("x")).type, PAT_VALUE_NIL);
        assert_true(nth < 200);
        pat_arena_deinit(&arena);
        assert_int_equal(pat_mem_used(PAT_MEM_QUERY), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(containers_grow_past_the_capacity_given),
        cmocka_unit_test(leaves_are_what_was_given),
        cmocka_unit_test(a_builder_without_memory_fails_quietly_and_stays_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
