/* `patron rfm`: groups by default, the 5 x 5 grid of R and F on request. */
#include "cli.h"
#include "render.h"
#include "sheet.h"

#include "base/text.h"
#include "proto/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct pat_cli_option rfm_options[] = {
    {"--grid", NULL, "the 5 x 5 grid of recency and frequency instead of the groups"},
    {"--window", "365d|all", "days that count for F and M (default 365d)"},
    {"--scoring", "quintile|cuts|mean", "how scores are made (default quintile)"},
    {"--cuts", "JSON",
     "for --scoring cuts: '{\"r\":[90,60,30,7], \"f\":[2,3,5,9], \"m_minor\":[5000,10000,20000,50000]}'"},
    {"--population", "FILTER", "score within these customers (default: everybody)"},
    {"--map", "NAME", "a saved map of groups (default: the built-in one)"},
};

static enum pat_exit put_scoring(const struct pat_cli *cli, struct pat_builder *builder, struct pat_value *params) {
    static const char *const texts[][2] = {
        {"--window", "window"}, {"--scoring", "scoring"}, {"--population", "population"}, {"--map", "map"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *text = pat_cli_option(cli, texts[i][0]);
        if (text != NULL) pat_build_put(builder, params, texts[i][1], pat_value_string(text));
    }
    const char *cuts = pat_cli_option(cli, "--cuts");
    if (cuts == NULL) return PAT_EXIT_OK;
    struct pat_value value;
    struct pat_error error;
    if (pat_json_parse(&value, pat_text_of(cuts), builder->arena, &error) != PAT_OK) {
        return pat_cli_usage(cli, "--cuts is not JSON: %s", error.message);
    }
    pat_build_put(builder, params, "cuts", value);
    /* Cuts say how to score: asking for that as well would be asking twice. */
    if (pat_cli_option(cli, "--scoring") == NULL) pat_build_put(builder, params, "scoring", pat_value_string("cuts"));
    return PAT_EXIT_OK;
}

static int64_t integer_of(const struct pat_value *map, const char *key) {
    const struct pat_value *value = map->type == PAT_VALUE_MAP ? pat_value_get(map, key) : NULL;
    return value != NULL && value->type == PAT_VALUE_INT ? value->as.integer : 0;
}

static struct pat_text text_of(const struct pat_value *map, const char *key) {
    const struct pat_value *value = pat_value_get(map, key);
    return value != NULL && value->type == PAT_VALUE_TEXT ? pat_value_as_text(value) : PAT_TEXT("-");
}

/* ---- thresholds and the unscored ------------------------------------------------------------------------------ */

static void print_threshold(const struct pat_render *render, const struct pat_value *list, const char *what,
                            const char *relation, enum pat_shape shape, struct pat_render_money money) {
    if (list == NULL || list->type != PAT_VALUE_ARRAY) return;
    (void)printf("%-10s", what);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct pat_text text = pat_render_value(render, &list->as.items[i], shape, money.digits);
        if (list->as.items[i].type == PAT_VALUE_NIL) {
            (void)printf("  %" PRIu32 ": nobody", i + 2);
        } else {
            (void)printf("  %" PRIu32 ": %s %.*s", i + 2, relation, (int)text.length, text.data);
        }
    }
    if (shape == PAT_SHAPE_MONEY) (void)printf("  %.*s", (int)money.currency.length, money.currency.data);
    if (relation[0] != '>') (void)printf("  days");
    (void)fputc('\n', stdout);
}

static void print_scale(const struct pat_render *render, const struct pat_value *answer) {
    const struct pat_render_money money = pat_render_money_of(answer, (struct pat_render_money){0});
    const struct pat_value *thresholds = pat_value_get(answer, "thresholds");
    if (thresholds != NULL && thresholds->type == PAT_VALUE_MAP) {
        const struct pat_text scoring = text_of(answer, "scoring"), window = text_of(answer, "window");
        (void)printf("\nA score is earned from (%.*s, window %.*s)\n", (int)scoring.length, scoring.data,
                     (int)window.length, window.data);
        print_threshold(render, pat_value_get(thresholds, "r"), "recency", "<=", PAT_SHAPE_PLAIN, money);
        print_threshold(render, pat_value_get(thresholds, "f"), "frequency", ">=", PAT_SHAPE_PLAIN, money);
        print_threshold(render, pat_value_get(thresholds, "m_minor"), "money", ">=", PAT_SHAPE_MONEY, money);
    }
    const struct pat_value *unscored = pat_value_get(answer, "unscored");
    const struct pat_value *net =
        unscored != NULL && unscored->type == PAT_VALUE_MAP ? pat_value_get(unscored, "net_minor") : NULL;
    if (net == NULL) return;
    const struct pat_value count = pat_value_int(integer_of(unscored, "count"));
    const struct pat_text count_text = pat_render_value(render, &count, PAT_SHAPE_PLAIN, 0);
    const struct pat_text net_text = pat_render_value(render, net, PAT_SHAPE_MONEY, money.digits);
    (void)printf("%.*s customers have no score (net %.*s %.*s)\n", (int)count_text.length, count_text.data,
                 (int)net_text.length, net_text.data, (int)money.currency.length, money.currency.data);
}

/* ---- groups --------------------------------------------------------------------------------------------------- */

struct group_column {
    const char *key, *heading;
    enum pat_shape shape;
};

static const struct group_column group_columns[] = {
    {"name", "group", PAT_SHAPE_PLAIN},
    {"count", "customers", PAT_SHAPE_PLAIN},
    {"share", "share", PAT_SHAPE_SHARE},
    {"net_minor", "net_minor", PAT_SHAPE_MONEY},
    {"one_time", "one-time buyers", PAT_SHAPE_PLAIN},
};
#define GROUP_COLUMNS (sizeof group_columns / sizeof group_columns[0])

/* The last row; it shows that the groups hold everybody who is scored. */
static void add_group_total(const struct pat_render *render, struct pat_sheet *sheet, const struct pat_value *groups,
                            unsigned digits) {
    int64_t sum[GROUP_COLUMNS] = {0};
    for (uint32_t i = 0; i < groups->count; i++) {
        for (size_t c = 0; c < GROUP_COLUMNS; c++) sum[c] += integer_of(&groups->as.items[i], group_columns[c].key);
    }
    struct pat_text *cell = pat_sheet_row(sheet);
    if (cell == NULL) return;
    cell[0] = PAT_TEXT("total");
    for (size_t c = 1; c < GROUP_COLUMNS; c++) {
        const struct pat_value value = pat_value_int(sum[c]);
        if (group_columns[c].shape != PAT_SHAPE_SHARE) {
            cell[c] = pat_render_value(render, &value, group_columns[c].shape, digits);
        }
    }
    sheet->rule_last = true;
}

static enum pat_exit render_groups(const struct pat_cli *cli, struct pat_arena *arena, const struct pat_value *answer) {
    const struct pat_value *groups = pat_value_get(answer, "groups");
    if (groups == NULL || groups->type != PAT_VALUE_ARRAY) return pat_render_answer(cli, arena, answer);
    const struct pat_render render = {.arena = arena, .csv = cli->format == PAT_FORMAT_CSV};
    const struct pat_render_money money = pat_render_money_of(answer, (struct pat_render_money){0});
    struct pat_sheet sheet;
    pat_sheet_begin(&sheet, arena, GROUP_COLUMNS);
    for (unsigned c = 0; c < GROUP_COLUMNS; c++) {
        const char *name = render.csv ? group_columns[c].key : group_columns[c].heading;
        pat_sheet_head(&sheet, c,
                       pat_render_heading(&render, pat_text_of(name), group_columns[c].shape, money.currency), c > 0);
    }
    for (uint32_t i = 0; i < groups->count; i++) {
        const struct pat_value *group = &groups->as.items[i];
        struct pat_text *cell = pat_sheet_row(&sheet);
        for (size_t c = 0; c < GROUP_COLUMNS && cell != NULL && group->type == PAT_VALUE_MAP; c++) {
            const struct pat_value *value = pat_value_get(group, group_columns[c].key);
            if (value != NULL) cell[c] = pat_render_value(&render, value, group_columns[c].shape, money.digits);
        }
    }
    if (render.csv) {
        pat_sheet_print_csv(&sheet, stdout);
        pat_render_notes(answer);
        return PAT_EXIT_OK;
    }
    if (groups->count > 1) add_group_total(&render, &sheet, groups, money.digits);
    pat_sheet_print_table(&sheet, stdout);
    print_scale(&render, answer);
    pat_render_footer(answer, groups->count);
    return PAT_EXIT_OK;
}

/* ---- grid ----------------------------------------------------------------------------------------------------- */

/* Background shades from pale to strong, for a terminal that has 256 colours. */
static void print_shaded(struct pat_text text, int64_t count, int64_t greatest) {
    static const int shades[] = {0, 153, 117, 75, 33, 27};
    const int step = count == 0 || greatest == 0 ? 0 : 1 + (int)((count * 5 - 1) / greatest);
    const int pad = 10 - (int)pat_text_width(text);
    const bool colour = pat_style_dim(stdout)[0] != '\0' && step > 0;
    if (colour) (void)printf("\x1b[48;5;%dm\x1b[%dm", shades[step > 5 ? 5 : step], step > 3 ? 97 : 30);
    (void)printf("%*s%.*s ", pad > 0 ? pad : 0, "", (int)text.length, text.data != NULL ? text.data : "");
    if (colour) (void)fputs(pat_style_off(stdout), stdout);
}

/* Five scores each, or two (low, high) of the mean split. */
static int levels_of(const struct pat_value *answer) {
    const struct pat_value *thresholds = pat_value_get(answer, "thresholds");
    const struct pat_value *r =
        thresholds != NULL && thresholds->type == PAT_VALUE_MAP ? pat_value_get(thresholds, "r") : NULL;
    return r != NULL && r->type == PAT_VALUE_ARRAY && r->count == 1 ? 2 : 5;
}

static void print_grid(const struct pat_render *render, int64_t count[5][5], int levels) {
    int64_t greatest = 0;
    for (int i = 0; i < 25; i++) {
        if (count[i / 5][i % 5] > greatest) greatest = count[i / 5][i % 5];
    }
    (void)printf("Customers by recency (down) and frequency (across)\n\n%6s", "");
    for (int f = 1; f <= levels; f++) (void)printf("%9s%d ", "F", f);
    (void)fputc('\n', stdout);
    for (int r = levels; r >= 1; r--) {
        (void)printf("  R%d  ", r);
        for (int f = 1; f <= levels; f++) {
            const struct pat_value value = pat_value_int(count[r - 1][f - 1]);
            print_shaded(pat_render_value(render, &value, PAT_SHAPE_PLAIN, 0), value.as.integer, greatest);
        }
        (void)fputc('\n', stdout);
    }
}

/* For programs each cell that is not empty, as the server has it. */
static void print_cells_csv(const struct pat_render *render, const struct pat_value *cells, unsigned digits) {
    static const char *const keys[] = {"r", "f", "m", "count", "net_minor"};
    struct pat_sheet sheet;
    pat_sheet_begin(&sheet, render->arena, 5);
    for (unsigned c = 0; c < 5; c++) {
        pat_sheet_head(
            &sheet, c,
            pat_render_heading(render, pat_text_of(keys[c]), pat_shape_of(pat_text_of(keys[c])), (struct pat_text){0}),
            true);
    }
    for (uint32_t i = 0; i < cells->count; i++) {
        struct pat_text *cell = pat_sheet_row(&sheet);
        for (unsigned c = 0; c < 5 && cell != NULL; c++) {
            const struct pat_value value = pat_value_int(integer_of(&cells->as.items[i], keys[c]));
            cell[c] = pat_render_value(render, &value, pat_shape_of(pat_text_of(keys[c])), digits);
        }
    }
    pat_sheet_print_csv(&sheet, stdout);
}

static enum pat_exit render_grid(const struct pat_cli *cli, struct pat_arena *arena, const struct pat_value *answer) {
    const struct pat_value *cells = pat_value_get(answer, "cells");
    const struct pat_render render = {.arena = arena, .csv = cli->format == PAT_FORMAT_CSV};
    const struct pat_render_money money = pat_render_money_of(answer, (struct pat_render_money){0});
    if (cells == NULL || cells->type != PAT_VALUE_ARRAY) return pat_render_answer(cli, arena, answer);
    if (render.csv) {
        print_cells_csv(&render, cells, money.digits);
        pat_render_notes(answer);
        return PAT_EXIT_OK;
    }
    int64_t count[5][5] = {{0}};
    for (uint32_t i = 0; i < cells->count; i++) {
        const struct pat_value *cell = &cells->as.items[i];
        const int64_t r = integer_of(cell, "r"), f = integer_of(cell, "f");
        if (r < 1 || r > 5 || f < 1 || f > 5) return pat_render_answer(cli, arena, answer);
        count[r - 1][f - 1] += integer_of(cell, "count");
    }
    print_grid(&render, count, levels_of(answer));
    print_scale(&render, answer);
    pat_render_footer(answer, -1);
    return PAT_EXIT_OK;
}

static enum pat_exit run_rfm(const struct pat_cli *cli) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_builder builder = {.arena = &arena};
    struct pat_value params = pat_build_map(&builder, 8), answer;
    const bool grid = pat_cli_option(cli, "--grid") != NULL;
    enum pat_exit code = put_scoring(cli, &builder, &params);
    if (code == PAT_EXIT_OK) code = pat_cli_put_reading(cli, &builder, &params);
    if (code == PAT_EXIT_OK) code = pat_cli_ask(cli, grid ? "rfm.grid" : "rfm.groups", &params, &arena, &answer);
    if (code == PAT_EXIT_OK && cli->format == PAT_FORMAT_JSON) {
        code = pat_render_json(&answer);
    } else if (code == PAT_EXIT_OK && answer.type == PAT_VALUE_MAP) {
        code = grid ? render_grid(cli, &arena, &answer) : render_groups(cli, &arena, &answer);
    }
    pat_arena_deinit(&arena);
    return code;
}

const struct pat_cli_command pat_command_rfm = {
    .room = PAT_CLI_QUESTIONS,
    .name = "rfm",
    .operands = "",
    .summary = "Recency, frequency and money: groups, or the grid",
    .example = "patron rfm --as-of latest\n  patron rfm --grid --as-of latest --window all --where \"orders >= 2\"",
    .reads = true,
    .option = rfm_options,
    .options = sizeof rfm_options / sizeof rfm_options[0],
    .run = run_rfm,
};
