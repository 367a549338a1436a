#include "cli.h"

#include "base/text.h"
#include "proto/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum pat_exit pat_cli_usage(const struct pat_cli *cli, const char *format, ...) {
    const char *name = cli->command != NULL ? cli->command->name : NULL;
    (void)fprintf(stderr, "patron%s%s: ", name != NULL ? " " : "", name != NULL ? name : "");
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fprintf(stderr, "\nTry: patron%s%s --help\n", name != NULL ? " " : "", name != NULL ? name : "");
    return PAT_EXIT_USAGE;
}

/* Messages quote what came from outside; one line stays one line. */
static void print_line(const char *code, const char *message) {
    char shown[2 * PAT_ERROR_MESSAGE_BYTES];
    (void)fprintf(stderr, "%s: %s\n", code, pat_text_printable(pat_text_of(message), shown, sizeof shown));
}

const char *pat_cli_code(enum pat_status status) {
    /* On the wire a server's own trouble is INTERNAL; here it is a file or a connection, and nobody's bug. */
    return status == PAT_ERR_IO ? "IO" : pat_status_code(status);
}

enum pat_exit pat_cli_fail(const struct pat_error *error) {
    print_line(pat_cli_code(error->status), error->message);
    return PAT_EXIT_REFUSED;
}

enum pat_exit pat_cli_refused(const struct pat_client_fault *fault) {
    print_line(fault->code, fault->message);
    return PAT_EXIT_REFUSED;
}

enum pat_exit pat_cli_ask(const struct pat_cli *cli, const char *method, const struct pat_value *params,
                          struct pat_arena *arena, struct pat_value *result) {
    struct pat_error error = {0};
    struct pat_client *client = NULL;
    if (pat_cli_connect(cli, &client, &error) != PAT_OK) return pat_cli_fail(&error);
    bool failed = false;
    struct pat_client_fault fault;
    enum pat_status status = pat_client_call(client, method, params, arena, result, &failed, &fault, &error);
    pat_client_close(&client);
    if (status != PAT_OK) return pat_cli_fail(&error);
    return failed ? pat_cli_refused(&fault) : PAT_EXIT_OK;
}

bool pat_cli_number(const char *text, uint64_t max, uint64_t *out) {
    if (!isdigit((unsigned char)text[0])) return false;
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || value > max) return false;
    *out = value;
    return true;
}

struct pat_value pat_cli_json_or_text(struct pat_builder *builder, const char *text) {
    struct pat_value value;
    struct pat_error error;
    if (pat_json_parse(&value, pat_text_of(text), builder->arena, &error) == PAT_OK) return value;
    return pat_value_string(text);
}

struct pat_value pat_cli_list(struct pat_builder *builder, const char *text) {
    struct pat_value list = pat_build_array(builder, 8);
    int depth = 0;
    const char *start = text;
    for (const char *at = text;; at++) {
        if (*at == '(' || *at == '[') depth++;
        if (*at == ')' || *at == ']') depth--;
        if (*at != '\0' && (*at != ',' || depth > 0)) continue;
        const char *end = at;
        while (start < end && *start == ' ') start++;
        while (end > start && end[-1] == ' ') end--;
        if (end > start) {
            const struct pat_text part = {start, (size_t)(end - start)};
            pat_build_push(builder, &list, pat_value_text(part));
        }
        if (*at == '\0') return list;
        start = at + 1;
    }
}

static enum pat_exit put_args(const struct pat_cli *cli, struct pat_builder *builder, struct pat_value *params) {
    struct pat_value args = pat_build_map(builder, 4);
    unsigned at = 0;
    const char *given;
    while ((given = pat_cli_next(cli, "--arg", &at)) != NULL) {
        const char *equals = strchr(given, '=');
        if (equals == NULL || equals == given) return pat_cli_usage(cli, "--arg is NAME=VALUE, not '%s'", given);
        const struct pat_text name = {given, (size_t)(equals - given)};
        pat_build_put_text_key(builder, &args, name, pat_cli_json_or_text(builder, equals + 1));
    }
    if (args.count > 0) pat_build_put(builder, params, "args", args);
    return PAT_EXIT_OK;
}

static enum pat_exit put_number(const struct pat_cli *cli, struct pat_builder *builder, struct pat_value *params,
                                const char *option, const char *name) {
    const char *text = pat_cli_option(cli, option);
    if (text == NULL) return PAT_EXIT_OK;
    uint64_t number;
    if (!pat_cli_number(text, INT64_MAX, &number))
        return pat_cli_usage(cli, "%s needs a number, not '%s'", option, text);
    pat_build_put(builder, params, name, pat_value_uint(number));
    return PAT_EXIT_OK;
}

enum pat_exit pat_cli_put_filter(const struct pat_cli *cli, struct pat_builder *builder, struct pat_value *params,
                                 const char *text) {
    struct pat_value filter = pat_value_string(text);
    struct pat_error error;
    if (text[0] == '[' && pat_json_parse(&filter, pat_text_of(text), builder->arena, &error) != PAT_OK) {
        return pat_cli_usage(cli, "a filter that begins with '[' is a tree in JSON: %s", error.message);
    }
    pat_build_put(builder, params, "where", filter);
    return PAT_EXIT_OK;
}

static enum pat_exit put_json(const struct pat_cli *cli, struct pat_builder *builder, struct pat_value *params,
                              const char *option, const char *name, const char *example) {
    const char *text = pat_cli_option(cli, option);
    if (text == NULL) return PAT_EXIT_OK;
    struct pat_value value;
    struct pat_error error;
    if (pat_json_parse(&value, pat_text_of(text), builder->arena, &error) != PAT_OK) {
        return pat_cli_usage(cli, "%s is JSON, as in %s '%s': %s", option, option, example, error.message);
    }
    pat_build_put(builder, params, name, value);
    return PAT_EXIT_OK;
}

enum pat_exit pat_cli_put_reading(const struct pat_cli *cli, struct pat_builder *builder, struct pat_value *params) {
    const char *where = pat_cli_option(cli, "--where");
    if (where != NULL) {
        const enum pat_exit code = pat_cli_put_filter(cli, builder, params, where);
        if (code != PAT_EXIT_OK) return code;
    }
    const char *as_of = pat_cli_option(cli, "--as-of");
    if (as_of != NULL) pat_build_put(builder, params, "as_of", pat_value_string(as_of));
    enum pat_exit code = put_json(cli, builder, params, "--rfm", "rfm", "{\"window\":\"all\"}");
    if (code == PAT_EXIT_OK) code = put_json(cli, builder, params, "--lifecycle", "lifecycle", "{\"gaps\":[1,3]}");
    if (code == PAT_EXIT_OK) code = put_args(cli, builder, params);
    if (code == PAT_EXIT_OK) code = put_number(cli, builder, params, "--min-lsn", "min_lsn");
    if (code == PAT_EXIT_OK) code = put_number(cli, builder, params, "--deadline-ms", "deadline_ms");
    return code;
}
