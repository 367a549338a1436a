/* Lifetime value as the rest of the house knows it: a finished fit under its name, and how fits are put to use.
 *
 * Plain values, no pointers: a fit travels from the worker that made it to the journal, the store and the snapshot. The
 * mathematics is in lifetime/. */
#ifndef PAT_MODEL_CLV_H
#define PAT_MODEL_CLV_H

#include "base/text.h"
#include "model/limits.h"
#include "model/types.h"

#include <stdbool.h>
#include <stdint.h>

/* A year is 365.25 days, and a month its twelfth. */
#define PAT_CLV_MONTH_DAYS 30.4375

/* Names of models, parameters and directions ("mbg_nbd", "alpha", "infinity"), and the sentence about a boundary. */
#define PAT_FIT_WORD_BYTES    24u
#define PAT_FIT_MEANING_BYTES 128u

/* Where a likelihood has no inner maximum: which parameter runs where. */
struct pat_clv_boundary {
    char parameter[PAT_FIT_WORD_BYTES]; /* "": the maximum is inside */
    char direction[PAT_FIT_WORD_BYTES];
    char meaning[PAT_FIT_MEANING_BYTES]; /* one sentence for people */
};

/* Gamma-Gamma, in major units of the base currency. */
struct pat_clv_spend {
    double p, q, v; /* v is what Fader and Hardie call gamma */
    double se_p, se_q, se_v;
    double loglik;
    double customers; /* that took part; 0: nobody did, and there is nothing else here */
    double left_out;  /* without a repeat day, or with a mean of zero or less */
    double unpriced;  /* with facts on repeat days that have no base value yet */
    double correlation;
    bool converged;
    bool mean_infinite; /* q <= 1 */
    struct pat_clv_boundary boundary;
};

struct pat_clv_holdout {
    pat_day end; /* PAT_DAY_NONE: none was held out */
    double customers;
    double actual;    /* purchase days in (fit's end, end] */
    double expected;  /* the same by the model */
    double mae, rmse; /* by customer */
};

struct pat_clv_fit {
    char name[PAT_FIT_NAME_BYTES_MAX + 1];
    char model[PAT_FIT_WORD_BYTES];
    pat_lsn lsn;      /* of the journal entry that brought it: tells fits of one name apart */
    pat_lsn data_lsn; /* version of the data that it was made of */
    int32_t unit_days;
    pat_day end;
    unsigned params_count;
    char param_name[PAT_FIT_PARAMS_MAX][PAT_FIT_WORD_BYTES];
    double params[PAT_FIT_PARAMS_MAX];
    double se[PAT_FIT_PARAMS_MAX]; /* NaN where it cannot be told */
    double customers, repeaters;
    double loglik;
    double nbd_loglik; /* of the plain NBD on the same data */
    uint32_t iterations;
    bool converged;
    struct pat_clv_boundary boundary;
    struct pat_clv_spend spend;
    struct pat_clv_holdout holdout;
};

/* How purchases to come are turned into money; a shop's own, whichever fit is in use. */
struct pat_clv_use {
    double horizon_days;    /* whole, or whole months */
    double discount_annual; /* 0.1 = 10 % a year */
    double margin;          /* share of spend that is value */
};

#define PAT_CLV_USE_DEFAULT ((struct pat_clv_use){.horizon_days = 365, .discount_annual = 0.1, .margin = 1})

/* Whether a new fit becomes the one that fields use. */
enum pat_clv_adopt {
    PAT_CLV_ADOPT_NO,
    PAT_CLV_ADOPT_YES,
    PAT_CLV_ADOPT_FIRST, /* when none is in use yet */
};

/* What a request says of fits; what it leaves out is not set. */
struct pat_clv_ask {
    struct pat_text name;  /* FIT, USE: the fit's; others: the fit to ask instead of the one in use */
    struct pat_text model; /* FIT; PREDICT with params */
    int32_t unit_days;     /* 0 = a week */
    pat_day holdout_end;   /* PAT_DAY_NONE: none */
    enum pat_clv_adopt adopt;
    double horizon_days; /* 0 = as in use */
    bool has_discount, has_margin;
    double discount_annual, margin;
    /* PREDICT */
    bool has_history, has_mean;
    double x, t_x, T, mean_minor;
    const struct pat_value *params; /* a map of numbers, or NULL */
    /* DIST */
    uint32_t bins;
    const struct pat_value *edges; /* an array of numbers that rise, or NULL */
};

#endif
