/* Special functions of this room, each good to about 1e-14 where its comment says. Pure. */
#ifndef PAT_LIFETIME_SPECIAL_PRIVATE_H
#define PAT_LIFETIME_SPECIAL_PRIVATE_H

#include <stddef.h>

/* log Gamma(z + d) - log Gamma(z), z > 0, d >= 0: exact in the relative sense also where z is huge and the two
 * logarithms would swallow their difference. The C library's lgamma is not used: it has a global for the sign. */
double pat_special__lgamma_diff(double z, double d);
/* digamma(z + d) - digamma(z), likewise. */
double pat_special__digamma_diff(double z, double d);
/* log Gamma(z), z > 0. */
double pat_special__lgamma(double z);
/* log(1 + exp(u)) without overflow; *share (exp(u) / (1 + exp(u))) comes along. */
double pat_special__softplus(double u, double *share);
/* Regularized incomplete beta function I_z(a, b), 0 <= z <= 1, a and b > 0. */
double pat_special__beta_share(double z, double a, double b);
/* exp(z) E_nu(z) = int_0^inf exp(-z v) (1 + v)^-nu dv, z > 0, nu > 1. node and share are the rule for Beta(1, 1) with
 * `nodes` >= 32 nodes. */
double pat_special__expint(double nu, double z, const double *node, const double *share, size_t nodes);

#endif
