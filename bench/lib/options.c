#include "lib/options.h"

#include "kernel/kernel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Small enough for a debug build under a sanitizer, large enough for every cell of a grid to be somebody's. */
#define SMOKE_CUSTOMERS 2000u
#define SMOKE_ORDERS    UINT64_C(20000)
/* SPEED's M. */
#define FULL_CUSTOMERS 1000000u
#define FULL_ORDERS    UINT64_C(10000000)

static const char *const cpus[BENCH_CPUS_MAX] = {"scalar", "avx2", "avx512"};

void bench_die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)fputs("bench: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(EXIT_FAILURE);
}

void bench_must(bool good, const char *what) {
    if (!good) bench_die("%s", what);
}

static _Noreturn void usage(int status) {
    (void)fputs("usage: [--size smoke|full] [--customers N] [--orders N] [--seed N] [--workers N] [--repeats N]\n"
                "       [--cpu auto|scalar|avx2|avx512|all] [--sync always|interval|never] [--depth N]\n"
                "       [--patrond FILE] [--patron FILE] [--temp DIR]\n",
                status == 0 ? stdout : stderr);
    exit(status);
}

static uint64_t number(const char *text, uint64_t low, uint64_t high) {
    char *end;
    errno = 0;
    const uint64_t value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < low || value > high) usage(2);
    return value;
}

static void set_cpu(struct bench_options *out, const char *name) {
    out->cpus = 0;
    if (strcmp(name, "all") != 0) {
        if (pat_kernels_find(name) == NULL) bench_die("this processor cannot run --cpu %s", name);
        out->cpu[out->cpus++] = pat_kernels_find(name)->name;
        return;
    }
    for (unsigned i = 0; i < BENCH_CPUS_MAX; i++) {
        if (pat_kernels_find(cpus[i]) != NULL) out->cpu[out->cpus++] = cpus[i];
    }
}

/* The programs of the build that this one belongs to: BUILD/bench/bench_x, BUILD/patrond. */
static void find_program(char *out, size_t bytes, const char *name) {
    char self[900];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) return;
    self[length] = '\0';
    for (int level = 0; level < 2; level++) {
        char *slash = strrchr(self, '/');
        if (slash != NULL) *slash = '\0';
    }
    (void)snprintf(out, bytes, "%s/%s", self, name);
}

static void set(struct bench_options *out, const char *name, const char *value) {
    if (strcmp(name, "size") == 0) {
        if (strcmp(value, "smoke") != 0 && strcmp(value, "full") != 0) usage(2);
        out->full = strcmp(value, "full") == 0;
    } else if (strcmp(name, "customers") == 0) {
        out->customers = (uint32_t)number(value, 16, 1u << 30) / 16 * 16;
    } else if (strcmp(name, "orders") == 0) {
        out->orders = number(value, 1, UINT64_C(1) << 31);
    } else if (strcmp(name, "seed") == 0) {
        out->seed = number(value, 0, UINT64_MAX);
    } else if (strcmp(name, "workers") == 0) {
        out->workers = (unsigned)number(value, 0, 1024);
    } else if (strcmp(name, "repeats") == 0) {
        out->repeats = (unsigned)number(value, 1, 1000000);
    } else if (strcmp(name, "depth") == 0) {
        out->depth = (unsigned)number(value, 1, 1000000);
    } else if (strcmp(name, "cpu") == 0) {
        set_cpu(out, value);
    } else if (strcmp(name, "patrond") == 0) {
        (void)snprintf(out->patrond, sizeof out->patrond, "%s", value);
    } else if (strcmp(name, "patron") == 0) {
        (void)snprintf(out->patron, sizeof out->patron, "%s", value);
    } else if (strcmp(name, "sync") == 0) {
        out->sync = value; /* the server says whether there is such a thing */
    } else if (strcmp(name, "temp") == 0) {
        out->temp = value;
    } else {
        usage(2);
    }
}

void bench_options_read(struct bench_options *out, int argc, char **argv) {
    const char *temp = getenv("TMPDIR");
    *out = (struct bench_options){.seed = 42, .sync = "always", .temp = temp != NULL ? temp : "/tmp"};
    find_program(out->patrond, sizeof out->patrond, "patrond");
    find_program(out->patron, sizeof out->patron, "patron");
    for (int i = 1; i < argc; i++) {
        char name[32];
        if (strcmp(argv[i], "--help") == 0) usage(0);
        const size_t length = strcspn(argv[i], "=");
        if (strncmp(argv[i], "--", 2) != 0 || length - 2 >= sizeof name) usage(2);
        (void)snprintf(name, sizeof name, "%.*s", (int)(length - 2), argv[i] + 2);
        const char *value = argv[i][length] == '=' ? argv[i] + length + 1 : argv[++i];
        if (value == NULL) usage(2);
        set(out, name, value);
    }
    if (out->customers == 0) out->customers = out->full ? FULL_CUSTOMERS : SMOKE_CUSTOMERS;
    if (out->orders == 0) out->orders = out->full ? FULL_ORDERS : SMOKE_ORDERS;
    if (out->cpus == 0) set_cpu(out, out->full ? "auto" : "all");
}
