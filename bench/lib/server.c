#include "lib/server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DIRS_MAX        4u
#define FTW_DESCRIPTORS 16

static struct bench_dir left[DIRS_MAX];

/* ---- directories --------------------------------------------------------------------------------------------------
 */

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static void remove_left(void) {
    for (unsigned i = 0; i < DIRS_MAX; i++) {
        if (left[i].path[0] != '\0') (void)nftw(left[i].path, remove_one, FTW_DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
    }
}

void bench_dir_open(struct bench_dir *out, const struct bench_options *options) {
    static bool registered;
    if (!registered && atexit(remove_left) == 0) registered = true;
    (void)snprintf(out->path, sizeof out->path, "%s/patron-bench-XXXXXX", options->temp);
    if (mkdtemp(out->path) == NULL) bench_die("no directory below %s: %s", options->temp, strerror(errno));
    for (unsigned i = 0; i < DIRS_MAX; i++) {
        if (left[i].path[0] != '\0') continue;
        left[i] = *out;
        return;
    }
    bench_die("more than %u directories at once", DIRS_MAX);
}

void bench_dir_close(struct bench_dir *dir) {
    (void)nftw(dir->path, remove_one, FTW_DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
    for (unsigned i = 0; i < DIRS_MAX; i++) {
        if (strcmp(left[i].path, dir->path) == 0) left[i].path[0] = '\0';
    }
    dir->path[0] = '\0';
}

uint64_t bench_dir_bytes(const char *path) {
    uint64_t bytes = 0;
    DIR *dir = opendir(path);
    if (dir == NULL) bench_die("cannot read %s: %s", path, strerror(errno));
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        struct stat info;
        if (fstatat(dirfd(dir), entry->d_name, &info, 0) == 0 && S_ISREG(info.st_mode)) bytes += (uint64_t)info.st_size;
    }
    (void)closedir(dir);
    return bytes;
}

/* ---- processes ----------------------------------------------------------------------------------------------------
 */

/* The child: dies with its parent, talks to nobody but through fd `out`. */
static _Noreturn void exec_child(const char *const argv[], int out) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nothing = open("/dev/null", O_RDWR);
    (void)dup2(nothing, STDIN_FILENO);
    (void)dup2(out >= 0 ? out : nothing, STDOUT_FILENO);
    (void)execv(argv[0], (char *const *)(uintptr_t)argv);
    (void)fprintf(stderr, "bench: cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static int wait_for(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) bench_die("waiting for a process: %s", strerror(errno));
    }
    return status;
}

/* Reads "patrond VERSION ready on ADDRESS\n". */
static void read_ready(struct bench_server *server, int fd) {
    char line[256] = "";
    size_t length = 0;
    while (length + 1 < sizeof line && strchr(line, '\n') == NULL) {
        const ssize_t got = read(fd, line + length, sizeof line - 1 - length);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) bench_die("the server ended before it was ready");
        length += (size_t)got;
    }
    if (sscanf(line, "patrond %*s ready on %127s", server->address) != 1) bench_die("the server said: %s", line);
}

void bench_server_start(struct bench_server *out, const struct bench_dir *dir, const struct bench_options *options,
                        const char *cpu) {
    char data[600], workers[16];
    (void)snprintf(data, sizeof data, "%s/data", dir->path);
    (void)snprintf(workers, sizeof workers, "%u", options->workers);
    const char *argv[24] = {options->patrond,
                            "--data",
                            data,
                            "--listen",
                            "127.0.0.1:0",
                            "--sync",
                            options->sync,
                            "--timezone",
                            "UTC",
                            "--base-currency",
                            "USD",
                            "--log-level",
                            "error",
                            "--cpu",
                            cpu,
                            "--snapshot-every",
                            "0"};
    if (options->workers > 0) {
        argv[17] = "--workers";
        argv[18] = workers;
    }
    int pipe_fd[2];
    if (pipe2(pipe_fd, O_CLOEXEC) != 0) bench_die("no pipe: %s", strerror(errno));
    out->pid = fork();
    if (out->pid < 0) bench_die("cannot fork: %s", strerror(errno));
    if (out->pid == 0) exec_child(argv, pipe_fd[1]);
    (void)close(pipe_fd[1]);
    read_ready(out, pipe_fd[0]);
    (void)close(pipe_fd[0]);
}

void bench_server_stop(struct bench_server *server) {
    (void)kill(server->pid, SIGTERM);
    const int status = wait_for(server->pid);
    server->pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) bench_die("the server did not stop with 0");
}

void bench_server_kill(struct bench_server *server) {
    (void)kill(server->pid, SIGKILL);
    (void)wait_for(server->pid);
    server->pid = 0;
}

static uint64_t status_bytes(const struct bench_server *server, const char *name) {
    char path[64], line[256];
    unsigned long long kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)server->pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) bench_die("cannot read %s", path);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) kib = strtoull(line + strlen(name), NULL, 10);
    }
    (void)fclose(file);
    return (uint64_t)kib * 1024;
}

uint64_t bench_server_rss(const struct bench_server *server) {
    return status_bytes(server, "VmRSS:");
}

uint64_t bench_server_peak(const struct bench_server *server) {
    return status_bytes(server, "VmHWM:");
}

void bench_server_peak_reset(const struct bench_server *server) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%ld/clear_refs", (long)server->pid);
    FILE *file = fopen(path, "we");
    if (file == NULL) bench_die("cannot write %s", path);
    (void)fputs("5", file);
    (void)fclose(file);
}

void bench_run(const char *const argv[]) {
    const pid_t pid = fork();
    if (pid < 0) bench_die("cannot fork: %s", strerror(errno));
    if (pid == 0) exec_child(argv, -1);
    const int status = wait_for(pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) bench_die("%s did not exit with 0", argv[0]);
}

/* ---- processor time -----------------------------------------------------------------------------------------------
 */

static uint64_t cpu_ns(clockid_t clock) {
    struct timespec now;
    bench_must(clock_gettime(clock, &now) == 0, "there is no clock of processor time");
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

struct bench_cpu bench_cpu_now(const struct bench_server *server) {
    clockid_t clock;
    bench_must(clock_getcpuclockid(server->pid, &clock) == 0, "there is no clock of the server's processor time");
    return (struct bench_cpu){cpu_ns(clock), cpu_ns(CLOCK_PROCESS_CPUTIME_ID)};
}

void bench_cpu_add(struct bench_cpu *spent, const struct bench_server *server, struct bench_cpu from) {
    const struct bench_cpu now = bench_cpu_now(server);
    spent->server_ns += now.server_ns - from.server_ns;
    spent->client_ns += now.client_ns - from.client_ns;
}
