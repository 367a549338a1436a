#include "lifetime/quadrature_private.h"

#include "base/status.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/* QL needs two or three turns for an eigenvalue; this only makes sure that it ends. */
#define QL_TURNS_MAX 60u
/* Log-odds are straight up to here and grow exponentially beyond: functions turn somewhere within, tails lie outside.
 */
#define STRAIGHT 24.0
/* Steps within the straight part. A function analytic for |Im log-odds| < pi/2 is off by exp(-pi^2 / step). */
#define STEP_MAX 0.2
/* Beyond exp(-70) of the peak nothing can matter: a function may be 1e20 times larger there than at the peak. */
#define TAIL 70.0

/* Recurrence of the polynomials orthogonal under Beta(a, b) on (0, 1), written without differences of near numbers:
 * diagonal and the squares of the off-diagonal of the symmetric matrix whose eigenvalues are the nodes. */
static void recurrence(double a, double b, size_t count, double *diagonal, double *off) {
    const double A = b - 1, B = a - 1, c = a + b - 2;
    diagonal[0] = a / (a + b);
    for (size_t i = 1; i < count; i++) {
        const double n = (double)i, m = 2 * n + c;
        diagonal[i] = (2 * n * (n + 1 + c) + c * a) / (m * (m + 2));
        off[i - 1] = i == 1 ? a * b / ((a + b) * (a + b) * (a + b + 1))
                            : n * (n + A) * (n + B) * (n + c) / (m * m * (m + 1) * (m - 1));
    }
}

/* One implicit QL step on rows first..last (EISPACK imtql2), carrying the first components of the eigenvectors. */
static void ql_step(size_t first, size_t last, double *d, double *e, double *z) {
    double g = (d[first + 1] - d[first]) / (2 * e[first]), r = hypot(g, 1), s = 1, c = 1, p = 0;
    g = d[last] - d[first] + e[first] / (g + copysign(r, g));
    for (size_t i = last; i-- > first;) {
        const double f = s * e[i], h = c * e[i];
        r = hypot(f, g);
        e[i + 1] = r;
        if (r == 0) {
            d[i + 1] -= p;
            e[last] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * h;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - h;
        const double next = z[i + 1];
        z[i + 1] = s * z[i] + c * next;
        z[i] = c * z[i] - s * next;
    }
    d[first] -= p;
    e[first] = g;
    e[last] = 0;
}

/* The last row of the block that begins at `first` and is not yet split by a vanishing off-diagonal. */
static size_t block_end(size_t first, size_t count, const double *d, const double *e) {
    size_t last = first;
    while (last + 1 < count && fabs(e[last]) > DBL_EPSILON * (fabs(d[last]) + fabs(d[last + 1]))) last++;
    return last;
}

void pat_beta__rule(double a, double b, size_t count, double *node, double *share) {
    double off[PAT_BETA_NODES_MAX] = {0};
    PAT_ASSERT(count > 0 && count <= PAT_BETA_NODES_MAX);
    recurrence(a, b, count, node, off);
    for (size_t i = 0; i < count; i++) {
        off[i] = sqrt(off[i]);
        share[i] = i == 0;
    }
    for (size_t first = 0; first < count; first++) {
        for (unsigned turn = 0; turn < QL_TURNS_MAX; turn++) {
            const size_t last = block_end(first, count, node, off);
            if (last == first) break;
            ql_step(first, last, node, off, share);
        }
    }
    for (size_t i = 0; i < count; i++) share[i] *= share[i];
}

struct log_odds {
    double p;          /* exp(y) / (1 + exp(y)) */
    double log_weight; /* a log p + b log(1 - p) */
};

static struct log_odds at_log_odds(double a, double b, double y) {
    const double e = exp(-fabs(y)), l = log1p(e);
    const double log_p = y < 0 ? y - l : -l, log_q = y < 0 ? -l : -y - l;
    return (struct log_odds){.p = y < 0 ? e / (1 + e) : 1 / (1 + e), .log_weight = a * log_p + b * log_q};
}

/* Where the trapezoid stands: the middle, then one side, then the other. */
struct walk {
    double a, b, centre, step;
    struct log_odds peak;
    int side;
    double i;
};

static struct walk walk_begin(double a, double b) {
    const double spread = 0.5 * sqrt(1 / a + 1 / b), centre = log(a) - log(b);
    return (struct walk){.a = a,
                         .b = b,
                         .centre = centre,
                         .step = (spread < STEP_MAX ? spread : STEP_MAX) / STRAIGHT,
                         .peak = at_log_odds(a, b, centre),
                         .side = -1};
}

/* The next node and its weight against the middle's; false behind the last one. */
static bool walk_on(struct walk *walk, double *p, double *weight) {
    for (; walk->side <= 1; walk->side += 2, walk->i = 0) {
        walk->i++;
        const struct log_odds here =
            at_log_odds(walk->a, walk->b, walk->centre + walk->side * STRAIGHT * sinh(walk->i * walk->step));
        const double fall = here.log_weight - walk->peak.log_weight;
        if (!(fall > -TAIL)) continue;
        *p = here.p;
        *weight = cosh(walk->i * walk->step) * exp(fall);
        return true;
    }
    return false;
}

double pat_beta__mean(double a, double b, double (*f_cb)(const void *context, double p), const void *context) {
    struct walk walk = walk_begin(a, b);
    double weight = 1, sum = f_cb(context, walk.peak.p), p, w;
    while (walk_on(&walk, &p, &w)) {
        weight += w;
        sum += w * f_cb(context, p);
    }
    return sum / weight;
}

size_t pat_beta__nodes(double a, double b, double node[PAT_BETA_LONG_MAX], double share[PAT_BETA_LONG_MAX]) {
    struct walk walk = walk_begin(a, b);
    double weight = 0, p = walk.peak.p, w = 1;
    size_t count = 0;
    do {
        p = fmax(p, PAT_BETA_LEAST);
        weight += w;
        if (count > 0 && node[count - 1] == p) {
            share[count - 1] += w;
            continue;
        }
        PAT_ASSERT(count < PAT_BETA_LONG_MAX - 8);
        node[count] = p;
        share[count++] = w;
    } while (walk_on(&walk, &p, &w));
    for (size_t i = 0; i < count; i++) share[i] /= weight;
    for (; count % 8 != 0; count++) {
        node[count] = 1;
        share[count] = 0;
    }
    return count;
}
