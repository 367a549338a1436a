#include "lifetime/optimize_private.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define DIM            PAT_OPTIMIZE_DIM_MAX
#define ITERATIONS_MAX 400u
#define HALVINGS_MAX   60u
/* Variables are logarithms of parameters: no step changes one by more than e^3. */
#define STEP_MAX       3.0
#define FIRST_STEP     0.3
#define RISE_MIN       1e-4 /* Wolfe: share of the promised rise that a step must bring */
#define SLOPE_LEFT_MAX 0.9  /* Wolfe: share of the slope that may be left */
/* Rounding of a sum of logarithms, relative: below this a rise cannot be seen and the slope alone decides. */
#define VALUE_NOISE 1e-13
/* Central differences lose the square of this to curvature, and the gradient's rounding divided by it. */
#define DIFFERENCE 1e-4

static double dot(size_t dim, const double *a, const double *b) {
    double sum = 0;
    for (size_t i = 0; i < dim; i++) sum += a[i] * b[i];
    return sum;
}

static double largest(size_t dim, const double *a) {
    double most = 0;
    for (size_t i = 0; i < dim; i++) most = fmax(most, fabs(a[i]));
    return most;
}

static double evaluate(const struct pat_problem *problem, struct pat_optimum *optimum, const double *at,
                       double *gradient) {
    optimum->evaluations++;
    const double value = problem->value_cb(problem->context, at, gradient);
    double check = value;
    for (size_t i = 0; i < problem->dim; i++) check += gradient[i];
    return isfinite(check) ? value : -HUGE_VAL;
}

static void matrix_scaled_identity(double matrix[DIM][DIM], double scale) {
    memset(matrix, 0, sizeof(double[DIM][DIM]));
    for (size_t i = 0; i < DIM; i++) matrix[i][i] = scale;
}

/* The step that the curvature so far advises, cut to STEP_MAX; false when it does not lead upward. */
static bool step_direction(size_t dim, double inverse[DIM][DIM], const double *gradient, double *direction) {
    for (size_t i = 0; i < dim; i++) direction[i] = dot(dim, inverse[i], gradient);
    const double most = largest(dim, direction), slope = dot(dim, direction, gradient);
    if (!(slope > 0) || !isfinite(slope) || !isfinite(most)) return false;
    for (size_t i = 0; i < dim && most > STEP_MAX; i++) direction[i] *= STEP_MAX / most;
    return true;
}

struct trial {
    double at[DIM], gradient[DIM];
    double value;
};

/* Finds a step along `direction` that rises enough and leaves little slope (Lewis, Overton 2013). Where the rise drowns
 * in rounding, the slope's own fall stands for it (Hager, Zhang 2005). False when there is none. */
static bool line_search(const struct pat_problem *problem, struct pat_optimum *optimum, const double *direction,
                        struct trial *trial) {
    const size_t dim = problem->dim;
    const double slope = dot(dim, direction, optimum->gradient), noise = VALUE_NOISE * fabs(optimum->value);
    double low = 0, high = HUGE_VAL, t = 1;
    for (unsigned i = 0; i < HALVINGS_MAX; i++) {
        for (size_t k = 0; k < dim; k++) trial->at[k] = optimum->at[k] + t * direction[k];
        trial->value = evaluate(problem, optimum, trial->at, trial->gradient);
        const double rise = trial->value - optimum->value, left = dot(dim, direction, trial->gradient);
        const bool rises = rise >= RISE_MIN * t * slope;
        const bool hidden = fabs(rise) <= noise && left >= (2 * RISE_MIN - 1) * slope;
        if (!rises && !hidden) {
            high = t;
        } else if (left > SLOPE_LEFT_MAX * slope && t * largest(dim, direction) < STEP_MAX) {
            low = t;
        } else {
            return true;
        }
        t = high < HUGE_VAL ? (low + high) / 2 : 2 * low;
    }
    return false;
}

/* BFGS: the inverse of minus the second derivatives, updated by what the last step taught. */
static void learn(size_t dim, double inverse[DIM][DIM], const double *step, const double *bend, bool first) {
    const double along = dot(dim, step, bend);
    if (!(along > 1e-14 * sqrt(dot(dim, step, step) * dot(dim, bend, bend)))) return;
    if (first) matrix_scaled_identity(inverse, along / dot(dim, bend, bend));
    double turned[DIM];
    for (size_t i = 0; i < dim; i++) turned[i] = dot(dim, inverse[i], bend);
    const double scale = (1 + dot(dim, bend, turned) / along) / along;
    for (size_t i = 0; i < dim; i++) {
        for (size_t k = 0; k < dim; k++) {
            inverse[i][k] += scale * step[i] * step[k] - (turned[i] * step[k] + step[i] * turned[k]) / along;
        }
    }
}

/* One iteration from optimum->at; false when there is no better point to be found. */
static bool advance(const struct pat_problem *problem, struct pat_optimum *optimum, double inverse[DIM][DIM],
                    bool first) {
    const size_t dim = problem->dim;
    double direction[DIM], step[DIM], bend[DIM];
    struct trial trial;
    if (!step_direction(dim, inverse, optimum->gradient, direction)) return false;
    if (!line_search(problem, optimum, direction, &trial)) return false;
    for (size_t i = 0; i < dim; i++) {
        step[i] = trial.at[i] - optimum->at[i];
        bend[i] = optimum->gradient[i] - trial.gradient[i];
        optimum->at[i] = trial.at[i];
        optimum->gradient[i] = trial.gradient[i];
    }
    optimum->value = trial.value;
    learn(dim, inverse, step, bend, first);
    return true;
}

static bool is_flat(const struct pat_problem *problem, const struct pat_optimum *optimum, double inverse[DIM][DIM]) {
    const size_t dim = problem->dim;
    if (largest(dim, optimum->gradient) <= problem->flat) return true;
    if (!(problem->gain > 0)) return false;
    double step[DIM];
    for (size_t i = 0; i < dim; i++) step[i] = dot(dim, inverse[i], optimum->gradient);
    return dot(dim, step, optimum->gradient) / 2 <= problem->gain;
}

void pat_optimize__maximize(const struct pat_problem *problem, struct pat_optimum *optimum, double guess[DIM][DIM]) {
    double inverse[DIM][DIM];
    bool fresh = guess == NULL; /* nothing learnt since the last start along the gradient */
    optimum->value = evaluate(problem, optimum, optimum->at, optimum->gradient);
    optimum->flat = false;
    if (!isfinite(optimum->value)) return;
    if (guess != NULL) memcpy(inverse, guess, sizeof inverse);
    for (unsigned i = 0; i < ITERATIONS_MAX; i++) {
        if (fresh) matrix_scaled_identity(inverse, FIRST_STEP / largest(problem->dim, optimum->gradient));
        optimum->flat = is_flat(problem, optimum, inverse);
        if (optimum->flat) return;
        optimum->iterations++;
        const bool moved = advance(problem, optimum, inverse, fresh);
        if (!moved && fresh) return;
        fresh = !moved;
    }
}

void pat_optimize__information(const struct pat_problem *problem, struct pat_optimum *optimum,
                               double information[DIM][DIM]) {
    const size_t dim = problem->dim;
    double above[DIM], below[DIM], at[DIM], second[DIM][DIM];
    for (size_t i = 0; i < dim; i++) {
        memcpy(at, optimum->at, sizeof at);
        at[i] = optimum->at[i] + DIFFERENCE;
        (void)evaluate(problem, optimum, at, above);
        at[i] = optimum->at[i] - DIFFERENCE;
        (void)evaluate(problem, optimum, at, below);
        for (size_t k = 0; k < dim; k++) second[i][k] = (below[k] - above[k]) / (2 * DIFFERENCE);
    }
    for (size_t i = 0; i < dim; i++) {
        for (size_t k = 0; k < dim; k++) information[i][k] = (second[i][k] + second[k][i]) / 2;
    }
}

/* Lower factor of a symmetric matrix; false when it is not positive definite, or so nearly not that its inverse would
 * be noise. */
static bool cholesky(size_t n, double matrix[DIM][DIM]) {
    for (size_t i = 0; i < n; i++) {
        const double before = matrix[i][i];
        for (size_t k = 0; k <= i; k++) {
            double sum = matrix[i][k];
            for (size_t j = 0; j < k; j++) sum -= matrix[i][j] * matrix[k][j];
            if (k < i) {
                matrix[i][k] = sum / matrix[k][k];
            } else if (!(sum > 1e-10 * before)) {
                return false;
            } else {
                matrix[i][i] = sqrt(sum);
            }
        }
    }
    return true;
}

static void solve_lower(size_t n, double lower[DIM][DIM], double *x) {
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) x[i] -= lower[i][k] * x[k];
        x[i] /= lower[i][i];
    }
}

bool pat_optimize__invert(size_t dim, double matrix[DIM][DIM], double inverse[DIM][DIM]) {
    double lower[DIM][DIM], column[DIM][DIM]; /* column[i] = lower^-1 e_i */
    memcpy(lower, matrix, sizeof lower);
    if (!cholesky(dim, lower)) return false;
    for (size_t i = 0; i < dim; i++) {
        for (size_t k = 0; k < dim; k++) column[i][k] = k == i;
        solve_lower(dim, lower, column[i]);
    }
    for (size_t i = 0; i < dim; i++) {
        for (size_t k = 0; k < dim; k++) inverse[i][k] = dot(dim, column[i], column[k]);
    }
    return true;
}

void pat_optimize__variances(size_t dim, double information[DIM][DIM], unsigned lost, const double *gradient,
                             double *variance, double *gain) {
    size_t kept[DIM], n = 0;
    double lower[DIM][DIM], x[DIM];
    *gain = NAN;
    for (size_t i = 0; i < dim; i++) {
        variance[i] = NAN;
        if ((lost >> i & 1) == 0) kept[n++] = i;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) lower[i][k] = information[kept[i]][kept[k]];
    }
    if (!cholesky(n, lower)) return;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) x[k] = k == i;
        solve_lower(n, lower, x);
        variance[kept[i]] = dot(n, x, x);
    }
    for (size_t i = 0; i < n; i++) x[i] = gradient[kept[i]];
    solve_lower(n, lower, x);
    *gain = dot(n, x, x) / 2;
}
