/* Whole answers. */
#include "render.h"

#include "base/buf.h"
#include "model/decimal.h"
#include "proto/json.h"
#include "sheet.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Members that every answer to a question carries; the footer shows them. */
static bool is_common(struct pat_text key) {
    static const char *const names[] = {"lsn",     "epoch",    "as_of",    "ms",         "warnings",
                                        "undated", "unpriced", "degraded", "newest_fact"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (pat_text_is(key, names[i])) return true;
    }
    return false;
}

enum pat_exit pat_render_json(const struct pat_value *answer) {
    struct pat_buf buf;
    pat_buf_init(&buf, PAT_MEM_OTHER);
    const enum pat_status status = pat_json_print(&buf, answer, true);
    if (status == PAT_OK) (void)fwrite(buf.data, 1, buf.length, stdout);
    if (status == PAT_OK && (buf.length == 0 || buf.data[buf.length - 1] != '\n')) (void)fputc('\n', stdout);
    pat_buf_deinit(&buf);
    if (status == PAT_OK) return PAT_EXIT_OK;
    struct pat_error error;
    (void)pat_error_set(&error, status, "the answer cannot be printed as JSON");
    return pat_cli_fail(&error);
}

struct pat_render_money pat_render_money_of(const struct pat_value *map, struct pat_render_money outer) {
    const struct pat_value *currency = pat_value_get(map, "currency");
    const struct pat_value *digits = pat_value_get(map, "digits");
    if (digits == NULL || digits->type != PAT_VALUE_INT || digits->as.integer < 0 || digits->as.integer > 6)
        return outer;
    struct pat_render_money money = {.digits = (unsigned)digits->as.integer};
    if (currency != NULL && currency->type == PAT_VALUE_TEXT) money.currency = pat_value_as_text(currency);
    return money;
}

static void print_list(const char *what, const struct pat_value *list) {
    if (list == NULL || list->type != PAT_VALUE_ARRAY) return;
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->as.items[i].type != PAT_VALUE_TEXT) continue;
        char shown[PAT_ERROR_MESSAGE_BYTES];
        (void)fprintf(stderr, "%s: %s\n", what,
                      pat_text_printable(pat_value_as_text(&list->as.items[i]), shown, sizeof shown));
    }
}

static void print_notes(const struct pat_value *answer) {
    print_list("warning", pat_value_get(answer, "warnings"));
    print_list("undated (as it is now, not as of that day)", pat_value_get(answer, "undated"));
    const struct pat_value *unpriced = pat_value_get(answer, "unpriced");
    if (unpriced != NULL && unpriced->type == PAT_VALUE_INT && unpriced->as.integer > 0) {
        const bool one = unpriced->as.integer == 1;
        (void)fprintf(stderr, "unpriced: %" PRId64 " %s in a currency without a rate %s as nothing in money\n",
                      unpriced->as.integer, one ? "fact" : "facts", one ? "counts" : "count");
    }
    const struct pat_value *degraded = pat_value_get(answer, "degraded");
    if (degraded != NULL && degraded->type == PAT_VALUE_BOOL && degraded->as.boolean) {
        (void)fprintf(stderr, "degraded: part of the data was lost, this answer is not whole\n");
    }
}

/* What a table would show below its rows. */
static void print_left_out(const struct pat_value *answer) {
    const struct pat_value *rest = pat_value_get(answer, "rest"), *cursor = pat_value_get(answer, "cursor");
    if (rest != NULL && rest->type == PAT_VALUE_ARRAY)
        (void)fprintf(stderr, "more: there are other groups, not in these rows; --limit N takes N of them\n");
    if (cursor != NULL && cursor->type == PAT_VALUE_TEXT)
        (void)fprintf(stderr, "more: there are other rows; --all takes every one, --cursor %.*s the next\n",
                      (int)cursor->count, cursor->as.text);
}

/* Of a question, as against a report on the server. */
static bool is_question(const struct pat_value *answer) {
    return pat_value_get(answer, "as_of") != NULL;
}

void pat_render_notes(const struct pat_value *answer) {
    if (answer->type != PAT_VALUE_MAP || !is_question(answer)) return;
    (void)fflush(stdout);
    print_notes(answer);
    print_left_out(answer);
}

void pat_render_footer(const struct pat_value *answer, int64_t rows) {
    if (!is_question(answer)) return;
    (void)fflush(stdout);
    print_notes(answer);
    const struct pat_value *as_of = pat_value_get(answer, "as_of");
    const struct pat_value *lsn = pat_value_get(answer, "lsn");
    const struct pat_value *ms = pat_value_get(answer, "ms");
    const char *between = "";
    (void)fputs(pat_style_dim(stdout), stdout);
    if (as_of != NULL && as_of->type == PAT_VALUE_TEXT) {
        (void)printf("as of %.*s", (int)as_of->count, as_of->as.text);
        between = " \u00b7 ";
    }
    if (rows >= 0) {
        (void)printf("%s%" PRId64 " %s", between, rows, rows == 1 ? "row" : "rows");
        between = " \u00b7 ";
    }
    if (lsn != NULL && lsn->type == PAT_VALUE_INT) {
        (void)printf("%slsn %" PRId64, between, lsn->as.integer);
        between = " \u00b7 ";
    }
    if (ms != NULL && (ms->type == PAT_VALUE_FLOAT || ms->type == PAT_VALUE_INT)) {
        const double taken = ms->type == PAT_VALUE_INT ? (double)ms->as.integer : ms->as.real;
        (void)printf("%s%.3g %s", between, taken < 1000 ? taken : taken / 1000, taken < 1000 ? "ms" : "s");
    }
    const struct pat_value *cursor = pat_value_get(answer, "cursor");
    if (cursor != NULL && cursor->type == PAT_VALUE_TEXT) {
        (void)printf("%smore with --all, or --cursor %.*s", between, (int)cursor->count, cursor->as.text);
    }
    (void)printf("%s\n", pat_style_off(stdout));
}

static void print_sheet(const struct pat_sheet *sheet, bool csv) {
    if (csv) {
        pat_sheet_print_csv(sheet, stdout);
    } else {
        pat_sheet_print_table(sheet, stdout);
    }
}

/* ---- {columns, rows, total?, rest?, money} -------------------------------------------------------------------- */

static bool is_money_column(const struct pat_value *money, struct pat_text name) {
    const struct pat_value *columns = money != NULL ? pat_value_get(money, "columns") : NULL;
    if (columns == NULL || columns->type != PAT_VALUE_ARRAY) return false;
    for (uint32_t i = 0; i < columns->count; i++) {
        const struct pat_value *item = &columns->as.items[i];
        if (item->type == PAT_VALUE_TEXT && pat_text_equal(pat_value_as_text(item), name)) return true;
    }
    return false;
}

static bool is_number(const struct pat_value *value) {
    return value->type == PAT_VALUE_INT || value->type == PAT_VALUE_UINT || value->type == PAT_VALUE_FLOAT;
}

/* Exact numbers that come as text, to lose nothing. */
static bool is_exact(struct pat_text name) {
    static const char *const names[] = {"quantity", "price", "amount", "discount", "shipping", "tax", "duty", "cost"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (pat_text_is(name, names[i])) return true;
    }
    return false;
}

/* Where such a text is a number: ids come as text, too, and stay on the left. */
static bool may_be_exact(struct pat_text name) {
    if (is_exact(name)) return true;
    const bool attribute = name.length > 5 && memcmp(name.data, "attr.", 5) == 0;
    const bool year = name.length > 5 && memcmp(name.data, "year(", 5) == 0; /* a name of a year */
    return attribute || (!year && name.length > 0 && name.data[name.length - 1] == ')');
}

static bool is_decimal(const struct pat_value *value) {
    pat_decimal decimal;
    return value->type == PAT_VALUE_TEXT && pat_decimal_parse(pat_value_as_text(value), false, &decimal);
}

/* A column is set to the right when it holds numbers and nothing else but nulls. */
static bool column_is_numeric(const struct pat_value *rows, uint32_t column, struct pat_text name) {
    const bool decimals = may_be_exact(name);
    bool any = false;
    for (uint32_t r = 0; r < rows->count; r++) {
        const struct pat_value *row = &rows->as.items[r];
        if (row->type != PAT_VALUE_ARRAY || column >= row->count) continue;
        const struct pat_value *value = &row->as.items[column];
        if (value->type == PAT_VALUE_NIL) continue;
        if (!is_number(value) && !(decimals && is_decimal(value))) return false;
        any = true;
    }
    return any;
}

struct columnar {
    const struct pat_render *render;
    struct pat_sheet *sheet;
    enum pat_shape *shape;
    unsigned digits;
};

static void columnar_row(const struct columnar *columnar, const struct pat_value *row, const char *label) {
    struct pat_text *cell = pat_sheet_row(columnar->sheet);
    if (cell == NULL || row->type != PAT_VALUE_ARRAY) return;
    const unsigned columns = columnar->sheet->columns;
    /* A total has values for the metrics only, which stand last, or nulls where the dimensions are. */
    const uint32_t skip = row->count < columns ? columns - row->count : 0;
    for (uint32_t i = 0; i < row->count && skip + i < columns; i++) {
        const struct pat_value *value = &row->as.items[i];
        if (label != NULL && value->type == PAT_VALUE_NIL) continue;
        cell[skip + i] = pat_render_value(columnar->render, value, columnar->shape[skip + i], columnar->digits);
    }
    if (label != NULL && columns > 0 && cell[0].length == 0) cell[0] = pat_text_of(label);
}

static bool row_is_real(const struct pat_value *row) {
    return row != NULL && row->type == PAT_VALUE_ARRAY && row->count > 0;
}

static enum pat_exit render_columnar(const struct pat_render *render, const struct pat_value *answer,
                                     const struct pat_value *columns, const struct pat_value *rows) {
    const struct pat_value *money = pat_value_get(answer, "money");
    struct pat_render_money unit = {0};
    if (money != NULL) unit = pat_render_money_of(money, unit);
    struct pat_sheet sheet;
    pat_sheet_begin(&sheet, render->arena, columns->count);
    sheet.headless = render->headless;
    enum pat_shape *shape = pat_arena_array(render->arena, columns->count, sizeof *shape);
    if (shape == NULL) sheet.failed = true;
    for (uint32_t c = 0; c < columns->count && shape != NULL; c++) {
        const struct pat_text name = pat_value_as_text(&columns->as.items[c]);
        shape[c] = is_money_column(money, name) ? PAT_SHAPE_MONEY : pat_shape_of(name);
        /* NAME_minor in the rows' own currencies, of which each has its digits: as it came. */
        if (shape[c] == PAT_SHAPE_MONEY && !is_money_column(money, name)) shape[c] = PAT_SHAPE_PLAIN;
        pat_sheet_head(&sheet, c, pat_render_heading(render, name, shape[c], unit.currency),
                       column_is_numeric(rows, c, name));
    }
    const struct columnar columnar = {render, &sheet, shape, unit.digits};
    for (uint32_t r = 0; r < rows->count && !sheet.failed; r++) columnar_row(&columnar, &rows->as.items[r], NULL);
    /* In CSV a total would be taken for one more row. */
    const struct pat_value *rest = pat_value_get(answer, "rest");
    const struct pat_value *total = pat_value_get(answer, "total");
    if (!render->csv && row_is_real(rest)) columnar_row(&columnar, rest, "(rest)");
    if (!render->csv && row_is_real(total) && rows->count > 1) {
        columnar_row(&columnar, total, "total");
        sheet.rule_last = true;
    }
    print_sheet(&sheet, render->csv);
    return sheet.failed ? PAT_EXIT_REFUSED : PAT_EXIT_OK;
}

/* ---- anything else: pairs, and tables for arrays of maps ------------------------------------------------------ */

/* A map's own money; its net is in the base currency of the answer around it. */
static struct pat_render_money money_of_member(struct pat_text key, struct pat_render_money own,
                                               struct pat_render_money outer) {
    return pat_text_is(key, "net_minor") && outer.currency.length > 0 ? outer : own;
}

/* Says how to read other members, and has been used for that. */
static bool is_hidden(struct pat_text key) {
    return pat_text_is(key, "digits");
}

/* The keys of all maps of an array, in order of appearance. */
static uint32_t union_of_keys(const struct pat_value *array, struct pat_text *key, uint32_t capacity) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < array->count; i++) {
        const struct pat_value *map = &array->as.items[i];
        for (uint32_t m = 0; map->type == PAT_VALUE_MAP && m < map->count; m++) {
            uint32_t k = 0;
            if (is_hidden(map->as.members[m].key)) continue;
            while (k < count && !pat_text_equal(key[k], map->as.members[m].key)) k++;
            if (k == count && count < capacity) key[count++] = map->as.members[m].key;
        }
    }
    return count;
}

static const struct pat_value *member(const struct pat_value *map, struct pat_text key) {
    for (uint32_t m = 0; map->type == PAT_VALUE_MAP && m < map->count; m++) {
        if (pat_text_equal(map->as.members[m].key, key)) return &map->as.members[m].value;
    }
    return NULL;
}

static bool key_is_numeric(const struct pat_value *array, struct pat_text key) {
    if (is_exact(key)) return true;
    bool any = false;
    for (uint32_t i = 0; i < array->count; i++) {
        const struct pat_value *value = member(&array->as.items[i], key);
        if (value == NULL || value->type == PAT_VALUE_NIL) continue;
        if (!is_number(value)) return false;
        any = true;
    }
    return any;
}

/* True when rows carry their own currency, so that the heading must not name one. */
static bool has_own_money(const struct pat_value *array) {
    for (uint32_t i = 0; i < array->count; i++) {
        if (pat_value_get(&array->as.items[i], "digits") != NULL) return true;
    }
    return false;
}

static void render_maps(const struct pat_render *render, const struct pat_value *array, struct pat_render_money money) {
    struct pat_text key[64];
    const uint32_t keys = union_of_keys(array, key, 64);
    const bool own = has_own_money(array);
    struct pat_sheet sheet;
    pat_sheet_begin(&sheet, render->arena, keys);
    for (uint32_t k = 0; k < keys; k++) {
        const struct pat_render_money unit = own ? (struct pat_render_money){0} : money;
        const struct pat_text currency = money_of_member(key[k], unit, money).currency;
        pat_sheet_head(&sheet, k, pat_render_heading(render, key[k], pat_shape_of(key[k]), currency),
                       key_is_numeric(array, key[k]));
    }
    for (uint32_t i = 0; i < array->count; i++) {
        const struct pat_value *map = &array->as.items[i];
        struct pat_text *cell = pat_sheet_row(&sheet);
        if (cell == NULL) return;
        const struct pat_render_money unit = pat_render_money_of(map, money);
        for (uint32_t k = 0; k < keys; k++) {
            const struct pat_value *value = member(map, key[k]);
            const unsigned digits = money_of_member(key[k], unit, money).digits;
            if (value != NULL) cell[k] = pat_render_value(render, value, pat_shape_of(key[k]), digits);
        }
    }
    print_sheet(&sheet, render->csv);
}

static bool is_array_of_maps(const struct pat_value *value) {
    return value->type == PAT_VALUE_ARRAY && value->count > 0 && value->as.items[0].type == PAT_VALUE_MAP;
}

static bool is_nested(const struct pat_value *value) {
    return is_array_of_maps(value) || (value->type == PAT_VALUE_MAP && value->count > 0);
}

/* Plain members first as aligned pairs, then each nested part under its name. */
static void render_pairs(const struct pat_render *render, const struct pat_value *map, struct pat_render_money money,
                         struct pat_text path, bool top) {
    struct pat_text name[256];
    const uint32_t count = map->count < 256 ? map->count : 256;
    const bool bytes = pat_text_is(path, "memory");
    const bool question = top && is_question(map);
    const struct pat_render_money outer = money;
    money = pat_render_money_of(map, money);
    size_t width = 0;
    for (uint32_t m = 0; m < count; m++) {
        const struct pat_member *item = &map->as.members[m];
        name[m] = pat_render_heading(render, item->key, pat_shape_of(item->key),
                                     money_of_member(item->key, money, outer).currency);
        if (!is_nested(&item->value) && pat_text_width(name[m]) > width) width = pat_text_width(name[m]);
    }
    for (uint32_t m = 0; m < count; m++) {
        const struct pat_member *item = &map->as.members[m];
        if (is_nested(&item->value) || is_hidden(item->key) || (question && is_common(item->key))) continue;
        enum pat_shape shape = pat_shape_of(item->key);
        if (bytes && shape == PAT_SHAPE_PLAIN) shape = PAT_SHAPE_BYTES;
        const struct pat_text text =
            pat_render_value(render, &item->value, shape, money_of_member(item->key, money, outer).digits);
        (void)printf("%s%.*s%*s  %.*s\n", top ? "" : "  ", (int)name[m].length, name[m].data,
                     (int)(width - pat_text_width(name[m])), "", (int)text.length, text.data != NULL ? text.data : "");
    }
    for (uint32_t m = 0; m < count; m++) {
        const struct pat_member *item = &map->as.members[m];
        if (!is_nested(&item->value)) continue;
        /* "facts" holds what was asked for with --with: its parts are titles enough. */
        const struct pat_text below = path.length == 0 || pat_text_is(path, "facts")
                                          ? item->key
                                          : pat_arena_printf(render->arena, "%.*s.%.*s", (int)path.length, path.data,
                                                             (int)item->key.length, item->key.data);
        if (!pat_text_is(below, "facts")) {
            (void)printf("\n%s%.*s%s\n", pat_style_bold(stdout), (int)below.length, below.data, pat_style_off(stdout));
        }
        if (is_array_of_maps(&item->value)) {
            render_maps(render, &item->value, money);
        } else {
            render_pairs(render, &item->value, money, below, false);
        }
    }
}

/* In CSV a tree is a list of paths and values; money stays in minor units, as its name says. */
static void render_paths(const struct pat_render *render, const struct pat_value *value, struct pat_text path) {
    const bool map = value->type == PAT_VALUE_MAP;
    if (!map && !is_array_of_maps(value)) {
        pat_csv_print_cell(stdout, path);
        (void)fputc(',', stdout);
        pat_csv_print_cell(stdout, pat_render_value(render, value, PAT_SHAPE_PLAIN, 0));
        (void)fputs("\r\n", stdout);
        return;
    }
    for (uint32_t i = 0; i < value->count; i++) {
        const char *dot = path.length > 0 ? "." : "";
        const struct pat_text below =
            map ? pat_arena_printf(render->arena, "%.*s%s%.*s", (int)path.length, path.length > 0 ? path.data : "", dot,
                                   (int)value->as.members[i].key.length, value->as.members[i].key.data)
                : pat_arena_printf(render->arena, "%.*s%s%" PRIu32, (int)path.length, path.length > 0 ? path.data : "",
                                   dot, i);
        if (below.data == NULL) return;
        render_paths(render, map ? &value->as.members[i].value : &value->as.items[i], below);
    }
}

enum pat_exit pat_render_page(const struct pat_cli *cli, struct pat_arena *arena, const struct pat_value *answer,
                              bool first) {
    if (cli->format == PAT_FORMAT_JSON) return pat_render_json(answer);
    const struct pat_render render = {.arena = arena, .csv = cli->format == PAT_FORMAT_CSV, .headless = !first};
    if (answer->type != PAT_VALUE_MAP) {
        const struct pat_text text = pat_render_value(&render, answer, PAT_SHAPE_PLAIN, 0);
        (void)printf("%.*s\n", (int)text.length, text.data != NULL ? text.data : "");
        return PAT_EXIT_OK;
    }
    const struct pat_value *columns = pat_value_get(answer, "columns");
    const struct pat_value *rows = pat_value_get(answer, "rows");
    if (columns != NULL && rows != NULL && columns->type == PAT_VALUE_ARRAY && rows->type == PAT_VALUE_ARRAY) {
        const enum pat_exit code = render_columnar(&render, answer, columns, rows);
        if (!render.csv) pat_render_footer(answer, rows->count);
        return code;
    }
    if (render.csv) {
        (void)fputs("name,value\r\n", stdout);
        render_paths(&render, answer, (struct pat_text){0});
        return PAT_EXIT_OK;
    }
    render_pairs(&render, answer, (struct pat_render_money){0}, (struct pat_text){0}, true);
    pat_render_footer(answer, -1);
    return PAT_EXIT_OK;
}

enum pat_exit pat_render_answer(const struct pat_cli *cli, struct pat_arena *arena, const struct pat_value *answer) {
    const enum pat_exit code = pat_render_page(cli, arena, answer, true);
    if (cli->format == PAT_FORMAT_CSV) pat_render_notes(answer);
    return code;
}
