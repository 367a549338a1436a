/* What kind of shop is asked for: the options of `patron generate`, read, checked and complete. Everything that changes
 * a row is in here; threads and places are not. */
#ifndef PATRON_GENERATE_PLAN_H
#define PATRON_GENERATE_PLAN_H

#include "cli.h"

#include "base/hash.h"
#include "model/types.h"
#include "model/value.h"

#include <stdbool.h>
#include <stdint.h>

enum pat_gen_table { PAT_GEN_FX, PAT_GEN_CUSTOMERS, PAT_GEN_ORDERS, PAT_GEN_REFUNDS, PAT_GEN_LINES, PAT_GEN_TABLES };

enum pat_gen_model { PAT_GEN_BG_NBD, PAT_GEN_MBG_NBD, PAT_GEN_NBD };

struct pat_gen_plan {
    uint64_t customers, seed;
    uint64_t orders;            /* asked for in all; 0: see orders_per_customer */
    double orders_per_customer; /* 0: the rate is given */
    pat_day start, end;
    unsigned tables; /* bit 1 << enum pat_gen_table */
    unsigned countries, currencies;
    char base[4];
    bool by_customer; /* order of the facts; else by time of arrival */
    bool pure;        /* nothing but what the models know */
    bool attributes;  /* of customers, orders and lines, one of nearly every type */
    bool duties;      /* on orders that leave the base currency's countries */
    uint32_t batch_rows;

    enum pat_gen_model model;
    double rate_shape, rate_scale;        /* gamma of purchases a week: r and alpha; rate_scale 0: to be found */
    double dropout_a, dropout_b;          /* beta of leaving after a purchase */
    double spend_p, spend_q, spend_gamma; /* gamma-gamma, major units of the base currency */
    double seasonality;                   /* 0 none, 1 as usual */
    double growth;                        /* of new customers, a year */
    /* shares, 0 .. 1 */
    double prospects, promotions, cancellations, refunds, tests, late_payments, corrections, rate_corrections, text_ids;
};

extern const char *const pat_gen_table_names[PAT_GEN_TABLES];
/* The command's options, those that do not change a row too. */
#define PAT_GEN_OPTIONS 40u
extern const struct pat_cli_option pat_gen_options[PAT_GEN_OPTIONS];

static inline bool pat_gen_wants(const struct pat_gen_plan *plan, enum pat_gen_table table) {
    return (plan->tables >> table & 1u) != 0;
}
static inline uint32_t pat_gen_days(const struct pat_gen_plan *plan) {
    return (uint32_t)(plan->end - plan->start) + 1;
}

/* Reads the options that make the plan. On PAT_EXIT_USAGE the reason has been printed. */
enum pat_exit pat_gen_plan_read(struct pat_gen_plan *plan, const struct pat_cli *cli);
/* All of it, as names and values. */
struct pat_value pat_gen_plan_describe(const struct pat_gen_plan *plan, struct pat_builder *builder);
/* Plans with equal digests make equal batches. */
enum pat_status pat_gen_plan_digest(const struct pat_gen_plan *plan, struct pat_digest *out,
                                    struct pat_error *error) PAT_MUST_CHECK;

#endif
