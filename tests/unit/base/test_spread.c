/* Without a spread a loop; with one, whatever it does. */
#include "base/spread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct seen {
    uint32_t parts;
    unsigned lanes;
};

static void see(void *context, uint32_t part, unsigned lane) {
    struct seen *seen = context;
    assert_int_equal(part, seen->parts);
    seen->parts++;
    seen->lanes |= 1u << lane;
}

/* Two lanes in turn. */
static void in_turn(void *context, pat_part_cb *part_cb, void *part_context, uint32_t parts) {
    ++*(unsigned *)context;
    for (uint32_t part = 0; part < parts; part++) part_cb(part_context, part, part % 2);
}

static void without_a_spread_parts_run_in_order_on_lane_0(void **state) {
    (void)state;
    struct seen seen = {0};
    assert_int_equal(pat_spread_lanes(NULL), 1);
    pat_spread_run(NULL, see, &seen, 7);
    assert_int_equal(seen.parts, 7);
    assert_int_equal(seen.lanes, 1);
    pat_spread_run(NULL, see, &seen, 0);
    assert_int_equal(seen.parts, 7);
}

static void only_several_parts_are_worth_sharing(void **state) {
    (void)state;
    unsigned calls = 0;
    const struct pat_spread spread = {.lanes = 2, .run_cb = in_turn, .context = &calls};
    struct seen one = {0}, several = {0};
    assert_int_equal(pat_spread_lanes(&spread), 2);
    pat_spread_run(&spread, see, &one, 1);
    assert_int_equal(calls, 0);
    assert_int_equal(one.lanes, 1);
    pat_spread_run(&spread, see, &several, 5);
    assert_int_equal(calls, 1);
    assert_int_equal(several.parts, 5);
    assert_int_equal(several.lanes, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_spread_parts_run_in_order_on_lane_0),
        cmocka_unit_test(only_several_parts_are_worth_sharing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
