/* patrond: the server's command line. */
#include "access/tls.h"
#include "base/heap_ahead.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/status.h"
#include "net/address.h"
#include "net/net.h"
#include "net/options.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXIT_WRONG_COMMAND_LINE 2

static void say_ready(void *context, const char *addresses) {
    (void)context;
    (void)printf("patrond %s ready on %s\n", PATRON_VERSION, addresses);
    (void)fflush(stdout);
}

static int fail(const struct pat_error *error) {
    (void)fprintf(stderr, "%s: %s\n", pat_status_code(error->status), error->message);
    return EXIT_FAILURE;
}

/* Connections need descriptors; the soft limit is for programs that use select(2). */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) pat_log(PAT_LOG_WARN, "descriptor-limit", "raised=no");
}

/* Batches come and go in blocks of half a megabyte to several. malloc would fetch each from the system and give it
 * back, and clearing fresh pages would cost more than what is written there; so blocks up to its greatest threshold
 * come from its heap, which keeps a few batches' worth. What it keeps is on no account: where memory is short it keeps
 * nothing.
 *
 * One heap for all threads: only the one that grows at the end of the program's data gets huge pages, those of threads
 * grow by small ones, and a load of 10 M orders waited for 58,000 faults instead of 17,000. Threads take blocks of many
 * KiB and seldom, so that they do not wait for each other. */
#define MALLOC_MAP_BYTES  (32 << 20)
#define MALLOC_KEPT_BYTES (64 << 20)

/* Whoever set the limit: in a small container nobody has to. */
static bool memory_is_short(const struct pat_options *options) {
    return pat_options_memory_is_short(options, pat_machine_memory());
}

static void tune_malloc_ample(void) {
    (void)mallopt(M_MMAP_THRESHOLD, MALLOC_MAP_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, MALLOC_KEPT_BYTES);
}

/* Large blocks straight from the system, which has them back at once; what small ones left of the heap stays up to a
 * megabyte, for an answer of many rows takes half of one and gives it back on the loop's thread. */
#define MALLOC_SHORT_MAP_BYTES  (64 << 10)
#define MALLOC_SHORT_KEPT_BYTES (1 << 20)

static void tune_malloc_short(void) {
    (void)mallopt(M_MMAP_THRESHOLD, MALLOC_SHORT_MAP_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, MALLOC_SHORT_KEPT_BYTES);
}

static void tune_malloc(const struct pat_options *options) {
    (void)mallopt(M_ARENA_MAX, 1);
    memory_is_short(options) ? tune_malloc_short() : tune_malloc_ample();
}

/* Columns grow by megabytes a batch, and where a page fault is dear (5 us each in some virtual machines) taking them in
 * pages of 4 KiB costs as much as a tenth of a load. glibc asks for huge pages when told so by its environment, which
 * it reads before main: so that is set, and the program begun once more, as the same process. Whoever sets the variable
 * decides for himself. */
#define MALLOC_TUNABLES "GLIBC_TUNABLES"

static void take_huge_pages(char **argv) {
    char path[4096]; /* by its own name, so that ps and pkill know it */
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = '\0';
    if (getenv(MALLOC_TUNABLES) != NULL || setenv(MALLOC_TUNABLES, "glibc.malloc.hugetlb=1", 0) != 0) return;
    (void)execv(path, argv); /* comes back only where it cannot be done: small pages do as well */
}

struct command_line {
    int argc;
    char **argv;
};

static enum pat_status reread(void *context, struct pat_options *out, struct pat_error *error) {
    const struct command_line *line = context;
    return pat_options_parse(out, line->argc, line->argv, error);
}

static int serve(const struct pat_options *options, struct command_line *line) {
    struct pat_error error;
    struct pat_address address[PAT_OPTIONS_LISTEN_MAX];
    for (unsigned i = 0; i < options->listens; i++) {
        if (pat_address_parse(&address[i], options->listen[i], &error) != PAT_OK ||
            pat_address_allow(&address[i], options->tls_cert != NULL, options->users != NULL, &error) != PAT_OK)
            return fail(&error);
    }
    const struct pat_server_options server = {
        .listen = address,
        .given = options,
        .engine = {.data_dir = options->data,
                   .zone = options->timezone,
                   .base_currency = options->base_currency,
                   .sync = options->sync,
                   .cpu = options->cpu,
                   .snapshot_every_ms = options->snapshot_every_ms,
                   .verify_every_ms = options->verify_every_ms,
                   .salvage = options->salvage,
                   .version = PATRON_VERSION},
        .reread_cb = reread,
        .reread_context = line,
        .ready_cb = say_ready,
    };
    if (!pat_log_start()) pat_log(PAT_LOG_WARN, "log-thread", "started=no");
    const enum pat_status status = pat_server_run(&server, &error);
    pat_log_stop();
    return status == PAT_OK ? EXIT_SUCCESS : fail(&error);
}

int main(int argc, char **argv) {
    struct pat_error error;
    const bool accounted = pat_tls_account();
    struct pat_options options;
    if (pat_options_parse(&options, argc, argv, &error) != PAT_OK) {
        (void)fprintf(stderr, "patrond: %s (patrond --help lists the options)\n", error.message);
        return EXIT_WRONG_COMMAND_LINE;
    }
    if (options.help) {
        (void)fputs(pat_options_help, stdout);
        return EXIT_SUCCESS;
    }
    if (options.version) {
        (void)printf("patrond %s\n", PATRON_VERSION);
        return EXIT_SUCCESS;
    }
    if (!memory_is_short(&options)) take_huge_pages(argv);
    pat_log_set_level(options.log_level);
    pat_log_set_format(options.log_format);
    if (!accounted) pat_log(PAT_LOG_WARN, "tls-memory", "accounted=no");
    /* A client that closes early is an error of that write, not the end of the server. */
    (void)signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    tune_malloc(&options);
    if (!memory_is_short(&options)) pat_heap_ahead_start();
    struct command_line line = {argc, argv};
    const int code = serve(&options, &line);
    pat_heap_ahead_stop();
    return code;
}
