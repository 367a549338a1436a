#include "kernel/kernel.h"

#include <stdbool.h>
#include <string.h>

static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi") != 0 &&
           __builtin_cpu_supports("bmi2") != 0 && __builtin_cpu_supports("popcnt") != 0;
}

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
           __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512dq") != 0;
}

const struct pat_kernels *pat_kernels_find(const char *name) {
    const bool any = strcmp(name, "auto") == 0;
    __builtin_cpu_init();
    if ((any || strcmp(name, "avx512") == 0) && has_avx512()) return &pat_kernels_avx512;
    if ((any || strcmp(name, "avx2") == 0) && has_avx2()) return &pat_kernels_avx2;
    if (any || strcmp(name, "scalar") == 0) return &pat_kernels_scalar;
    return NULL;
}
