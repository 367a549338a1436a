/* Statuses, error texts and checked sizes. */
#include "base/size.h"
#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void an_error_without_a_place_says_so(void **state) {
    (void)state;
    struct pat_error error;
    memset(&error, 0x55, sizeof error);
    assert_int_equal(pat_error_set(&error, PAT_ERR_BUSY, "queue of %d is full", 7), PAT_ERR_BUSY);
    assert_int_equal(error.status, PAT_ERR_BUSY);
    assert_string_equal(error.message, "queue of 7 is full");
    assert_string_equal(error.field, "");
    assert_int_equal(error.row, -1);
    assert_int_equal(error.offset, -1);
}

static void an_error_with_a_place_keeps_it(void **state) {
    (void)state;
    struct pat_error error;
    assert_int_equal(pat_error_set_at(&error, PAT_ERR_BAD_REQUEST, "amount", 12, 345, "no number"),
                     PAT_ERR_BAD_REQUEST);
    assert_string_equal(error.field, "amount");
    assert_int_equal(error.row, 12);
    assert_int_equal(error.offset, 345);
}

static void nobody_has_to_want_the_text(void **state) {
    (void)state;
    assert_int_equal(pat_error_set(NULL, PAT_ERR_IO, "x"), PAT_ERR_IO);
    assert_int_equal(pat_error_set_at(NULL, PAT_ERR_IO, "f", 1, 2, "x"), PAT_ERR_IO);
}

static void a_long_text_is_cut_with_dots(void **state) {
    (void)state;
    char text[2 * PAT_ERROR_MESSAGE_BYTES];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct pat_error error;
    (void)pat_error_set_at(&error, PAT_ERR_IO, text, -1, -1, "%s", text);
    assert_int_equal(strlen(error.message), PAT_ERROR_MESSAGE_BYTES - 1);
    assert_string_equal(error.message + PAT_ERROR_MESSAGE_BYTES - 5, "x...");
    assert_int_equal(strlen(error.field), PAT_ERROR_FIELD_BYTES - 1);
}

static void every_status_has_its_code_on_the_wire(void **state) {
    (void)state;
    static const char *const codes[] = {
        "OK",        "BAD_REQUEST", "UNKNOWN_METHOD", "UNKNOWN_FIELD", "NOT_FOUND",   "CONFLICT",  "NO_FIT",
        "AUTH",      "READONLY",    "NO_MEMORY",      "NO_SPACE",      "BUSY",        "TOO_LARGE", "DEADLINE",
        "CANCELLED", "EXPIRED",     "CORRUPT",        "INTERNAL",      "BAD_REQUEST", "INTERNAL",  "INTERNAL",
    };
    assert_int_equal(sizeof codes / sizeof codes[0], PAT_ERR_MORE + 1);
    for (int status = PAT_OK; status <= PAT_ERR_MORE; status++) {
        assert_string_equal(pat_status_code((enum pat_status)status), codes[status]);
    }
}

static enum pat_status two_steps(enum pat_status first, int *reached) {
    PAT_TRY(first);
    *reached += 1;
    return PAT_OK;
}

static void try_hands_a_failure_on(void **state) {
    (void)state;
    int reached = 0;
    assert_int_equal(two_steps(PAT_ERR_CORRUPT, &reached), PAT_ERR_CORRUPT);
    assert_int_equal(reached, 0);
    assert_int_equal(two_steps(PAT_OK, &reached), PAT_OK);
    assert_int_equal(reached, 1);
}

static void a_failed_assertion_ends_the_process(void **state) {
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(STDERR_FILENO);
        PAT_ASSERT(child != 0);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void sizes_that_do_not_fit_are_refused(void **state) {
    (void)state;
    size_t out = 77;
    assert_false(pat_size_add(SIZE_MAX, 1, &out));
    assert_false(pat_size_mul(SIZE_MAX / 2, 3, &out));
    assert_int_equal(out, 77);
    assert_true(pat_size_add(SIZE_MAX - 1, 1, &out));
    assert_true(out == SIZE_MAX);
    assert_true(pat_size_mul(6, 7, &out));
    assert_int_equal(out, 42);
    assert_int_equal(pat_size_round_up(0, 64), 0);
    assert_int_equal(pat_size_round_up(1, 64), 64);
    assert_int_equal(pat_size_round_up(64, 64), 64);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_without_a_place_says_so),      cmocka_unit_test(an_error_with_a_place_keeps_it),
        cmocka_unit_test(nobody_has_to_want_the_text),           cmocka_unit_test(a_long_text_is_cut_with_dots),
        cmocka_unit_test(every_status_has_its_code_on_the_wire), cmocka_unit_test(try_hands_a_failure_on),
        cmocka_unit_test(a_failed_assertion_ends_the_process),   cmocka_unit_test(sizes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
