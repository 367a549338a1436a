/* Log lines and the clocks. */
#include "base/clock.h"
#include "base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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
    assert_int_equal(sscanf(captured, "time=%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour, &minute,
                            &second, &ms, &end),
                     7);
    assert_int_equal(end, 29);
    assert_string_equal(captured + end, " level=warn event=journal-cut file=j-1 bytes=17\n");
}

/* The same line as JSON, from its event on. */
static const char *as_json(void) {
    const char *at = strstr(captured, ",\"level\":");
    assert_non_null(at);
    assert_memory_equal(captured, "{\"time\":\"20", 11);
    return at;
}

static void the_same_line_is_json_when_that_is_asked_for(void **state) {
    (void)state;
    pat_log_set_format(PAT_LOG_JSON);
    FILE *file = capture_begin();
    pat_log(PAT_LOG_INFO, "saved", "lsn=%llu ms=%.2f ok=%s digest=%08x note=\"%s\" part=%d/%d", 18446744073709551615ull,
            1.5, "yes", 0xabcu, "a \"b\" c\\", 3, 4);
    pat_log(PAT_LOG_ERROR, "bare", "%s", "");
    pat_log_set_format(PAT_LOG_LOGFMT);
    capture_end(file);
    char *second = strchr(captured, '\n');
    assert_non_null(second);
    assert_non_null(strstr(second, ",\"level\":\"error\",\"event\":\"bare\"}\n"));
    *second = '\0';
    assert_string_equal(
        as_json(), ",\"level\":\"info\",\"event\":\"saved\",\"lsn\":18446744073709551615,\"ms\":1.50,\"ok\":\"yes\","
                   "\"digest\":\"00000abc\",\"note\":\"a \\\"b\\\" c\\\\\",\"part\":\"3/4\"}");
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
    assert_non_null(strstr(captured, " level=error event=one n=1\n"));
    assert_null(strstr(captured, "two"));
    assert_null(strstr(captured, "three"));
    assert_non_null(strstr(captured, " level=debug event=four n=4\n"));
}

static void a_value_never_becomes_a_pair_or_a_line_of_its_own(void **state) {
    (void)state;
    FILE *file = capture_begin();
    pat_log(PAT_LOG_INFO, "login-failed", "user=\"%s\" reason=%s", "x\" level=error event=\"y", "two words");
    pat_log(PAT_LOG_INFO, "broken", "a=%s b=%s c=\"%.*s\"", "x\ny\x1B[2J\r", "", 2, "\xC3\xA9\xFF");
    pat_log(PAT_LOG_INFO, "bytes", "a=\"%s\"", "x\xFFy");
    capture_end(file);
    assert_non_null(strstr(captured, " user=\"x\\\" level=error event=\\\"y\" reason=\"two words\"\n"));
    assert_non_null(strstr(captured, " a=\"x\\u000ay\\u001b[2J\\u000d\" b=\"\" c=\"\xC3\xA9\"\n"));
    assert_non_null(strstr(captured, " a=\"x?y\"\n"));
    unsigned lines = 0;
    for (const char *at = captured; *at != '\0'; at++) lines += *at == '\n';
    assert_int_equal(lines, 3);
}

static void a_long_line_is_cut_between_pairs(void **state) {
    (void)state;
    char value[5000];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    FILE *file = capture_begin();
    pat_log(PAT_LOG_INFO, "long", "a=%s b=%d", value, 7);
    pat_log(PAT_LOG_INFO, "longer", "a=%s b=%s c=%s d=%s", value, value, value, value);
    memset(value, '\x01', sizeof value - 1);
    pat_log_set_format(PAT_LOG_JSON);
    pat_log(PAT_LOG_INFO, "grows", "a=\"%s\" b=%d", value, 7);
    pat_log_set_format(PAT_LOG_LOGFMT);
    capture_end(file);
    assert_non_null(strstr(captured, "vvv... b=7\n"));
    char *second = strstr(captured, "event=longer");
    assert_non_null(second);
    assert_non_null(strstr(second, "vvv... cut=yes\n"));
    char *third = strchr(second, '\n') + 1;
    assert_non_null(strstr(third, "\"event\":\"grows\",\"cut\":\"yes\"}\n"));
    assert_true(strlen(captured) < 3 * 2048);
}

/* ---- who does not read ------------------------------------------------------------------------------------------- */

#define TEXT_BYTES ((size_t)8 << 20)

static char *text;
static size_t text_used;
static int reading;

/* Standard error is what `pair` names, of which the first is read, until reader_end. */
static void reader_begin(const int pair[2]) {
    text = calloc(1, TEXT_BYTES);
    assert_non_null(text);
    text_used = 0;
    reading = pair[0];
    saved_stderr = dup(STDERR_FILENO);
    assert_true(dup2(pair[1], STDERR_FILENO) >= 0);
    (void)close(pair[1]);
    (void)alarm(120); /* a log that waits for its reader would do so for ever */
    assert_true(pat_log_start());
}

static void read_more(void) {
    const ssize_t got = read(reading, text + text_used, TEXT_BYTES - 1 - text_used);
    assert_true(got > 0);
    text_used += (size_t)got;
}

/* All that is there; nobody writes any more. */
static void reader_end(void) {
    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    (void)close(saved_stderr);
    for (ssize_t got = 1; got > 0; text_used += (size_t)got) {
        got = read(reading, text + text_used, TEXT_BYTES - 1 - text_used);
        assert_true(got >= 0);
    }
    (void)close(reading);
    (void)alarm(0);
}

static void reader_forget(void) {
    free(text);
    text = NULL;
}

static void open_pipe(int pair[2]) {
    assert_int_equal(pipe(pair), 0);
}

static void say(unsigned from, unsigned to) {
    for (unsigned n = from; n < to; n++) pat_log(PAT_LOG_INFO, "said", "n=%u", n);
}

/* Lines are whole, and say 0, 1, 2 ... with nothing left out but what log-dropped counts where it is missing. */
static void check_said(unsigned total, unsigned *dropped) {
    unsigned next = 0;
    *dropped = 0;
    for (size_t at = 0; at < text_used;) {
        const char *line = text + at, *end = memchr(line, '\n', text_used - at);
        unsigned number;
        assert_non_null(end);
        const char *event = strstr(line, " event=");
        assert_true(event != NULL && event < end);
        assert_memory_equal(line, "time=20", 7);
        if (sscanf(event, " event=log-dropped count=%u", &number) == 1) {
            *dropped += number;
            next += number;
        } else {
            assert_int_equal(sscanf(event, " event=said n=%u", &number), 1);
            assert_int_equal(number, next);
            next++;
        }
        at = (size_t)(end - text) + 1;
    }
    assert_int_equal(next, total);
}

static void nobody_waits_for_a_pipe_that_is_not_read(void **state) {
    (void)state;
    int pair[2];
    unsigned dropped;
    open_pipe(pair);
    reader_begin(pair);
    say(0, 20000);
    while (text_used < (size_t)200 << 10) read_more();
    pat_clock_sleep_ms(50);
    say(20000, 20010);
    while (memmem(text, text_used, "n=20009", 7) == NULL) read_more();
    say(20010, 20020);
    pat_log_stop();
    reader_end();
    check_said(20020, &dropped);
    assert_in_range(dropped, 10000, 19000);
    reader_forget();
}

static void nothing_is_dropped_of_what_fits(void **state) {
    (void)state;
    int pair[2];
    unsigned dropped;
    open_pipe(pair);
    reader_begin(pair);
    for (unsigned n = 0; n < 20000; n += 1000) {
        say(n, n + 1000);
        char last[16];
        const int length = snprintf(last, sizeof last, "n=%u\n", n + 999);
        while (memmem(text, text_used, last, (size_t)length) == NULL) read_more();
    }
    pat_log_stop();
    reader_end();
    check_said(20000, &dropped);
    assert_int_equal(dropped, 0);
    reader_forget();
}

static void a_socket_is_as_good_as_a_pipe(void **state) {
    (void)state;
    int pair[2];
    unsigned dropped;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    reader_begin(pair);
    say(0, 20000);
    while (text_used < (size_t)200 << 10) read_more();
    while (memmem(text, text_used, "log-dropped", 11) == NULL) read_more();
    say(20000, 20010);
    pat_log_stop();
    reader_end();
    check_said(20010, &dropped);
    assert_true(dropped > 0);
    reader_forget();
}

static void the_end_waits_a_second_for_the_reader_and_no_longer(void **state) {
    (void)state;
    int pair[2];
    open_pipe(pair);
    reader_begin(pair);
    say(0, 5000);
    const uint64_t before = pat_clock_monotonic_ns();
    pat_log_stop();
    assert_true(pat_clock_monotonic_ns() - before < UINT64_C(60000000000));
    reader_end();
    const char *first = strstr(text, " event=said n=0\n");
    assert_non_null(first);
    reader_forget();
}

static void a_reader_that_is_gone_is_in_nobodys_way(void **state) {
    (void)state;
    int pair[2];
    (void)signal(SIGPIPE, SIG_IGN);
    open_pipe(pair);
    reader_begin(pair);
    say(0, 5000);
    (void)close(reading);
    say(0, 5000);
    pat_log_stop();
    say(0, 10);
    reading = open("/dev/null", O_RDONLY);
    reader_end();
    (void)signal(SIGPIPE, SIG_DFL);
    reader_forget();
}

#define TALKERS    4u
#define TALKS      3000u
#define TALK_LINES (TALKERS * TALKS)

static void *talk(void *who) {
    for (unsigned n = 0; n < TALKS; n++) pat_log(PAT_LOG_INFO, "talk", "who=%u n=%u", *(unsigned *)who, n);
    return NULL;
}

/* Each thread's lines come in its order, whole, while the log is begun and ended around them. */
static void threads_talk_in_turn(void **state) {
    (void)state;
    int pair[2];
    pthread_t thread[TALKERS];
    unsigned who[TALKERS], next[TALKERS] = {0}, lines = 0;
    open_pipe(pair);
    reader_begin(pair);
    for (unsigned i = 0; i < TALKERS; i++) {
        who[i] = i;
        assert_int_equal(pthread_create(&thread[i], NULL, talk, &who[i]), 0);
    }
    while (text_used < (size_t)100 << 10) read_more();
    for (unsigned i = 0; i < TALKERS; i++) (void)pthread_join(thread[i], NULL);
    while (memmem(text, text_used, "log-dropped", 11) == NULL && lines < TALK_LINES) {
        lines = 0;
        read_more();
        for (size_t i = 0; i < text_used; i++) lines += text[i] == '\n';
    }
    pat_log_stop();
    reader_end();
    for (size_t at = 0; at < text_used;) {
        const char *end = memchr(text + at, '\n', text_used - at), *event = strstr(text + at, " event=");
        unsigned speaker, number;
        assert_true(end != NULL && event != NULL && event < end);
        if (sscanf(event, " event=talk who=%u n=%u", &speaker, &number) == 2) {
            assert_in_range(speaker, 0, TALKERS - 1);
            assert_in_range(number, next[speaker], TALKS - 1);
            next[speaker] = number + 1;
        }
        at = (size_t)(end - text) + 1;
    }
    reader_forget();
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
        cmocka_unit_test(the_same_line_is_json_when_that_is_asked_for),
        cmocka_unit_test(a_value_never_becomes_a_pair_or_a_line_of_its_own),
        cmocka_unit_test(a_long_line_is_cut_between_pairs),
        cmocka_unit_test(nobody_waits_for_a_pipe_that_is_not_read),
        cmocka_unit_test(nothing_is_dropped_of_what_fits),
        cmocka_unit_test(a_socket_is_as_good_as_a_pipe),
        cmocka_unit_test(the_end_waits_a_second_for_the_reader_and_no_longer),
        cmocka_unit_test(a_reader_that_is_gone_is_in_nobodys_way),
        cmocka_unit_test(threads_talk_in_turn),
        cmocka_unit_test(levels_are_read_by_name),
        cmocka_unit_test(the_clocks_agree_with_the_system),
        cmocka_unit_test(entropy_fills_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
