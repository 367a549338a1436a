/* The family of Poisson-Gamma purchases with beta-geometric dropout.
 *
 * A customer who has passed k chances to leave (k = x in BG/NBD: one after each repeat purchase; k = x + 1 in MBG/NBD:
 * one after the first purchase, too) has the likelihood
 *
 *   L = Gamma(r+x)/Gamma(r) alpha^r (alpha+T)^-(r+x)  B(a, b+k)/B(a, b)  (1 + e^u)
 *   e^u = a/(b+k-1) ((alpha+T)/(alpha+t_x))^(r+x)                (0 when k = 0)
 *
 * where e^u are the odds that the customer left after the last purchase: P(alive) = 1/(1 + e^u). Without dropout the
 * last two factors are 1: NBD. All is kept in logarithms, alpha is divided out of times, and ratios of Gamma functions
 * are taken as such, so that nothing is lost when r, alpha, a or b run to 0 or to infinity. */
#include "lifetime/model_private.h"

#include "base/status.h"
#include "lifetime/predict.h"
#include "lifetime/quadrature_private.h"
#include "lifetime/special_private.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

enum { R, ALPHA, A, B };

/* Columns by x. */
enum { X_LOG, X_SHAPE, X_ODDS, X_BY_R, X_BY_A, X_BY_B };

/* Gauss-Jacobi is taken where (horizon / (alpha+T)) max(1, (r+x) / (b+k)) is at most this. The integrand turns at about
 * p = 1 / ((r+x) horizon / (alpha+T)), the nodes lie at the scale of 1 / (b+k); 32 nodes then leave less than 1e-11. */
#define JACOBI_REACH 3.0
/* Below this a chance to leave cannot be told from none, and p times anything is still a normal number. */
#define CHANCE_NONE 1e-290

/* Chances to leave that a customer with x repeat purchases has passed. */
static double chances(const struct pat_btyd_model *model, double x) {
    return model->ops->leaving == PAT_LEAVES_AFTER_ANY ? x + 1 : x;
}

/* ---- likelihood ---------------------------------------------------------------------------------------------------
 */

/* log(1 + t / alpha) and t / (alpha + t) of each time. */
static void tables_time(const double *params, struct pat_data *data) {
    for (size_t i = 0; i < data->time_count; i++) {
        const double time = data->time_value[i];
        data->time[i][0] = log1p(time / params[ALPHA]);
        data->time[i][1] = time / (params[ALPHA] + time);
    }
}

static void tables_purchases(const double *params, struct pat_data *data) {
    const double r = params[R], log_alpha = log(params[ALPHA]);
    for (size_t i = 0; i < data->runs; i++) {
        const double x = data->run[i].x;
        data->x_table[X_LOG][i] = pat_special__lgamma_diff(r, x) - x * log_alpha;
        data->x_table[X_SHAPE][i] = r + x;
        data->x_table[X_BY_R][i] = r * pat_special__digamma_diff(r, x);
    }
}

static void tables_dropout(const struct pat_btyd_model *model, const double *params, struct pat_data *data) {
    const double a = params[A], b = params[B];
    for (size_t i = 0; i < data->runs; i++) {
        const double k = chances(model, data->run[i].x);
        const double both = pat_special__digamma_diff(a + b, k);
        data->x_table[X_LOG][i] += pat_special__lgamma_diff(b, k) - pat_special__lgamma_diff(a + b, k);
        data->x_table[X_ODDS][i] = k > 0 ? log(a) - log(b + k - 1) : -HUGE_VAL;
        data->x_table[X_BY_A][i] = -a * both;
        data->x_table[X_BY_B][i] = b * (pat_special__digamma_diff(b, k) - both);
    }
}

static void geometric_tables(const struct pat_btyd_model *model, const double *params, struct pat_data *data) {
    tables_time(params, data);
    tables_purchases(params, data);
    if (model->ops->leaving != PAT_LEAVES_NEVER) tables_dropout(model, params, data);
}

static void nbd_run(const struct pat_btyd_model *model, const double *params, struct pat_data *data, size_t i,
                    double term[PAT_TERMS]) {
    (void)model;
    const double shape = data->x_table[X_SHAPE][i];
    const double weight = data->run[i].weight;
    double sums[2]; /* of log(1 + T / alpha), T / (alpha + T) */
    pat_data__span_sums(data, &data->run[i], sums);
    term[0] = weight * data->x_table[X_LOG][i] - shape * sums[0];
    term[1 + R] = weight * data->x_table[X_BY_R][i] - params[R] * sums[0];
    term[1 + ALPHA] = shape * sums[1] - weight * data->run[i].x;
}

/* On top of that the chance to have left, where there was one. */
static void dropout_run(const struct pat_btyd_model *model, const double *params, struct pat_data *data, size_t i,
                        double term[PAT_TERMS]) {
    const double k = chances(model, data->run[i].x), shape = data->x_table[X_SHAPE][i], b = params[B];
    const double weight = data->run[i].weight;
    double sums[PAT_KERNEL_SUMS]; /* of log(1 + e^u), dead, dead gap, dead step: see kernel.h */
    nbd_run(model, params, data, i, term);
    term[1 + A] = weight * data->x_table[X_BY_A][i];
    term[1 + B] = weight * data->x_table[X_BY_B][i];
    if (!(k > 0)) return;
    pat_data__odds_sums(data, &data->run[i], data->x_table[X_ODDS][i], shape, sums);
    term[0] += sums[0];
    term[1 + R] += params[R] * sums[2];
    term[1 + ALPHA] -= shape * sums[3];
    term[1 + A] += sums[1];
    term[1 + B] -= sums[1] * b / (b + k - 1);
}

/* ---- where to start, and where a maximum may run ------------------------------------------------------------------
 */

static size_t nbd_starts(const struct pat_btyd_model *model, const double *nbd,
                         double start[PAT_STARTS_MAX][PAT_BTYD_PARAMS_MAX]) {
    (void)model;
    static const double scale[] = {1, 0.2, 5};
    for (size_t i = 0; i < sizeof scale / sizeof scale[0]; i++) {
        start[i][R] = nbd[R] * scale[i];
        start[i][ALPHA] = nbd[ALPHA] * scale[i];
    }
    return sizeof scale / sizeof scale[0];
}

/* From a mean chance to leave of a quarter to one of one in fifty. Customers who leave bought faster while they stayed:
 * alpha begins below that of the NBD where many do. */
static size_t dropout_starts(const struct pat_btyd_model *model, const double *nbd,
                             double start[PAT_STARTS_MAX][PAT_BTYD_PARAMS_MAX]) {
    static const struct {
        double alpha, a, b;
    } guess[] = {{0.5, 0.8, 2.4}, {0.7, 0.5, 4.5}, {1, 0.1, 4.9}, {0.4, 3, 3}, {0.5, 20, 80}, {1, 0.02, 0.5}};
    (void)model;
    for (size_t i = 0; i < sizeof guess / sizeof guess[0]; i++) {
        start[i][R] = nbd[R];
        start[i][ALPHA] = nbd[ALPHA] * guess[i].alpha;
        start[i][A] = guess[i].a;
        start[i][B] = guess[i].b;
    }
    return sizeof guess / sizeof guess[0];
}

#define BIT(parameter) (1u << (parameter))

static const struct pat_fit_limit limits[] = {
    {.down = BIT(A),
     .lost = BIT(A) | BIT(B),
     .parameter = "a",
     .direction = "zero",
     .meaning = "hardly any customer leaves: the likelihood is that of the plain NBD"},
    {.down = BIT(R),
     .lost = BIT(R) | BIT(ALPHA),
     .parameter = "r",
     .direction = "zero",
     .meaning = "next to nobody buys again: there is nothing to tell rates from"},
    {.up = BIT(R) | BIT(ALPHA),
     .lost = BIT(R) | BIT(ALPHA),
     .parameter = "r",
     .direction = "infinity",
     .meaning = "all customers buy at one rate: r and alpha grow together and only r / alpha means something"},
    {.up = BIT(A) | BIT(B),
     .lost = BIT(A) | BIT(B),
     .parameter = "a",
     .direction = "infinity",
     .meaning = "all customers leave with one chance: a and b grow together and only a / (a + b) means something"},
    {.down = BIT(B),
     .lost = BIT(A) | BIT(B),
     .parameter = "b",
     .direction = "zero",
     .meaning = "every customer leaves at the first chance"},
    {.down = BIT(A) | BIT(B),
     .lost = BIT(A) | BIT(B),
     .parameter = "a",
     .direction = "zero",
     .meaning = "some customers leave at the first chance and the others never: only a / (a + b) means something"},
};

/* The chance to leave that stands for none. */
#define CHANCE_SMALL 1e-12

static const struct pat_fit_limit *dropout_without(const double *nbd, double *params) {
    params[R] = nbd[R];
    params[ALPHA] = nbd[ALPHA];
    params[A] = CHANCE_SMALL;
    params[B] = 1;
    return &limits[0];
}

/* The NBD's are the second and third. */
#define NBD_LIMITS      (limits + 1)
#define NBD_LIMIT_COUNT 2u

/* ---- predictions --------------------------------------------------------------------------------------------------
 */

static double dropout_p_alive(const struct pat_btyd_model *model, const double *params,
                              const struct pat_btyd_pattern *of) {
    const double k = chances(model, of->x);
    if (!(k > 0)) return 1;
    const double gap = log1p((of->T - of->t_x) / (params[ALPHA] + of->t_x));
    double alive;
    (void)pat_special__softplus(log(params[B] + k - 1) - log(params[A]) - (params[R] + of->x) * gap, &alive);
    return alive;
}

static double nbd_p_alive(const struct pat_btyd_model *model, const double *params, const struct pat_btyd_pattern *of) {
    (void)model;
    (void)params;
    (void)of;
    return 1;
}

/* A customer's purchases to come, if alive: rate from Gamma(shape, 1) in units of alpha + T. */
struct future {
    double shape;          /* r + x */
    double from, step, to; /* in units of alpha + T */
    double factor;
};

static struct future future_of(const double *params, const struct pat_btyd_pattern *of,
                               const struct pat_slices *slices) {
    const double unit = params[ALPHA] + of->T;
    return (struct future){.shape = params[R] + of->x,
                           .from = slices->from / unit,
                           .step = slices->step / unit,
                           .to = slices->to / unit,
                           .factor = slices->factor};
}

/* Weighted purchases given the chance to leave: sum of factor^j ((1 + p t_{j-1})^-shape - (1 + p t_j)^-shape) / p, each
 * difference from its factors, since it is small when p is. */
static double purchases_at(const void *context, double p) {
    const struct future *future = context;
    const bool stays = p < CHANCE_NONE;
    double before = log1p(p * future->from), still = exp(-future->shape * before), weight = 1, sum = 0;
    for (double j = 1, t = future->from; t < future->to; j++) {
        const double next = fmin(future->from + j * future->step, future->to);
        const double after = log1p(p * next), leaving = -expm1(-future->shape * (after - before));
        weight *= future->factor;
        sum += weight * (stays ? future->shape * (next - t) : still * leaving / p);
        still *= 1 - leaving;
        before = after;
        t = next;
    }
    return sum;
}

static double nbd_expected(struct pat_scorer *scorer, const struct pat_btyd_pattern *of,
                           const struct pat_slices *slices) {
    const struct future future = future_of(scorer->params, of, slices);
    return purchases_at(&future, 0);
}

static void use_rule(struct pat_scorer *scorer, double x, double a, double b) {
    if (scorer->rule_x == x) return;
    pat_beta__rule(a, b, PAT_SCORER_NODES, scorer->node, scorer->share);
    scorer->rule_x = x;
}

static double dropout_expected(struct pat_scorer *scorer, const struct pat_btyd_pattern *of,
                               const struct pat_slices *slices) {
    const double *params = scorer->params;
    const struct future future = future_of(params, of, slices);
    const double a = params[A], b = params[B] + chances(scorer->model, of->x);
    const double alive = dropout_p_alive(scorer->model, params, of);
    if (future.to * fmax(1, future.shape / b) > JACOBI_REACH)
        return alive * pat_beta__mean(a, b, purchases_at, &future);
    use_rule(scorer, of->x, a, b);
    double sum = 0;
    for (size_t i = 0; i < PAT_SCORER_NODES; i++) sum += scorer->share[i] * purchases_at(&future, scorer->node[i]);
    return alive * sum;
}

/* ---- the same for sheets ----------------------------------------------------------------------------------------- */

static double geometric_log_time(const double *params, double t) {
    return log1p(t / params[ALPHA]);
}

static double nbd_log_odds(const struct pat_btyd_model *model, const double *params, double x) {
    (void)model;
    (void)params;
    (void)x;
    return -HUGE_VAL;
}

static double dropout_log_odds(const struct pat_btyd_model *model, const double *params, double x) {
    const double k = chances(model, x);
    return k > 0 ? log(params[A]) - log(params[B] + k - 1) : -HUGE_VAL;
}

/* The ends of up to PAT_KERNEL_STEPS_MAX slices from *j on, which moves behind them; gives how many. */
static size_t next_slices(const struct future *future, double *j, double time[PAT_KERNEL_STEPS_MAX + 1]) {
    size_t steps = 0;
    time[0] = future->from + *j * future->step;
    while (steps < PAT_KERNEL_STEPS_MAX && time[steps] < future->to) {
        time[++steps] = fmin(future->from + ++*j * future->step, future->to);
    }
    return steps;
}

/* Means over the chance to leave of what happens within each slice. */
static void sum_slices(const struct future *future, const struct pat_kernels *kernels, const double *node,
                       const double *share, size_t nodes, double sum[2]) {
    double time[PAT_KERNEL_STEPS_MAX + 1], within[PAT_KERNEL_STEPS_MAX], weight = 1;
    for (double j = 0;;) {
        const size_t steps = next_slices(future, &j, time);
        if (steps == 0) return;
        kernels->decay(node, share, nodes, time, steps, future->shape, within);
        for (size_t i = 0; i < steps; i++) {
            weight *= future->factor;
            sum[0] += within[i];
            sum[1] += weight * within[i];
        }
    }
}

static void nbd_ahead(const struct pat_sheet *sheet, struct pat_sheet_lane *lane, const struct pat_btyd_pattern *of,
                      const struct pat_slices *slices, double sum[2]) {
    (void)lane;
    struct future future = future_of(sheet->params, of, slices);
    sum[1] = purchases_at(&future, 0);
    future.factor = 1;
    sum[0] = purchases_at(&future, 0);
}

static void short_rule(struct pat_sheet_lane *lane, double x, double a, double b) {
    if (lane->x == x) return;
    pat_beta__rule(a, b, PAT_SCORER_NODES, lane->node, lane->share);
    /* Rounding may leave a node at 0 or below when a is tiny. */
    for (size_t i = 0; i < PAT_SCORER_NODES; i++) lane->node[i] = fmax(lane->node[i], PAT_BETA_LEAST);
    lane->x = x;
}

static void long_rule(struct pat_sheet_lane *lane, double x, double a, double b) {
    if (lane->long_x == x) return;
    lane->long_count = pat_beta__nodes(a, b, lane->long_node, lane->long_share);
    lane->long_x = x;
}

static void dropout_ahead(const struct pat_sheet *sheet, struct pat_sheet_lane *lane, const struct pat_btyd_pattern *of,
                          const struct pat_slices *slices, double sum[2]) {
    const struct future future = future_of(sheet->params, of, slices);
    const double a = sheet->params[A], b = sheet->params[B] + chances(sheet->model, of->x);
    if (future.to * fmax(1, future.shape / b) <= JACOBI_REACH) {
        short_rule(lane, of->x, a, b);
        sum_slices(&future, sheet->kernels, lane->node, lane->share, PAT_SCORER_NODES, sum);
    } else {
        long_rule(lane, of->x, a, b);
        sum_slices(&future, sheet->kernels, lane->long_node, lane->long_share, lane->long_count, sum);
    }
}

_Static_assert(PAT_SHEET_NODES == PAT_BETA_LONG_MAX, "a lane has room for every rule");

/* ---- other predictions ------------------------------------------------------------------------------------------- */

/* P(X(t) = n) of Poisson-Gamma purchases without dropout. */
static double nbd_pmf(const struct pat_btyd_model *model, const double *params, double t, double n) {
    (void)model;
    const double r = params[R], alpha = params[ALPHA];
    const double log_share = n > 0 ? n * (log(t) - log(alpha + t)) : 0; /* t = 0: exp(-inf) = 0 */
    const double log_ways = pat_special__lgamma_diff(r, n) - pat_special__lgamma(n + 1);
    return exp(log_ways - r * log1p(t / alpha) + log_share);
}

/* Either all n passed without leaving by t, or left at the n-th when at least n purchases had time to happen. */
static double dropout_pmf(const struct pat_btyd_model *model, const double *params, double t, double n) {
    const double a = params[A], b = params[B], k = chances(model, n);
    const double log_stay = pat_special__lgamma_diff(b, k) - pat_special__lgamma_diff(a + b, k);
    const double stayed = exp(log_stay) * nbd_pmf(model, params, t, n);
    if (!(k > 0)) return stayed;
    const double at_least = n > 0 ? pat_special__beta_share(t / (params[ALPHA] + t), n, params[R]) : 1;
    return stayed + exp(log_stay) * a / (b + k - 1) * at_least;
}

/* Purchases to come, discounted, given the chance to leave: E rate / (d + rate p) = shape / p e^z E_{shape+1}(z) with
 * z = d (alpha + T) / p. */
struct residual {
    double shape, discount; /* per alpha + T */
    double node[PAT_SCORER_NODES], share[PAT_SCORER_NODES];
};

static double residual_at(const void *context, double p) {
    const struct residual *rest = context;
    if (p < CHANCE_NONE) return rest->shape / rest->discount;
    return rest->shape / p *
           pat_special__expint(rest->shape + 1, rest->discount / p, rest->node, rest->share, PAT_SCORER_NODES);
}

static double nbd_residual(const struct pat_btyd_model *model, const double *params, const struct pat_btyd_pattern *of,
                           double discount) {
    (void)model;
    return (params[R] + of->x) / (discount * (params[ALPHA] + of->T));
}

static double dropout_residual(const struct pat_btyd_model *model, const double *params,
                               const struct pat_btyd_pattern *of, double discount) {
    struct residual rest = {.shape = params[R] + of->x, .discount = discount * (params[ALPHA] + of->T)};
    pat_beta__rule(1, 1, PAT_SCORER_NODES, rest.node, rest.share);
    const double b = params[B] + chances(model, of->x);
    return dropout_p_alive(model, params, of) * pat_beta__mean(params[A], b, residual_at, &rest);
}

const struct pat_btyd_ops pat_geometric__nbd = {
    .leaving = PAT_LEAVES_NEVER,
    .tables = geometric_tables,
    .run = nbd_run,
    .starts = nbd_starts,
    .limits = NBD_LIMITS,
    .limit_count = NBD_LIMIT_COUNT,
    .p_alive = nbd_p_alive,
    .expected = nbd_expected,
    .log_odds = nbd_log_odds,
    .log_time = geometric_log_time,
    .ahead = nbd_ahead,
    .pmf = nbd_pmf,
    .residual = nbd_residual,
};

#define DROPOUT_OPS(when)                                                                                              \
    {                                                                                                                  \
        .leaving = (when), .tables = geometric_tables, .run = dropout_run, .starts = dropout_starts,                   \
        .without_dropout = dropout_without, .limits = limits, .limit_count = sizeof limits / sizeof limits[0],         \
        .p_alive = dropout_p_alive, .expected = dropout_expected, .log_odds = dropout_log_odds,                        \
        .log_time = geometric_log_time, .ahead = dropout_ahead, .pmf = dropout_pmf, .residual = dropout_residual       \
    }

const struct pat_btyd_ops pat_geometric__bg_nbd = DROPOUT_OPS(PAT_LEAVES_AFTER_REPEATS);
const struct pat_btyd_ops pat_geometric__mbg_nbd = DROPOUT_OPS(PAT_LEAVES_AFTER_ANY);
