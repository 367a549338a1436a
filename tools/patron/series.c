/* `patron cohort`: a triangle of months. `patron control`: what was loaded, to hold against its source. */
#include "cli.h"
#include "render.h"
#include "sheet.h"

#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Months across a table when nobody says: a year and the month it began in fit a terminal. */
#define PERIODS_SHOWN 13

static int64_t integer_of(const struct pat_value *map, const char *key) {
    const struct pat_value *value = map->type == PAT_VALUE_MAP ? pat_value_get(map, key) : NULL;
    return value != NULL && value->type == PAT_VALUE_INT ? value->as.integer : 0;
}

static const struct pat_value *list_of(const struct pat_value *map, const char *key) {
    const struct pat_value *value = map->type == PAT_VALUE_MAP ? pat_value_get(map, key) : NULL;
    return value != NULL && value->type == PAT_VALUE_ARRAY ? value : NULL;
}

static enum pat_exit put_number(const struct pat_cli *cli, struct pat_builder *builder, struct pat_value *params,
                                const char *option, const char *key) {
    const char *text = pat_cli_option(cli, option);
    uint64_t number;
    if (text == NULL) return PAT_EXIT_OK;
    if (!pat_cli_number(text, UINT32_MAX, &number) || number == 0) {
        return pat_cli_usage(cli, "%s needs a number from 1, not '%s'", option, text);
    }
    pat_build_put(builder, params, key, pat_value_uint(number));
    return PAT_EXIT_OK;
}

static void put_text(const struct pat_cli *cli, struct pat_builder *builder, struct pat_value *params,
                     const char *option, const char *key) {
    const char *text = pat_cli_option(cli, option);
    if (text != NULL) pat_build_put(builder, params, key, pat_value_string(text));
}

/* ---- cohort --------------------------------------------------------------------------------------------------- */

static const struct pat_cli_option cohort_options[] = {
    {"--metric", "customers|orders|net", "what each month shows (default customers)"},
    {"--start", "first_order|created", "what makes a cohort (default first_order)"},
    {"--periods", "N", "months to show, the first one included (default 13)"},
    {"--percent", NULL, "shares: of the cohort, or of its first month's value"},
};

struct triangle {
    struct pat_render render;
    const struct pat_value *cohorts;
    struct pat_render_money money;
    bool customers, is_money, percent;
    uint32_t periods; /* shown: those with a value in any cohort, as far as they fit */
    bool tight;       /* for a narrow terminal: less room between months, */
    bool compact;     /* and for a narrower one: 35%, 667k, 3.7M */
};

static const struct pat_value *value_at(const struct pat_value *cohort, uint32_t period) {
    const struct pat_value *values = list_of(cohort, "values");
    if (values == NULL || period >= values->count || values->as.items[period].type != PAT_VALUE_INT) return NULL;
    return &values->as.items[period];
}

/* What a share is a share of: the customers of the cohort, or what the cohort began with. */
static int64_t base_of(const struct triangle *triangle, const struct pat_value *cohort) {
    const struct pat_value *first = value_at(cohort, 0);
    if (triangle->customers) return integer_of(cohort, "size");
    return first != NULL ? first->as.integer : 0;
}

/* Two digits at the least and four columns at the most, five with a sign: what a month looks like, not its sum. */
static struct pat_text short_text(const struct triangle *triangle, double value) {
    static const char *const units[] = {"", "k", "M", "G", "T"};
    unsigned unit = 0;
    for (; fabs(value) >= 999.5 && unit < 4; unit++) value /= 1000;
    const bool tenths = unit > 0 && fabs(value) < 9.95;
    return pat_arena_printf(triangle->render.arena, tenths ? "%.1f%s" : "%.0f%s", value, units[unit]);
}

static struct pat_text compact_text(const struct triangle *triangle, int64_t value, int64_t base) {
    if (triangle->percent && base == 0) return (struct pat_text){"", 0};
    if (triangle->percent) {
        return pat_arena_printf(triangle->render.arena, "%.0f%%", 100 * (double)value / (double)base);
    }
    double major = (double)value;
    for (unsigned i = 0; triangle->is_money && i < triangle->money.digits; i++) major /= 10;
    return short_text(triangle, major);
}

static struct pat_text cell_text(const struct triangle *triangle, int64_t value, int64_t base) {
    if (triangle->compact) return compact_text(triangle, value, base);
    const struct pat_value number = pat_value_int(value);
    if (!triangle->percent) {
        const enum pat_shape shape = triangle->is_money ? PAT_SHAPE_MONEY : PAT_SHAPE_PLAIN;
        return pat_render_value(&triangle->render, &number, shape, triangle->money.digits);
    }
    if (base == 0) return (struct pat_text){"", 0};
    const struct pat_value share = pat_value_real((double)value / (double)base);
    return pat_render_value(&triangle->render, &share, PAT_SHAPE_SHARE, 0);
}

static void add_cohort(const struct triangle *triangle, struct pat_sheet *sheet, const struct pat_value *cohort) {
    struct pat_text *cell = pat_sheet_row(sheet);
    const struct pat_value *name = cohort->type == PAT_VALUE_MAP ? pat_value_get(cohort, "cohort") : NULL;
    if (cell == NULL || name == NULL) return;
    const struct pat_value size = pat_value_int(integer_of(cohort, "size"));
    cell[0] = pat_render_value(&triangle->render, name, PAT_SHAPE_PLAIN, 0);
    cell[1] = pat_render_value(&triangle->render, &size, PAT_SHAPE_PLAIN, 0);
    const int64_t base = base_of(triangle, cohort);
    for (uint32_t period = 0; period < triangle->periods; period++) {
        const struct pat_value *value = value_at(cohort, period);
        if (value != NULL) cell[2 + period] = cell_text(triangle, value->as.integer, base);
    }
}

/* Each month over the cohorts that have come to it; the shares are of those alone. */
static void add_all(const struct triangle *triangle, struct pat_sheet *sheet) {
    struct pat_text *cell = pat_sheet_row(sheet);
    int64_t size = 0;
    if (cell == NULL) return;
    for (uint32_t i = 0; i < triangle->cohorts->count; i++) size += integer_of(&triangle->cohorts->as.items[i], "size");
    const struct pat_value total = pat_value_int(size);
    cell[0] = PAT_TEXT("all");
    cell[1] = pat_render_value(&triangle->render, &total, PAT_SHAPE_PLAIN, 0);
    for (uint32_t period = 0; period < triangle->periods; period++) {
        int64_t sum = 0, base = 0;
        for (uint32_t i = 0; i < triangle->cohorts->count; i++) {
            const struct pat_value *cohort = &triangle->cohorts->as.items[i], *value = value_at(cohort, period);
            if (value == NULL) continue;
            sum += value->as.integer;
            base += base_of(triangle, cohort);
        }
        cell[2 + period] = cell_text(triangle, sum, base);
    }
    sheet->rule_last = true;
}

static void find_periods(struct triangle *triangle) {
    for (uint32_t i = 0; i < triangle->cohorts->count; i++) {
        const struct pat_value *values = list_of(&triangle->cohorts->as.items[i], "values");
        for (uint32_t period = 0; values != NULL && period < values->count; period++) {
            if (value_at(&triangle->cohorts->as.items[i], period) != NULL && period >= triangle->periods)
                triangle->periods = period + 1;
        }
    }
}

static void make_sheet(const struct triangle *triangle, struct pat_sheet *sheet) {
    struct pat_arena *arena = triangle->render.arena;
    pat_sheet_begin(sheet, arena, triangle->periods + 2);
    sheet->tight = triangle->tight;
    const bool brief = triangle->tight || triangle->render.csv;
    pat_sheet_head(sheet, 0, PAT_TEXT("cohort"), false);
    pat_sheet_head(sheet, 1, brief ? PAT_TEXT("size") : PAT_TEXT("customers"), true);
    for (uint32_t period = 0; period < triangle->periods; period++) {
        pat_sheet_head(sheet, 2 + period, pat_arena_printf(arena, "%" PRIu32, period), true);
    }
    for (uint32_t i = 0; i < triangle->cohorts->count; i++)
        add_cohort(triangle, sheet, &triangle->cohorts->as.items[i]);
    if (!triangle->render.csv) add_all(triangle, sheet);
}

/* A triangle whose lines are broken reads as nothing: less room first, then shorter values, then fewer months. */
static void fit(struct triangle *triangle, struct pat_sheet *sheet, size_t width) {
    if (width == 0 || pat_sheet_width(sheet) <= width) return;
    triangle->tight = true;
    make_sheet(triangle, sheet);
    if (pat_sheet_width(sheet) <= width) return;
    triangle->compact = true;
    make_sheet(triangle, sheet);
    while (triangle->periods > 1 && pat_sheet_width(sheet) > width) {
        triangle->periods--;
        make_sheet(triangle, sheet);
    }
}

static void print_unit(const struct triangle *triangle, uint32_t all) {
    if (triangle->is_money && !triangle->percent) {
        (void)printf("%.*s in months since the first%s\n", (int)triangle->money.currency.length,
                     triangle->money.currency.data, triangle->compact ? ", k thousands, M millions" : "");
    }
    if (triangle->periods == all) return;
    (void)printf("%" PRIu32 " more months do not fit here: a wider terminal or --format csv shows them\n",
                 all - triangle->periods);
}

static const char *start_of(const struct pat_cli *cli) {
    const char *start = pat_cli_option(cli, "--start");
    return start != NULL ? start : "first_order";
}

static enum pat_exit render_cohorts(const struct pat_cli *cli, struct pat_arena *arena,
                                    const struct pat_value *answer) {
    struct triangle triangle = {.render = {.arena = arena, .csv = cli->format == PAT_FORMAT_CSV},
                                .cohorts = list_of(answer, "cohorts"),
                                .percent = pat_cli_option(cli, "--percent") != NULL};
    if (triangle.cohorts == NULL) return pat_render_answer(cli, arena, answer);
    const char *metric = pat_cli_option(cli, "--metric");
    triangle.customers = metric == NULL || strcmp(metric, "customers") == 0;
    const struct pat_value *money = pat_value_get(answer, "money");
    triangle.is_money = money != NULL && money->type == PAT_VALUE_MAP;
    if (triangle.is_money) triangle.money = pat_render_money_of(money, (struct pat_render_money){0});
    find_periods(&triangle);
    struct pat_sheet sheet;
    make_sheet(&triangle, &sheet);
    if (triangle.render.csv) {
        pat_sheet_print_csv(&sheet, stdout);
        pat_render_notes(answer);
        return PAT_EXIT_OK;
    }
    const uint32_t all = triangle.periods;
    fit(&triangle, &sheet, pat_terminal_width(stdout));
    pat_sheet_print_table(&sheet, stdout);
    print_unit(&triangle, all);
    const int64_t outside = integer_of(answer, "outside");
    if (outside > 0) (void)printf("%" PRId64 " customers are in none: they have no %s\n", outside, start_of(cli));
    pat_render_footer(answer, triangle.cohorts->count);
    return PAT_EXIT_OK;
}

static enum pat_exit run_cohort(const struct pat_cli *cli) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_builder builder = {.arena = &arena};
    struct pat_value params = pat_build_map(&builder, 8), answer;
    put_text(cli, &builder, &params, "--metric", "metric");
    put_text(cli, &builder, &params, "--start", "start");
    if (cli->format == PAT_FORMAT_TABLE && pat_cli_option(cli, "--periods") == NULL) {
        pat_build_put(&builder, &params, "periods", pat_value_int(PERIODS_SHOWN));
    }
    enum pat_exit code = put_number(cli, &builder, &params, "--periods", "periods");
    if (code == PAT_EXIT_OK) code = pat_cli_put_reading(cli, &builder, &params);
    if (code == PAT_EXIT_OK) code = pat_cli_ask(cli, "cohort", &params, &arena, &answer);
    if (code == PAT_EXIT_OK && cli->format == PAT_FORMAT_JSON) {
        code = pat_render_json(&answer);
    } else if (code == PAT_EXIT_OK) {
        code = render_cohorts(cli, &arena, &answer);
    }
    pat_arena_deinit(&arena);
    return code;
}

const struct pat_cli_command pat_command_cohort = {
    .name = "cohort",
    .operands = "",
    .room = PAT_CLI_QUESTIONS,
    .summary = "Customers by first month, and what they did since",
    .explain = "One row for each month of first orders, one column for each month since. The\n"
               "month of the day asked for is not over yet.",
    .example = "patron cohort --percent --where \"country = Germany\"",
    .reads = true,
    .option = cohort_options,
    .options = sizeof cohort_options / sizeof cohort_options[0],
    .run = run_cohort,
};

/* ---- control -------------------------------------------------------------------------------------------------- */

static const struct pat_cli_option control_options[] = {
    {"--by", "day|month|currency|producer", "one row each (default month)"},
    {"--from", "DAY", "first day"},
    {"--to", "DAY", "last day"},
};

/* What every row of control shares. `codes` are the currencies that the answer has digits for. */
struct control {
    struct pat_render render;
    const char *by;
    const struct pat_value *codes;
    uint32_t currencies;
};

static const char *const control_heading[] = {"rows", "amount", "first", "last", "digest"};
#define CONTROL_COLUMNS 6u /* `by` before those */
#define AMOUNT_COLUMN   2u

/* The amount in the currency at `place`; empty where the group has none. */
static struct pat_text amount_at(const struct control *control, const struct pat_value *amounts, uint32_t place) {
    const struct pat_member *code = &control->codes->as.members[place];
    const bool map = amounts != NULL && amounts->type == PAT_VALUE_MAP;
    for (uint32_t i = 0; map && i < amounts->count; i++) {
        const struct pat_member *member = &amounts->as.members[i];
        if (!pat_text_equal(member->key, code->key)) continue;
        return pat_render_value(&control->render, &member->value, PAT_SHAPE_MONEY, (unsigned)code->value.as.integer);
    }
    return (struct pat_text){"", 0};
}

/* "1,234.50 GBP, 99 JPY": the money of each currency with its digits. */
static struct pat_text amounts_text(const struct control *control, const struct pat_value *amounts) {
    struct pat_text all = {"", 0};
    for (uint32_t i = 0; i < control->currencies; i++) {
        const struct pat_text amount = amount_at(control, amounts, i), code = control->codes->as.members[i].key;
        if (amount.length == 0) continue;
        all = pat_arena_printf(control->render.arena, "%.*s%s%.*s %.*s", (int)all.length,
                               all.data != NULL ? all.data : "", all.length > 0 ? ", " : "", (int)amount.length,
                               amount.data, (int)code.length, code.data);
    }
    return all;
}

/* People read the amounts of a row in one cell; programs want a column for each currency. */
static uint32_t amount_columns(const struct control *control) {
    return control->render.csv ? control->currencies : 1;
}

static void add_control(const struct control *control, struct pat_sheet *sheet, const struct pat_value *group) {
    struct pat_text *cell = pat_sheet_row(sheet);
    if (cell == NULL || group->type != PAT_VALUE_MAP) return;
    const struct pat_value *name = pat_value_get(group, control->by), *amounts = pat_value_get(group, "amount_minor");
    cell[0] = name != NULL ? pat_render_value(&control->render, name, PAT_SHAPE_PLAIN, 0) : PAT_TEXT("total");
    const uint32_t behind = amount_columns(control) - 1 + AMOUNT_COLUMN; /* the last column of amounts */
    for (uint32_t k = 0; k + 1 < CONTROL_COLUMNS; k++) {
        const struct pat_value *value = pat_value_get(group, control_heading[k]);
        if (value == NULL || k + 1 == AMOUNT_COLUMN) continue;
        cell[k == 0 ? 1 : behind + k - 1] = pat_render_value(&control->render, value, PAT_SHAPE_PLAIN, 0);
    }
    if (!control->render.csv) cell[AMOUNT_COLUMN] = amounts_text(control, amounts);
    for (uint32_t i = 0; control->render.csv && i < control->currencies; i++) {
        cell[AMOUNT_COLUMN + i] = amount_at(control, amounts, i);
    }
}

static void head_control(const struct control *control, struct pat_sheet *sheet) {
    uint32_t at = 0;
    pat_sheet_head(sheet, at++, pat_text_of(control->by), false);
    for (uint32_t k = 0; k + 1 < CONTROL_COLUMNS; k++) {
        if (k + 1 != AMOUNT_COLUMN || !control->render.csv) {
            pat_sheet_head(sheet, at++, pat_text_of(control_heading[k]), k + 1 <= AMOUNT_COLUMN);
            continue;
        }
        for (uint32_t i = 0; i < control->currencies; i++) {
            const struct pat_text code = control->codes->as.members[i].key;
            const struct pat_text name =
                pat_arena_printf(control->render.arena, "amount_%.*s", (int)code.length, code.data);
            pat_sheet_head(sheet, at++, name, true);
        }
    }
}

static enum pat_exit render_control(const struct pat_cli *cli, struct pat_arena *arena, const struct pat_value *answer,
                                    const char *by) {
    const struct pat_value *groups = list_of(answer, "groups");
    if (groups == NULL) return pat_render_answer(cli, arena, answer);
    struct control control = {.render = {.arena = arena, .csv = cli->format == PAT_FORMAT_CSV}, .by = by};
    control.codes = pat_value_get(answer, "digits");
    if (control.codes != NULL && control.codes->type == PAT_VALUE_MAP) control.currencies = control.codes->count;
    const struct pat_value *total = pat_value_get(answer, "total");
    struct pat_sheet sheet;
    pat_sheet_begin(&sheet, arena, CONTROL_COLUMNS - 1 + amount_columns(&control));
    head_control(&control, &sheet);
    for (uint32_t i = 0; i < groups->count; i++) add_control(&control, &sheet, &groups->as.items[i]);
    if (control.render.csv) {
        pat_sheet_print_csv(&sheet, stdout);
        pat_render_notes(answer);
        return PAT_EXIT_OK;
    }
    if (total != NULL) {
        add_control(&control, &sheet, total);
        sheet.rule_last = true;
    }
    pat_sheet_print_table(&sheet, stdout);
    pat_render_footer(answer, groups->count);
    return PAT_EXIT_OK;
}

static enum pat_exit run_control(const struct pat_cli *cli) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_builder builder = {.arena = &arena};
    struct pat_value params = pat_build_map(&builder, 4), answer;
    const char *by = pat_cli_option(cli, "--by");
    if (by == NULL) by = "month";
    pat_build_put(&builder, &params, "table", pat_value_string(cli->operand[0]));
    pat_build_put(&builder, &params, "by", pat_value_string(by));
    put_text(cli, &builder, &params, "--from", "from");
    put_text(cli, &builder, &params, "--to", "to");
    enum pat_exit code = pat_cli_ask(cli, "control", &params, &arena, &answer);
    if (code == PAT_EXIT_OK && cli->format == PAT_FORMAT_JSON) {
        code = pat_render_json(&answer);
    } else if (code == PAT_EXIT_OK) {
        code = render_control(cli, &arena, &answer, by);
    }
    pat_arena_deinit(&arena);
    return code;
}

const struct pat_cli_command pat_command_control = {
    .name = "control",
    .operands = "TABLE",
    .operands_min = 1,
    .operands_max = 1,
    .room = PAT_CLI_DATA,
    .summary = "What was loaded: rows, money, digests for the source",
    .explain = "Counts every row that was loaded and not withdrawn. The digest is the sum,\n"
               "modulo 2^128, of the XXH3-128 of each id (lines: order, U+001F, number).",
    .example = "patron control orders --by month --from 2010-01-01",
    .option = control_options,
    .options = sizeof control_options / sizeof control_options[0],
    .run = run_control,
};
