/* Processes and directories of a bench: a patrond of its own on a free port of the loopback. What is left at exit is
 * ended and removed; a server dies with its bench. */
#ifndef PAT_BENCH_SERVER_H
#define PAT_BENCH_SERVER_H

#include "lib/options.h"

#include <stdint.h>
#include <sys/types.h>

struct bench_dir {
    char path[512];
};
/* A new one below options->temp. */
void bench_dir_open(struct bench_dir *out, const struct bench_options *options);
/* Removes it with everything in it. */
void bench_dir_close(struct bench_dir *dir);
/* Bytes of the files in it. */
uint64_t bench_dir_bytes(const char *path);

struct bench_server {
    pid_t pid; /* 0: not running */
    char address[128];
};
/* Runs patrond on DIR/data with --sync always and waits until it can answer. */
void bench_server_start(struct bench_server *out, const struct bench_dir *dir, const struct bench_options *options,
                        const char *cpu);
/* SIGTERM: a clean stop with a snapshot. Dies when the server does not exit with 0. */
void bench_server_stop(struct bench_server *server);
/* SIGKILL: nothing more is written. */
void bench_server_kill(struct bench_server *server);
/* Memory that it has now, and the most that it had since the start or the last call of bench_server_peak_reset. */
uint64_t bench_server_rss(const struct bench_server *server);
uint64_t bench_server_peak(const struct bench_server *server);
void bench_server_peak_reset(const struct bench_server *server);

/* Processor time of the server and of this process. On a machine with others at work it says more than a clock does. */
struct bench_cpu {
    uint64_t server_ns, client_ns;
};
struct bench_cpu bench_cpu_now(const struct bench_server *server);
/* Adds what was spent since `from`. */
void bench_cpu_add(struct bench_cpu *spent, const struct bench_server *server, struct bench_cpu from);

/* Runs a program to its end, its output thrown away; dies when it does not exit with 0. */
void bench_run(const char *const argv[]);

#endif
