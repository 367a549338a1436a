/* `patron clv`: lifetime value. The first operand says what is to be done. */
#include "clv.h"
#include "cli.h"
#include "render.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static const struct pat_cli_option clv_options[] = {
    {"--model", "MODEL", "fit: mbg_nbd (default), bg_nbd or nbd"},
    {"--unit", "week|day", "fit: unit of time (default week)"},
    {"--end", "DAY", "fit: last day it learns from (default latest)"},
    {"--holdout-end", "DAY", "fit: try it on the days from --end to here"},
    {"--name", "NAME", "fit: the name to keep it under (default `default`)"},
    {"--use", NULL, "fit: take it into use at once"},
    {"--fit", "NAME", "predict, top, dist: ask this fit instead of the one in use"},
    {"--horizon", "365d", "how far ahead: days, w, m or y (use, predict, top, dist)"},
    {"--discount", "0.1", "annual discount, 0.1 is 10 % (likewise)"},
    {"--margin", "0.3", "share of spend that is value (likewise)"},
    {"--limit", "N", "top: at most so many customers"},
    {"--bins", "N", "dist: bars, or edges such as '[0,100,500]'"},
    {"--x", "N", "predict: repeat purchase days of a history"},
    {"--t-x", "TIME", "predict: first to last purchase, in the fit's unit"},
    {"--T", "TIME", "predict: first purchase to now"},
    {"--mean-minor", "N", "predict: mean spend of a repeat day, minor units"},
    {"--params", "JSON", "predict: parameters, with --model: '{\"r\":0.24,\"alpha\":4.4,\"a\":0.79,\"b\":2.4}'"},
};

/* Options that become a parameter as they are; numbers and JSON are read as such. */
static const struct {
    const char *option, *key;
    bool json;
} plain[] = {
    {"--model", "model", false},
    {"--unit", "unit", false},
    {"--end", "end", false},
    {"--holdout-end", "holdout_end", false},
    {"--name", "name", false},
    {"--fit", "fit", false},
    {"--horizon", "horizon", false},
    {"--discount", "discount_annual", true},
    {"--margin", "margin", true},
    {"--limit", "limit", true},
    {"--bins", "bins", true},
    {"--x", "x", true},
    {"--t-x", "t_x", true},
    {"--T", "T", true},
    {"--mean-minor", "mean_minor", true},
    {"--params", "params", true},
};

struct verb {
    const char *name, *method;
    const char *operand; /* parameter that the second operand is; NULL: none */
};

static const struct verb verbs[] = {
    {"fit", "clv.fit", "name"}, {"use", "clv.use", "name"},
    {"fits", "clv.fits", NULL}, {"predict", "clv.predict", "customer"},
    {"top", "clv.top", NULL},   {"dist", "clv.dist", NULL},
};
#define VERBS (sizeof verbs / sizeof *verbs)

static const struct verb *verb_find(const struct pat_cli *cli) {
    const char *names[VERBS];
    for (size_t i = 0; i < VERBS; i++) {
        names[i] = verbs[i].name;
        if (strcmp(cli->operand[0], names[i]) == 0) return &verbs[i];
    }
    char shown[64];
    const int nearest = pat_text_nearest(pat_text_of(cli->operand[0]), names, VERBS);
    (void)pat_cli_usage(cli, "'%s' is none of fit, use, fits, predict, top, dist%s%s%s",
                        pat_text_printable(pat_text_of(cli->operand[0]), shown, sizeof shown),
                        nearest >= 0 ? "; did you mean '" : "", nearest >= 0 ? names[nearest] : "",
                        nearest >= 0 ? "'?" : "");
    return NULL;
}

static enum pat_exit put_params(const struct pat_cli *cli, const struct verb *verb, struct pat_builder *builder,
                                struct pat_value *params) {
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        const char *text = pat_cli_option(cli, plain[i].option);
        if (text == NULL) continue;
        pat_build_put(builder, params, plain[i].key,
                      plain[i].json ? pat_cli_json_or_text(builder, text) : pat_value_string(text));
    }
    if (pat_cli_option(cli, "--use") != NULL) pat_build_put(builder, params, "use", pat_value_bool(true));
    if (cli->operands < 2) return pat_cli_put_reading(cli, builder, params);
    if (verb->operand == NULL) return pat_cli_usage(cli, "'%s' is one word too many", cli->operand[1]);
    if (pat_value_get(params, verb->operand) != NULL) {
        return pat_cli_usage(cli, "the name is there twice: as NAME and as --name");
    }
    pat_build_put(builder, params, verb->operand, pat_value_string(cli->operand[1]));
    return pat_cli_put_reading(cli, builder, params);
}

static enum pat_exit print_answer(const struct pat_cli *cli, const struct verb *verb, struct pat_arena *arena,
                                  const struct pat_value *answer) {
    if (cli->format != PAT_FORMAT_JSON && answer->type == PAT_VALUE_MAP) {
        const bool fit = strcmp(verb->name, "fit") == 0, fits = strcmp(verb->name, "fits") == 0;
        const bool dist = strcmp(verb->name, "dist") == 0, csv = cli->format == PAT_FORMAT_CSV;
        if (fit && !csv) pat_clv_print_fit(arena, answer);
        if (fits) pat_clv_print_fits(cli, arena, answer);
        if (dist) pat_clv_print_dist(cli, arena, answer);
        if (!csv && (fit || dist)) pat_render_footer(answer, -1);
        if (csv && dist) pat_render_notes(answer);
        if ((fit && !csv) || fits || dist) return PAT_EXIT_OK;
    }
    return pat_render_answer(cli, arena, answer);
}

static enum pat_exit run_clv(const struct pat_cli *cli) {
    const struct verb *verb = verb_find(cli);
    if (verb == NULL) return PAT_EXIT_USAGE;
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_builder builder = {.arena = &arena};
    struct pat_value params = pat_build_map(&builder, 16), answer;
    enum pat_exit code = put_params(cli, verb, &builder, &params);
    if (code == PAT_EXIT_OK) code = pat_cli_ask(cli, verb->method, &params, &arena, &answer);
    if (code == PAT_EXIT_OK) code = print_answer(cli, verb, &arena, &answer);
    pat_arena_deinit(&arena);
    return code;
}

const struct pat_cli_command pat_command_clv = {
    .room = PAT_CLI_QUESTIONS,
    .name = "clv",
    .operands = "VERB [NAME]",
    .operands_min = 1,
    .operands_max = 2,
    .summary = "Lifetime value: fit a model, predict, rank, spread",
    .explain = "VERB is one of fit, use, fits, predict, top, dist. `fit` learns from everybody's\n"
               "purchase days and keeps the result by name; the first one is in use at once.\n"
               "`use` chooses another, and horizon, discount and margin; `fits` lists them. The\n"
               "fields p_alive, expected_orders and clv of other commands follow the fit in use.\n"
               "`predict` asks for one customer, `top` for the most valuable, `dist` how value\n"
               "is spread.",
    .example = "patron clv fit --end 2010-09-09 --holdout-end 2010-12-09\n"
               "  patron clv use default --horizon 2y --margin 0.4\n"
               "  patron clv predict 13085 --as-of latest\n"
               "  patron clv top --as-of latest --limit 20 --where \"country = 'France'\"\n"
               "  patron clv dist --as-of latest --bins 12",
    .reads = true,
    .option = clv_options,
    .options = sizeof clv_options / sizeof clv_options[0],
    .run = run_clv,
};
