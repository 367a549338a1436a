/* Commands about the server itself, and `call` for any method. */
#include "cli.h"
#include "render.h"
#include "sheet.h"

#include "base/buf.h"
#include "base/text.h"
#include "model/limits.h"
#include "model/schema.h"
#include "proto/json.h"

#include <stdio.h>
#include <string.h>

static enum pat_exit ask_and_print(const struct pat_cli *cli, const char *method) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_value answer;
    enum pat_exit code = pat_cli_ask(cli, method, NULL, &arena, &answer);
    if (code == PAT_EXIT_OK) code = pat_render_answer(cli, &arena, &answer);
    pat_arena_deinit(&arena);
    return code;
}

static enum pat_exit run_status(const struct pat_cli *cli) {
    return ask_and_print(cli, "status");
}

const struct pat_cli_command pat_command_status = {
    .room = PAT_CLI_SERVER,
    .name = "status",
    .operands = "",
    .summary = "Rows, memory, newest fact, last snapshot",
    .example = "patron status",
    .run = run_status,
};

static enum pat_exit run_snapshot(const struct pat_cli *cli) {
    return ask_and_print(cli, "snapshot.save");
}

const struct pat_cli_command pat_command_snapshot = {
    .room = PAT_CLI_KEEPING,
    .name = "snapshot",
    .operands = "",
    .summary = "Write a snapshot now, without stopping service",
    .example = "patron snapshot",
    .run = run_snapshot,
};

static enum pat_exit run_verify(const struct pat_cli *cli) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_value answer;
    enum pat_exit code = pat_cli_ask(cli, "verify", NULL, &arena, &answer);
    if (code == PAT_EXIT_OK) code = pat_render_answer(cli, &arena, &answer);
    const struct pat_value *ok = code == PAT_EXIT_OK ? pat_value_get(&answer, "ok") : NULL;
    if (ok != NULL && ok->type == PAT_VALUE_BOOL && !ok->as.boolean) {
        struct pat_error error;
        (void)pat_error_set(&error, PAT_ERR_CORRUPT,
                            "a file is damaged, or what is kept differs from what the facts give: see the checks");
        code = pat_cli_fail(&error);
    }
    pat_arena_deinit(&arena);
    return code;
}

const struct pat_cli_command pat_command_verify = {
    .room = PAT_CLI_KEEPING,
    .name = "verify",
    .operands = "",
    .summary = "Recompute every aggregate, read every file again",
    .explain = "In one version, while the server goes on: recomputes from the facts what is kept\n"
               "of customers, what runs say of them, base values and counts, and compares; then\n"
               "reads manifest, snapshots and journal again from the disk, up to what was\n"
               "acknowledged. Wrong values are named by customer and by ordinals (rows in the\n"
               "store), damaged files with offset and batches. The server writes damaged files\n"
               "anew from memory; it does all this by itself, too (patrond --verify-every).\n"
               "Exit: 0 all is good; 1 something is not (CORRUPT); 2 a wrong command line.",
    .example = "patron verify",
    .run = run_verify,
};

/* ---- schema [TABLE] ------------------------------------------------------------------------------------------- */

/* The description of one table: `tables` is an array of maps with a name, or a map by name. */
static const struct pat_value *schema_table(const struct pat_value *answer, const char *name) {
    const struct pat_value *tables = pat_value_get(answer, "tables");
    if (tables == NULL) return NULL;
    if (tables->type == PAT_VALUE_MAP) return pat_value_get(tables, name);
    for (uint32_t i = 0; tables->type == PAT_VALUE_ARRAY && i < tables->count; i++) {
        const struct pat_value *table = &tables->as.items[i];
        const struct pat_value *its = table->type == PAT_VALUE_MAP ? pat_value_get(table, "name") : NULL;
        if (its != NULL && pat_value_is_text(its, name)) return table;
    }
    return NULL;
}

/* `schema add TABLE NAME TYPE`: what is wrong with the words the server says. */
static enum pat_exit run_schema_add(const struct pat_cli *cli) {
    if (cli->operands != 4) return pat_cli_usage(cli, "an attribute is added by: schema add TABLE NAME TYPE");
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_builder builder = {.arena = &arena};
    struct pat_value params = pat_build_map(&builder, 3), answer;
    const size_t prefix = sizeof PAT_ATTRIBUTE_PREFIX - 1;
    const char *name = cli->operand[2];
    if (strncmp(name, PAT_ATTRIBUTE_PREFIX, prefix) == 0) name += prefix;
    pat_build_put(&builder, &params, "table", pat_value_string(cli->operand[1]));
    pat_build_put(&builder, &params, "name", pat_value_string(name));
    pat_build_put(&builder, &params, "type", pat_value_string(cli->operand[3]));
    enum pat_exit code = pat_cli_ask(cli, "schema.add", &params, &arena, &answer);
    if (code == PAT_EXIT_OK) code = pat_render_answer(cli, &arena, &answer);
    pat_arena_deinit(&arena);
    return code;
}

static enum pat_exit run_schema(const struct pat_cli *cli) {
    if (cli->operands > 0 && strcmp(cli->operand[0], "add") == 0) return run_schema_add(cli);
    if (cli->operands > 1) return pat_cli_usage(cli, "'%s' is one word too many", cli->operand[1]);
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_value answer;
    enum pat_exit code = pat_cli_ask(cli, "schema", NULL, &arena, &answer);
    const struct pat_value *shown = &answer;
    if (code == PAT_EXIT_OK && cli->operands == 1) {
        shown = schema_table(&answer, cli->operand[0]);
        if (shown == NULL) {
            struct pat_error error;
            (void)pat_error_set(&error, PAT_ERR_NOT_FOUND, "there is no table '%s'; `patron schema` lists them",
                                cli->operand[0]);
            code = pat_cli_fail(&error);
        }
    }
    if (code == PAT_EXIT_OK) code = pat_render_answer(cli, &arena, shown);
    pat_arena_deinit(&arena);
    return code;
}

const struct pat_cli_command pat_command_schema = {
    .room = PAT_CLI_SERVER,
    .name = "schema",
    .operands = "[TABLE]",
    .operands_max = 4,
    .summary = "Tables, fields, types, units, group maps and methods",
    .explain = "`patron schema add TABLE NAME TYPE` adds an attribute of the shop's own,\n"
               "attr.NAME, to customers, orders, lines or refunds. TYPE is bool, int, decimal,\n"
               "money, date, time, enum or set. Adding it again is harmless.",
    .example = "patron schema orders\n"
               "  patron schema add customers tier enum",
    .run = run_schema,
};

/* ---- call METHOD [JSON] --------------------------------------------------------------------------------------- */

/* Parameters from standard input; nothing there means none. */
static enum pat_status read_stdin(struct pat_buf *buf, struct pat_error *error) {
    for (;;) {
        if (pat_buf_reserve(buf, 65536) != PAT_OK)
            return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the input");
        const size_t got = fread(buf->data + buf->length, 1, 65536, stdin);
        buf->length += got;
        if (buf->length > PAT_FRAME_BYTES_MAX) {
            return pat_error_set(error, PAT_ERR_TOO_LARGE, "the parameters are longer than %u bytes",
                                 PAT_FRAME_BYTES_MAX);
        }
        if (got == 0) return ferror(stdin) ? pat_error_set(error, PAT_ERR_IO, "standard input cannot be read") : PAT_OK;
    }
}

static bool is_blank(struct pat_text text) {
    for (size_t i = 0; i < text.length; i++) {
        if (strchr(" \t\r\n", text.data[i]) == NULL) return false;
    }
    return true;
}

/* The JSON of a call is part of the command line, so a mistake in it is a wrong command line. */
static enum pat_exit call_text(const struct pat_cli *cli, struct pat_text text, struct pat_arena *arena) {
    struct pat_error error;
    struct pat_value params, answer;
    const bool none = is_blank(text);
    if (!none && pat_json_parse(&params, text, arena, &error) != PAT_OK) {
        return pat_cli_usage(cli, "the parameters are not JSON: %s", error.message);
    }
    if (!none && params.type != PAT_VALUE_MAP) return pat_cli_usage(cli, "the parameters must be a JSON object: {...}");
    const enum pat_exit code = pat_cli_ask(cli, cli->operand[0], none ? NULL : &params, arena, &answer);
    return code == PAT_EXIT_OK ? pat_render_json(&answer) : code;
}

static enum pat_exit run_call(const struct pat_cli *cli) {
    struct pat_buf buf;
    pat_buf_init(&buf, PAT_MEM_OTHER);
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_error error;
    const bool from_stdin = cli->operands == 1 ? !pat_is_terminal(stdin) : strcmp(cli->operand[1], "-") == 0;
    struct pat_text text = cli->operands > 1 && !from_stdin ? pat_text_of(cli->operand[1]) : (struct pat_text){0};
    enum pat_exit code = PAT_EXIT_OK;
    if (from_stdin && read_stdin(&buf, &error) != PAT_OK) code = pat_cli_fail(&error);
    if (from_stdin) text = (struct pat_text){(const char *)buf.data, buf.length};
    if (code == PAT_EXIT_OK) code = call_text(cli, text, &arena);
    pat_arena_deinit(&arena);
    pat_buf_deinit(&buf);
    return code;
}

const struct pat_cli_command pat_command_call = {
    .room = PAT_CLI_SERVER,
    .name = "call",
    .operands = "METHOD [JSON]",
    .operands_min = 1,
    .operands_max = 2,
    .summary = "Any method of the server; the answer is JSON",
    .explain = "Parameters are a JSON object, as an argument or on standard input.",
    .example = "patron call group '{\"by\": [\"country\"], \"metrics\": [\"count\", \"sum(net)\"]}'",
    .run = run_call,
};
