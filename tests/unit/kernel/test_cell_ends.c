/* Where cells end: every table gives the same places as the scalar one, and that one those of a loop over the bytes.
 * The seed is printed; PATRON_SEED replays. */
#include "../random.h"
#include "kernel/kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TEXT_MAX  500u
#define OFFSET_OF 64u /* bytes away from alignment at the most */
#define CANARY    UINT32_C(0xa5a5a5a5)

/* Nothing but ends, cells of a few bytes, or any bytes. */
static void text_make(uint8_t *text, size_t bytes, uint8_t delimiter) {
    static const char ends[] = {'\n', '\r', '"', '\0'};
    const unsigned share = (unsigned)(next() % 3);
    for (size_t i = 0; i < bytes; i++) {
        const uint64_t any = next();
        const bool end = share == 0 || (share == 1 && any % 6 == 0);
        text[i] = end ? any >> 32 & 1 ? delimiter : (uint8_t)ends[any >> 40 & 3] : (uint8_t)(any >> 48);
    }
}

static void check_text(const struct pat_kernels *k, const uint8_t *text, size_t n, uint8_t delimiter) {
    uint32_t want[TEXT_MAX + PAT_CELL_ENDS_SLACK], got[TEXT_MAX + PAT_CELL_ENDS_SLACK + 1];
    size_t want_others, got_others;
    for (size_t i = 0; i < sizeof got / sizeof got[0]; i++) got[i] = CANARY;
    const size_t count = pat_kernels_scalar.cell_ends(text, n, delimiter, want, &want_others);
    if (k->cell_ends(text, n, delimiter, got, &got_others) != count)
        fail_msg("table %s finds another number of ends than scalar in %zu bytes", k->name, n);
    if (got_others != want_others || memcmp(want, got, count * sizeof want[0]) != 0)
        fail_msg("cell_ends of table %s differs from scalar in %zu bytes", k->name, n);
    assert_int_equal(CANARY, got[n + PAT_CELL_ENDS_SLACK]);
}

static void every_table_equals_scalar(void **state) {
    (void)state;
    static const char *const names[] = {"avx2", "avx512"};
    static const uint8_t delimiters[] = {',', ';', '\t', '|', 'x'};
    uint8_t text[TEXT_MAX + OFFSET_OF];
    for (size_t t = 0; t < sizeof names / sizeof names[0]; t++) {
        const struct pat_kernels *k = pat_kernels_find(names[t]);
        for (unsigned round = 0; k != NULL && round < 2000; round++) {
            const uint8_t delimiter = delimiters[next() % sizeof delimiters];
            text_make(text, sizeof text, delimiter);
            check_text(k, text + next() % OFFSET_OF, round <= TEXT_MAX ? round : next() % (TEXT_MAX + 1), delimiter);
        }
    }
}

static void ends_are_delimiters_and_what_is_not_plain(void **state) {
    (void)state;
    static const char text[] = "a,,b\r\n\"x;\0,";
    static const uint32_t want[] = {1, 2, 4, 5, 6, 9, 10};
    uint32_t out[sizeof text + PAT_CELL_ENDS_SLACK];
    size_t others;
    const size_t count = pat_kernels_find("auto")->cell_ends((const uint8_t *)text, sizeof text - 1, ',', out, &others);
    assert_int_equal(7, count);
    assert_int_equal(4, others);
    assert_memory_equal(want, out, sizeof want);
}

int main(void) {
    seed_choose();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_equals_scalar),
        cmocka_unit_test(ends_are_delimiters_and_what_is_not_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
