/* Means over a Beta(a, b) variable. */
#ifndef PAT_LIFETIME_QUADRATURE_PRIVATE_H
#define PAT_LIFETIME_QUADRATURE_PRIVATE_H

#include <stddef.h>

/* Most nodes a rule may have: its work arrays live on the stack. */
#define PAT_BETA_NODES_MAX 64u

/* Gauss-Jacobi: sum of share[i] * f(node[i]) is E f(p), exactly for polynomials up to degree 2 count - 1. Nodes lie in
 * (0, 1), shares sum to 1. From the three-term recurrence by the QL method (Golub, Welsch 1969). */
void pat_beta__rule(double a, double b, size_t count, double *node, double *share);

/* E f(p) by the trapezoid rule in the log-odds of p: slower (a few hundred calls), but indifferent to how near to 0 the
 * function turns, and to how small or large a and b are. f must be positive and fall with p. */
double pat_beta__mean(double a, double b, double (*f_cb)(const void *context, double p), const void *context);

/* The most nodes of the rule below: between p = PAT_BETA_LEAST and the p that rounds to 1 there is no room for more. */
#define PAT_BETA_LONG_MAX 1024u
/* Functions here no longer change below: 1e-280 times any time is still a normal number. */
#define PAT_BETA_LEAST 1e-280

/* The same as a rule; nodes below PAT_BETA_LEAST, and those at 1, are one each. Filled up to a multiple of 8 with
 * shares of 0; gives how many there are. */
size_t pat_beta__nodes(double a, double b, double node[PAT_BETA_LONG_MAX], double share[PAT_BETA_LONG_MAX]);

#endif
