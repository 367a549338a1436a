/* Gamma-Gamma: how much a customer spends on a purchase day (Fader, Hardie 2013, "The Gamma-Gamma Model of Monetary
 * Value"). A day's spend is Gamma(p, rate nu), nu of a customer from Gamma(q, rate v); amounts in any one unit of
 * money.
 *
 * What the model needs of a customer is x and the mean of the x repeat days. It takes for granted that how often
 * somebody buys says nothing about how much: therefore the correlation of the two comes with the fit. */
#ifndef PAT_LIFETIME_SPEND_H
#define PAT_LIFETIME_SPEND_H

#include "base/status.h"
#include "lifetime/fit.h"

#include <stdbool.h>
#include <stddef.h>

struct pat_spend_pattern {
    double x;      /* repeat purchase days: a whole number >= 0 */
    double mean;   /* spend per repeat day, any finite number */
    double weight; /* customers that look like this, > 0 */
};

struct pat_spend_params {
    double p, q; /* shapes */
    double v;    /* rate of nu, in units of money */
};

struct pat_spend_fit {
    struct pat_spend_params params;
    struct pat_spend_params se; /* NaN where it cannot be told */
    double loglik;
    double customers;   /* sum of weights that took part: x > 0 and mean > 0 */
    double left_out;    /* sum of weights that did not */
    double correlation; /* of x and mean over those who took part; NaN when either does not vary */
    bool mean_infinite; /* q <= 1: the population has no finite mean, so customers with x = 0 get none */
    unsigned iterations, evaluations;
    bool converged;
    const struct pat_fit_limit *boundary; /* NULL: the maximum is inside */
};

/**
 * Fits to `count` patterns; those with x = 0 or mean <= 0 are left out and counted.
 *
 * With nobody to fit, the answer has customers 0 and NaN for everything estimated: that is a fact about a shop, not a
 * failure.
 * Allocates: 17 bytes a pattern that takes part, 25 while loading, and up to 160 bytes a distinct x (PAT_MEM_QUERY)
 * until it returns. Fails: PAT_ERR_BAD_REQUEST for an impossible pattern, PAT_ERR_NO_MEMORY, PAT_ERR_CANCELLED.
 */
enum pat_status pat_spend_fit(struct pat_spend_fit *out, const struct pat_spend_pattern *patterns, size_t count,
                              const struct pat_fit_options *options, struct pat_error *error) PAT_MUST_CHECK;

/* Log-likelihood with its gradient in log p, log q, log v (or NULL); the rest as in pat_spend_fit. */
enum pat_status pat_spend_loglik(const struct pat_spend_params *params, const struct pat_spend_pattern *patterns,
                                 size_t count, double *loglik, double *gradient,
                                 struct pat_error *error) PAT_MUST_CHECK;

/* Expected spend of a purchase day given x days of mean `mean`: p (v + x mean) / (p x + q - 1). A mean below zero
 * counts as zero: refunds forecast no income for the customer. Infinite when p x + q <= 1. */
double pat_spend_expected(const struct pat_spend_params *params, double x, double mean);

#endif
