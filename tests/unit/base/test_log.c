/* Log lines and the clocks. */
#include "base/clock.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char captured[8192];

/* Standard error goes into a file between these two. */
static int saved_stderr;

static FILE *capture_begin(void) {
    FILE *file = tmpfile();
    assert_non_null(file);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(saved_stderr >= 0);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    return file;
}

static void capture_end(FILE *file) {
    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    (void)close(saved_stderr);
    ssize_t length = pread(fileno(file), captured, sizeof captured - 1, 0);
    assert_true(length >= 0);
    captured[length] = '\0';
    (void)fclose(file);
}

static void a_line_has_time_level_event_and_pairs(void **state) {
    (void)state;
    FILE *file = capture_begin();
    pat_log(PAT_LOG_WARN, "journal-cut", "file=%s bytes=%d", "j-1", 17);
    capture_end(file);
    int year, month, day, hour, minute, second, ms, end = 0;
    assert_int_equal(
        sscanf(captured, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour, &minute, &second, &ms, &end), 7);
    assert_int_equal(end, 24);
    assert_string_equal(captured + end, " warn journal-cut file=j-1 bytes=17\n");
}

static void lines_over_the_level_are_not_written(void **state) {
    (void)state;
    pat_log_set_level(PAT_LOG_WARN);
    FILE *file = capture_begin();
    pat_log(PAT_LOG_ERROR, "one", "n=%d", 1);
    pat_log(PAT_LOG_INFO, "two", "n=%d", 2);
    pat_log(PAT_LOG_DEBUG, "three", "n=%d", 3);
    pat_log_set_level(PAT_LOG_DEBUG);
    pat_log(PAT_LOG_DEBUG, "four", "n=%d", 4);
    pat_log_set_level(PAT_LOG_INFO);
    capture_end(file);
    assert_non_null(strstr(captured, " error one n=1\n"));
    assert_null(strstr(captured, "two"));
    assert_null(strstr(captured, "three"));
    assert_non_null(strstr(captured, " debug four n=4\n"));
}

static void an_event_is_one_line_whatever_a_value_brings(void **state) {
    (void)state;
    char value[5000];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    FILE *file = capture_begin();
    pat_log(PAT_LOG_INFO, "broken", "a=%s", "x\ny\x1B[2J\r");
    pat_log(PAT_LOG_INFO, "long", "a=%s", value);
    capture_end(file);
    char *second = strchr(captured, '\n');
    assert_non_null(second);
    *second++ = '\0';
    assert_non_null(strstr(captured, " info broken a=x y [2J "));
    size_t length = strlen(second);
    assert_in_range(length, 1000, 4095);
    assert_string_equal(second + length - 5, "v...\n");
    assert_ptr_equal(strchr(second, '\n'), second + length - 1);
}

static void levels_are_read_by_name(void **state) {
    (void)state;
    assert_int_equal(pat_log_level_parse("error"), PAT_LOG_ERROR);
    assert_int_equal(pat_log_level_parse("warn"), PAT_LOG_WARN);
    assert_int_equal(pat_log_level_parse("info"), PAT_LOG_INFO);
    assert_int_equal(pat_log_level_parse("debug"), PAT_LOG_DEBUG);
    assert_int_equal(pat_log_level_parse("Info"), -1);
    assert_int_equal(pat_log_level_parse(""), -1);
}

static void the_clocks_agree_with_the_system(void **state) {
    (void)state;
    int64_t seconds = (int64_t)time(NULL);
    int64_t wall = pat_clock_wall_ms();
    assert_true(wall >= (seconds - 1) * 1000 && wall < (seconds + 60) * 1000);
    uint64_t before = pat_clock_monotonic_ns();
    pat_clock_sleep_ms(20);
    uint64_t slept = pat_clock_monotonic_ns() - before;
    assert_true(slept >= UINT64_C(20000000));
    assert_true(slept < UINT64_C(60000000000));
}

static void entropy_fills_every_byte(void **state) {
    (void)state;
    unsigned char bytes[1000], seen[sizeof bytes] = {0};
    for (int round = 0; round < 8; round++) {
        pat_entropy(bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++) seen[i] |= bytes[i];
    }
    for (size_t i = 0; i < sizeof seen; i++) assert_int_not_equal(seen[i], 0);
    pat_entropy(NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_event_and_pairs),
        cmocka_unit_test(lines_over_the_level_are_not_written),
        cmocka_unit_test(an_event_is_one_line_whatever_a_value_brings),
        cmocka_unit_test(levels_are_read_by_name),
        cmocka_unit_test(the_clocks_agree_with_the_system),
        cmocka_unit_test(entropy_fills_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
