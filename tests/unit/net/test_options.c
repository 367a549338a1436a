/* patrond's options. */
#include "net/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 48

static enum pat_status parse(struct pat_options *out, struct pat_error *error, const char *line) {
    static char copy[1024];
    char *argv[WORDS_MAX] = {(char *)(uintptr_t) "patrond"};
    int argc = 1;
    assert_true(strlen(line) < sizeof copy);
    memcpy(copy, line, strlen(line) + 1);
    for (char *word = strtok(copy, " "); word != NULL && argc < WORDS_MAX; word = strtok(NULL, " "))
        argv[argc++] = word;
    return pat_options_parse(out, argc, argv, error);
}

static void what_is_not_said_has_a_default(void **state) {
    (void)state;
    struct pat_options options;
    struct pat_error error;
    assert_int_equal(parse(&options, &error, "--data d"), PAT_OK);
    assert_string_equal(options.data, "d");
    assert_int_equal(options.listens, 1);
    assert_string_equal(options.listen[0], "127.0.0.1:7411");
    assert_null(options.unix_path);
    assert_string_equal(options.sync, "always");
    assert_string_equal(options.cpu, "auto");
    assert_true(options.snapshot_every_ms == 3600000);
    assert_true(options.verify_every_ms == 86400000);
    assert_true(options.memory_bytes == 0);
    assert_null(options.timezone);
    assert_int_equal(options.log_level, PAT_LOG_INFO);
    assert_int_equal(parse(&options, &error, "--data d --unix /s"), PAT_OK);
    assert_int_equal(options.listens, 0);
}

static void both_forms_of_a_value_are_taken(void **state) {
    (void)state;
    struct pat_options options;
    struct pat_error error;
    assert_int_equal(
        parse(&options, &error,
              "--data=d --listen a:1 --listen=b:2 --unix /x=y --memory 16G --workers=3 --sync never "
              "--snapshot-every 15m --cpu scalar --timezone Europe/London --base-currency=GBP --log-level debug"),
        PAT_OK);
    assert_int_equal(options.listens, 2);
    assert_string_equal(options.listen[1], "b:2");
    assert_string_equal(options.unix_path, "/x=y");
    assert_true(options.memory_bytes == UINT64_C(16) << 30);
    assert_int_equal(options.workers, 3);
    assert_true(options.snapshot_every_ms == 900000);
    assert_string_equal(options.base_currency, "GBP");
    assert_int_equal(options.log_level, PAT_LOG_DEBUG);
    assert_int_equal(parse(&options, &error, "--data d --verify-every 12h"), PAT_OK);
    assert_true(options.verify_every_ms == 43200000);
    assert_int_equal(parse(&options, &error, "--data d --verify-every off"), PAT_OK);
    assert_true(options.verify_every_ms == 0);
}

static void mistakes_name_the_option(void **state) {
    (void)state;
    static const struct {
        const char *line, *word;
    } wrong[] = {
        {"", "--data"},
        {"--data", "--data"},
        {"--data=", "--data"},
        {"data", "data"},
        {"--", "--"},
        {"--data d --nonsense", "nonsense"},
        {"--data d --memmory 1G", "--memory"},
        {"--data d --memory lots", "--memory"},
        {"--data d --memory 1GB", "--memory"},
        {"--data d --memory 1K", "64M"},
        {"--data d --memory 99999999999999999999G", "--memory"},
        {"--data d --workers 0", "--workers"},
        {"--data d --workers 257", "--workers"},
        {"--data d --workers 2x", "--workers"},
        {"--data d --sync sometimes", "always"},
        {"--data d --cpu mmx", "avx2"},
        {"--data d --log-level loud", "debug"},
        {"--data d --snapshot-every 1", "--snapshot-every"},
        {"--data d --snapshot-every 1w", "--snapshot-every"},
        {"--data d --snapshot-every 999999999d", "--snapshot-every"},
        {"--data d --verify-every never", "off"},
        {"--data d --log-format xml", "json"},
        {"--data d --log-slow 5", "--log-slow"},
        {"--data d --log-slow ms", "--log-slow"},
        {"--data d --config /no/such/file", "/no/such/file"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct pat_options options;
        struct pat_error error;
        if (parse(&options, &error, wrong[i].line) == PAT_OK) fail_msg("taken: %s", wrong[i].line);
        if (strstr(error.message, wrong[i].word) == NULL) fail_msg("%s: %s", wrong[i].line, error.message);
    }
}

static void help_needs_nothing_else(void **state) {
    (void)state;
    struct pat_options options;
    struct pat_error error;
    assert_int_equal(parse(&options, &error, "--help"), PAT_OK);
    assert_true(options.help);
    assert_int_equal(parse(&options, &error, "--version"), PAT_OK);
    assert_true(options.version);
}

/* Writes `content` to a file of its own and parses with it. */
static enum pat_status parse_file(struct pat_options *out, struct pat_error *error, const char *content,
                                  const char *more) {
    static char path[] = "/tmp/patron-options-XXXXXX";
    char line[512];
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_true(write(descriptor, content, strlen(content)) == (ssize_t)strlen(content));
    assert_int_equal(close(descriptor), 0);
    (void)snprintf(line, sizeof line, "--config %s %s", path, more);
    enum pat_status status = parse(out, error, line);
    assert_int_equal(unlink(path), 0);
    return status;
}

static void the_command_line_wins_over_the_file(void **state) {
    (void)state;
    static const char content[] = "# a comment\n\n data = /var/lib/patron \nlisten=127.0.0.1:1\nlisten = 127.0.0.1:2\n"
                                  "sync = interval\r\nsnapshot-every = 0\ntimezone = Europe/London";
    struct pat_options options;
    struct pat_error error;
    assert_int_equal(parse_file(&options, &error, content, "--sync never"), PAT_OK);
    assert_string_equal(options.data, "/var/lib/patron");
    assert_int_equal(options.listens, 2);
    assert_string_equal(options.sync, "never");
    assert_true(options.snapshot_every_ms == 0);
    assert_string_equal(options.timezone, "Europe/London");
    assert_int_equal(parse_file(&options, &error, content, "--listen 127.0.0.1:3"), PAT_OK);
    assert_int_equal(options.listens, 1);
    assert_string_equal(options.listen[0], "127.0.0.1:3");
}

static void mistakes_in_the_file_name_the_line(void **state) {
    (void)state;
    static const char *const wrong[] = {"data = d\nsink = always\n", "data = d\nsync = maybe\n", "data = d\nsync\n",
                                        "data = d\nconfig = other\n", "data = d\nlisten =\n"};
    struct pat_options options;
    struct pat_error error;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (parse_file(&options, &error, wrong[i], "") == PAT_OK) fail_msg("taken: %s", wrong[i]);
        if (strstr(error.message, "line 2") == NULL) fail_msg("%s: %s", wrong[i], error.message);
    }
    char *big = calloc(1, 20000);
    assert_non_null(big);
    (void)memset(big, 'x', 19999);
    assert_int_equal(parse_file(&options, &error, big, ""), PAT_ERR_BAD_REQUEST);
    free(big);
}

/* Nobody needs to set a limit: a small container is one. */
static void memory_is_what_was_given_or_what_there_is(void **state) {
    (void)state;
    const uint64_t gib = UINT64_C(1) << 30;
    static const struct {
        uint64_t given, there;
        uint64_t limit;
        bool is_short;
    } cases[] = {
        {0, 8 * (UINT64_C(1) << 30), 6871947672, false},
        {UINT64_C(64) << 20, 8 * (UINT64_C(1) << 30), UINT64_C(64) << 20, true},
        {UINT64_C(2) << 30, 8 * (UINT64_C(1) << 30), UINT64_C(2) << 30, false},
        {0, UINT64_C(512) << 20, 429496728, true},                         /* a small container */
        {UINT64_C(2) << 30, UINT64_C(512) << 20, UINT64_C(2) << 30, true}, /* a limit that it does not have */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct pat_options options = {.memory_bytes = cases[i].given};
        assert_int_equal(pat_options_memory(&options, cases[i].there), cases[i].limit);
        assert_int_equal(pat_options_memory_is_short(&options, cases[i].there), cases[i].is_short);
    }
    const struct pat_options options = {.memory_bytes = gib};
    assert_false(pat_options_memory_is_short(&options, 8 * gib));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_has_a_default),
        cmocka_unit_test(both_forms_of_a_value_are_taken),
        cmocka_unit_test(mistakes_name_the_option),
        cmocka_unit_test(help_needs_nothing_else),
        cmocka_unit_test(the_command_line_wins_over_the_file),
        cmocka_unit_test(mistakes_in_the_file_name_the_line),
        cmocka_unit_test(memory_is_what_was_given_or_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
