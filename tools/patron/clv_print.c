#include "clv.h"
#include "render.h"
#include "sheet.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* Characters of the longest bar. */
#define BAR_WIDTH 50

static const struct pat_value *member_of(const struct pat_value *map, const char *key) {
    return map != NULL && map->type == PAT_VALUE_MAP ? pat_value_get(map, key) : NULL;
}

static bool number_of(const struct pat_value *value, double *out) {
    if (value == NULL || (value->type != PAT_VALUE_INT && value->type != PAT_VALUE_FLOAT)) return false;
    *out = value->type == PAT_VALUE_INT ? (double)value->as.integer : value->as.real;
    return true;
}

static struct pat_text text_of(const struct pat_value *map, const char *key) {
    const struct pat_value *value = member_of(map, key);
    return value != NULL && value->type == PAT_VALUE_TEXT ? pat_value_as_text(value) : PAT_TEXT("-");
}

/* "2,357", "-" where there is no number. */
static struct pat_text shown(struct pat_arena *arena, const struct pat_value *map, const char *key,
                             enum pat_shape shape, unsigned digits) {
    const struct pat_render render = {.arena = arena};
    const struct pat_value *value = member_of(map, key);
    if (value == NULL || value->type == PAT_VALUE_NIL) return PAT_TEXT("-");
    return pat_render_value(&render, value, shape, digits);
}

static struct pat_text figure(struct pat_arena *arena, const struct pat_value *map, const char *key,
                              const char *format) {
    double number;
    if (!number_of(member_of(map, key), &number)) return PAT_TEXT("-");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return pat_arena_printf(arena, format, number);
#pragma GCC diagnostic pop
}

#define TEXT(text) (int)(text).length, (text).data

/* ---- one fit ----------------------------------------------------------------------------------------------------- */

static void add_params(struct pat_sheet *sheet, const struct pat_value *params, const struct pat_value *se,
                       const char *const *only) {
    for (uint32_t i = 0; params != NULL && params->type == PAT_VALUE_MAP && i < params->count; i++) {
        const struct pat_text key = params->as.members[i].key;
        bool wanted = only == NULL;
        for (unsigned k = 0; only != NULL && only[k] != NULL; k++) wanted = wanted || pat_text_is(key, only[k]);
        if (!wanted) continue;
        char name[32];
        (void)pat_text_printable(key, name, sizeof name);
        struct pat_text *cell = pat_sheet_row(sheet);
        if (cell == NULL) return;
        cell[0] = key;
        cell[1] = figure(sheet->arena, params, name, "%.7g");
        cell[2] = figure(sheet->arena, se, name, "%.3g");
    }
}

static void print_boundary(const struct pat_value *part, const char *what) {
    const struct pat_value *boundary = member_of(part, "boundary");
    if (boundary == NULL || boundary->type != PAT_VALUE_MAP) return;
    const struct pat_text name = text_of(boundary, "parameter"), where = text_of(boundary, "direction");
    (void)printf("%s: %.*s goes to %.*s, see the warning\n", what, TEXT(name), TEXT(where));
}

static void print_holdout(struct pat_arena *arena, const struct pat_value *answer) {
    const struct pat_value *holdout = member_of(answer, "holdout");
    double actual, expected;
    if (!number_of(member_of(holdout, "actual"), &actual) || !number_of(member_of(holdout, "expected"), &expected))
        return;
    const struct pat_text end = text_of(holdout, "end"), days = shown(arena, holdout, "actual", PAT_SHAPE_PLAIN, 0);
    const struct pat_text mae = figure(arena, holdout, "mae", "%.3f"), rmse = figure(arena, holdout, "rmse", "%.3f");
    (void)printf("hold-out to %.*s  %.*s purchase days, %.1f expected", TEXT(end), TEXT(days), expected);
    if (actual > 0) (void)printf(" (%+.1f %%)", 100 * (expected - actual) / actual);
    (void)printf("; by customer mean error %.*s, root mean square %.*s\n", TEXT(mae), TEXT(rmse));
}

void pat_clv_print_fit(struct pat_arena *arena, const struct pat_value *answer) {
    static const char *const spend_params[] = {"p", "q", "v", NULL};
    const struct pat_value *spend = member_of(answer, "spend");
    const struct pat_text name = text_of(answer, "name"), model = text_of(answer, "model");
    const struct pat_text unit = text_of(answer, "unit"), end = text_of(answer, "end");
    const struct pat_text customers = shown(arena, answer, "customers", PAT_SHAPE_PLAIN, 0);
    const struct pat_text repeaters = shown(arena, answer, "repeaters", PAT_SHAPE_PLAIN, 0);
    const struct pat_value *used = member_of(answer, "in_use");
    const bool in_use = used != NULL && used->type == PAT_VALUE_BOOL && used->as.boolean;
    (void)printf("fit %.*s: %.*s by %.*s, up to %.*s%s\n", TEXT(name), TEXT(model), TEXT(unit), TEXT(end),
                 in_use ? ", in use" : "");
    (void)printf("%.*s customers, %.*s with a repeat day\n\n", TEXT(customers), TEXT(repeaters));
    struct pat_sheet sheet;
    pat_sheet_begin(&sheet, arena, 3);
    pat_sheet_head(&sheet, 0, PAT_TEXT("parameter"), false);
    pat_sheet_head(&sheet, 1, PAT_TEXT("value"), true);
    pat_sheet_head(&sheet, 2, PAT_TEXT("standard error"), true);
    add_params(&sheet, member_of(answer, "params"), member_of(answer, "se"), NULL);
    add_params(&sheet, spend, member_of(spend, "se"), spend_params);
    pat_sheet_print_table(&sheet, stdout);
    const struct pat_text loglik = figure(arena, answer, "loglik", "%.4f");
    const struct pat_text nbd = figure(arena, answer, "nbd_loglik", "%.4f");
    const struct pat_text of_spend = figure(arena, spend, "loglik", "%.4f");
    const struct pat_text correlation = figure(arena, spend, "correlation", "%.3f");
    const struct pat_text spenders = shown(arena, spend, "customers", PAT_SHAPE_PLAIN, 0);
    const struct pat_text currency = text_of(spend, "currency");
    (void)printf("\nlog-likelihood %.*s (without leaving %.*s)\n", TEXT(loglik), TEXT(nbd));
    (void)printf("spend in %.*s of %.*s customers: log-likelihood %.*s, correlation with frequency %.*s\n",
                 TEXT(currency), TEXT(spenders), TEXT(of_spend), TEXT(correlation));
    print_boundary(answer, "no inner maximum");
    print_boundary(spend, "no inner maximum of spend");
    print_holdout(arena, answer);
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static void fit_row(struct pat_sheet *sheet, const struct pat_value *fit) {
    struct pat_arena *arena = sheet->arena;
    const struct pat_value *holdout = member_of(fit, "holdout"), *used = member_of(fit, "in_use");
    struct pat_text *cell = pat_sheet_row(sheet);
    if (cell == NULL) return;
    cell[0] = text_of(fit, "name");
    cell[1] = text_of(fit, "model");
    cell[2] = text_of(fit, "unit");
    cell[3] = text_of(fit, "end");
    cell[4] = figure(arena, fit, "customers", "%.0f");
    cell[5] = figure(arena, fit, "loglik", "%.4f");
    cell[6] = figure(arena, holdout, "actual", "%.0f");
    cell[7] = figure(arena, holdout, "expected", "%.1f");
    cell[8] = figure(arena, holdout, "mae", "%.3f");
    cell[9] = used != NULL && used->type == PAT_VALUE_BOOL && used->as.boolean ? PAT_TEXT("yes") : PAT_TEXT("");
}

void pat_clv_print_fits(const struct pat_cli *cli, struct pat_arena *arena, const struct pat_value *answer) {
    static const char *const headings[] = {"fit",    "model",   "unit",     "end",        "customers",
                                           "loglik", "holdout", "expected", "mean error", "in use"};
    static const char *const names[] = {"name",   "model",   "unit",     "end", "customers",
                                        "loglik", "holdout", "expected", "mae", "in_use"};
    const bool csv = cli->format == PAT_FORMAT_CSV;
    const struct pat_value *fits = member_of(answer, "fits"), *use = member_of(answer, "use");
    struct pat_sheet sheet;
    pat_sheet_begin(&sheet, arena, 10);
    for (unsigned i = 0; i < 10; i++)
        pat_sheet_head(&sheet, i, pat_text_of(csv ? names[i] : headings[i]), i >= 4 && i < 9);
    for (uint32_t i = 0; fits != NULL && fits->type == PAT_VALUE_ARRAY && i < fits->count; i++) {
        fit_row(&sheet, &fits->as.items[i]);
    }
    if (csv) {
        pat_sheet_print_csv(&sheet, stdout);
        return;
    }
    if (sheet.rows == 0) {
        (void)printf("no fit yet: patron clv fit makes one\n");
        return;
    }
    pat_sheet_print_table(&sheet, stdout);
    if (use == NULL || use->type != PAT_VALUE_MAP) return;
    const struct pat_text name = text_of(use, "name"), end = text_of(use, "end"), horizon = text_of(use, "horizon");
    const struct pat_text discount = figure(arena, use, "discount_annual", "%.4g");
    const struct pat_text margin = figure(arena, use, "margin", "%.4g");
    (void)printf("\nin use: %.*s up to %.*s, horizon %.*s, discount %.*s a year, margin %.*s\n", TEXT(name), TEXT(end),
                 TEXT(horizon), TEXT(discount), TEXT(margin));
}

/* ---- how value is spread ----------------------------------------------------------------------------------------- */

static void print_bars(struct pat_arena *arena, const struct pat_value *bars, struct pat_render_money money) {
    double most = 0, count;
    for (uint32_t i = 0; i < bars->count; i++) {
        if (number_of(member_of(&bars->as.items[i], "count"), &count) && count > most) most = count;
    }
    for (uint32_t i = 0; i < bars->count; i++) {
        const struct pat_value *bar = &bars->as.items[i];
        const struct pat_text from = shown(arena, bar, "from_minor", PAT_SHAPE_MONEY, money.digits);
        const struct pat_text to = shown(arena, bar, "to_minor", PAT_SHAPE_MONEY, money.digits);
        const struct pat_text number = shown(arena, bar, "count", PAT_SHAPE_PLAIN, 0);
        (void)printf("%14.*s .. %-14.*s %11.*s  ", TEXT(from), TEXT(to), TEXT(number));
        if (!number_of(member_of(bar, "count"), &count)) count = 0;
        /* Whoever is there can be seen. */
        const int length = most > 0 ? (int)(count / most * BAR_WIDTH + (count > 0 ? 0.999 : 0)) : 0;
        for (int k = 0; k < length && k < BAR_WIDTH; k++) (void)fputc('#', stdout);
        (void)fputc('\n', stdout);
    }
}

static void print_table(struct pat_arena *arena, const struct pat_value *list, const char *const *keys, unsigned count,
                        struct pat_render_money money, bool csv) {
    const struct pat_render render = {.arena = arena, .csv = csv};
    struct pat_sheet sheet;
    pat_sheet_begin(&sheet, arena, count);
    for (unsigned c = 0; c < count; c++) {
        const struct pat_text name = pat_text_of(keys[c]);
        pat_sheet_head(&sheet, c, pat_render_heading(&render, name, pat_shape_of(name), money.currency), true);
    }
    for (uint32_t i = 0; i < list->count; i++) {
        struct pat_text *cell = pat_sheet_row(&sheet);
        for (unsigned c = 0; c < count && cell != NULL; c++) {
            const struct pat_value *value = member_of(&list->as.items[i], keys[c]);
            if (value != NULL) {
                cell[c] = pat_render_value(&render, value, pat_shape_of(pat_text_of(keys[c])), money.digits);
            }
        }
    }
    if (csv) {
        pat_sheet_print_csv(&sheet, stdout);
    } else {
        pat_sheet_print_table(&sheet, stdout);
    }
}

void pat_clv_print_dist(const struct pat_cli *cli, struct pat_arena *arena, const struct pat_value *answer) {
    static const char *const bar_keys[] = {"from_minor", "to_minor", "count", "sum_minor"};
    static const char *const decile_keys[] = {"decile", "count", "least_minor", "sum_minor", "share"};
    const struct pat_value *bars = member_of(answer, "histogram"), *deciles = member_of(answer, "deciles");
    const struct pat_render_money money = pat_render_money_of(answer, (struct pat_render_money){0});
    if (bars == NULL || bars->type != PAT_VALUE_ARRAY || deciles == NULL || deciles->type != PAT_VALUE_ARRAY) return;
    if (cli->format == PAT_FORMAT_CSV) {
        print_table(arena, bars, bar_keys, 4, money, true);
        return;
    }
    const struct pat_text customers = shown(arena, answer, "customers", PAT_SHAPE_PLAIN, 0);
    const struct pat_text total = shown(arena, answer, "total_minor", PAT_SHAPE_MONEY, money.digits);
    const struct pat_text mean = shown(arena, answer, "mean_minor", PAT_SHAPE_MONEY, money.digits);
    const struct pat_text median = shown(arena, answer, "median_minor", PAT_SHAPE_MONEY, money.digits);
    const struct pat_text gini = figure(arena, answer, "gini", "%.3f"), fit = text_of(answer, "fit");
    (void)printf("Predicted value of %.*s customers by fit %.*s, in %.*s\n", TEXT(customers), TEXT(fit),
                 TEXT(money.currency));
    (void)printf("total %.*s, mean %.*s, median %.*s, Gini %.*s\n\n", TEXT(total), TEXT(mean), TEXT(median),
                 TEXT(gini));
    print_bars(arena, bars, money);
    (void)fputc('\n', stdout);
    print_table(arena, deciles, decile_keys, 5, money, false);
}
