/* `patron fx`: the exchange rates there are, by currency. */
#include "cli.h"
#include "render.h"
#include "sheet.h"

#include <stdio.h>

struct fx_column {
    const char *key, *heading;
    bool right;
};

static const struct fx_column fx_columns[] = {
    {"currency", "currency", false}, {"rates", "rates", true},       {"first", "first", false},
    {"last", "last", false},         {"latest", "latest", true},     {"per", "per", false},
    {"gaps", "gaps", true},          {"unpriced", "unpriced", true},
};
#define FX_COLUMNS (sizeof fx_columns / sizeof fx_columns[0])

/* A row for each currency. Of gaps the number is shown; the warnings below the table say where they are. */
static void add_row(const struct pat_render *render, struct pat_sheet *sheet, const struct pat_value *currency) {
    struct pat_text *cell = pat_sheet_row(sheet);
    for (size_t c = 0; c < FX_COLUMNS && cell != NULL && currency->type == PAT_VALUE_MAP; c++) {
        const struct pat_value *value = pat_value_get(currency, fx_columns[c].key);
        if (value == NULL) continue;
        const struct pat_value count = pat_value_int(value->count);
        cell[c] = pat_render_value(render, value->type == PAT_VALUE_ARRAY ? &count : value, PAT_SHAPE_PLAIN, 0);
    }
}

static enum pat_exit render_fx(const struct pat_cli *cli, struct pat_arena *arena, const struct pat_value *answer) {
    const struct pat_value *currencies = pat_value_get(answer, "currencies");
    if (currencies == NULL || currencies->type != PAT_VALUE_ARRAY) return pat_render_answer(cli, arena, answer);
    const struct pat_render render = {.arena = arena, .csv = cli->format == PAT_FORMAT_CSV};
    struct pat_sheet sheet;
    pat_sheet_begin(&sheet, arena, FX_COLUMNS);
    for (unsigned c = 0; c < FX_COLUMNS; c++) {
        pat_sheet_head(&sheet, c, pat_text_of(render.csv ? fx_columns[c].key : fx_columns[c].heading),
                       fx_columns[c].right);
    }
    for (uint32_t i = 0; i < currencies->count; i++) add_row(&render, &sheet, &currencies->as.items[i]);
    if (render.csv) {
        pat_sheet_print_csv(&sheet, stdout);
        pat_render_notes(answer);
        return PAT_EXIT_OK;
    }
    pat_sheet_print_table(&sheet, stdout);
    pat_render_footer(answer, currencies->count);
    return PAT_EXIT_OK;
}

/* ---- after a load ----------------------------------------------------------------------------------------------- */

/* A screen of them; patron fx has the rest. */
#define GAPS_SHOWN 20u

static unsigned warn_of(const struct pat_value *currency, unsigned shown) {
    const struct pat_value *code = pat_value_get(currency, "currency"), *gaps = pat_value_get(currency, "gaps");
    if (code == NULL || code->type != PAT_VALUE_TEXT || gaps == NULL || gaps->type != PAT_VALUE_ARRAY) return shown;
    for (uint32_t i = 0; i < gaps->count && gaps->as.items[i].type == PAT_VALUE_MAP; i++) {
        const struct pat_value *from = pat_value_get(&gaps->as.items[i], "from");
        const struct pat_value *to = pat_value_get(&gaps->as.items[i], "to");
        if (from == NULL || from->type != PAT_VALUE_TEXT || to == NULL || to->type != PAT_VALUE_TEXT) continue;
        if (shown++ >= GAPS_SHOWN) continue;
        (void)fprintf(stderr, "warning: %.*s: no rate between %.*s and %.*s\n", (int)code->count, code->as.text,
                      (int)from->count, from->as.text, (int)to->count, to->as.text);
    }
    return shown;
}

enum pat_exit pat_fx_warn(const struct pat_cli *cli) {
    struct pat_arena arena;
    struct pat_value answer;
    pat_arena_init(&arena, 0);
    const enum pat_exit code = pat_cli_ask(cli, "fx", NULL, &arena, &answer);
    const struct pat_value *currencies =
        code == PAT_EXIT_OK && answer.type == PAT_VALUE_MAP ? pat_value_get(&answer, "currencies") : NULL;
    unsigned shown = 0;
    for (uint32_t i = 0; currencies != NULL && currencies->type == PAT_VALUE_ARRAY && i < currencies->count; i++) {
        if (currencies->as.items[i].type == PAT_VALUE_MAP) shown = warn_of(&currencies->as.items[i], shown);
    }
    if (shown > GAPS_SHOWN) (void)fprintf(stderr, "warning: %u more gaps, see patron fx\n", shown - GAPS_SHOWN);
    pat_arena_deinit(&arena);
    return code;
}

/* ---- the command ------------------------------------------------------------------------------------------------ */

static enum pat_exit run_fx(const struct pat_cli *cli) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_builder builder = {.arena = &arena};
    struct pat_value params = pat_build_map(&builder, 1), answer;
    const char *as_of = pat_cli_option(cli, "--as-of");
    if (as_of != NULL) pat_build_put(&builder, &params, "as_of", pat_value_string(as_of));
    enum pat_exit code = pat_cli_ask(cli, "fx", &params, &arena, &answer);
    if (code == PAT_EXIT_OK && cli->format == PAT_FORMAT_JSON) {
        code = pat_render_json(&answer);
    } else if (code == PAT_EXIT_OK && answer.type == PAT_VALUE_MAP) {
        code = render_fx(cli, &arena, &answer);
    }
    pat_arena_deinit(&arena);
    return code;
}

static const struct pat_cli_option fx_options[] = {
    {"--as-of", "DAY", "rates and facts up to this day (default: now)"},
};

const struct pat_cli_command pat_command_fx = {
    .name = "fx",
    .operands = "",
    .room = PAT_CLI_QUESTIONS,
    .summary = "Exchange rates by currency, their gaps, facts without one",
    .explain = "A rate holds from its day until the next one; a gap is more than 45 days\n"
               "without any. `patron load fx FILE` brings rates: day, currency, and rate in\n"
               "base currency for one unit, or with per base the other way round.",
    .example = "patron fx\n  patron load fx rates.csv --map \"day=Date,currency=Code,rate=Rate,per:=base\"",
    .option = fx_options,
    .options = sizeof fx_options / sizeof fx_options[0],
    .run = run_fx,
};
