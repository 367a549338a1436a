/* How lines leave. Where standard error takes them at once, as a file and a terminal do and a pipe that is read, the
 * thread that logs writes them itself, so that nothing is lost with a process that is killed. Where it does not, they
 * wait in a ring, and a thread of ours waits for the reader: nobody who logs ever does.
 *
 *   pat_log ──► standard error, when nothing waits and it has room
 *        └────► ring ──► block ──► standard error, by the writer's thread
 *
 * When the ring is full lines are dropped and counted, until half of it is free; then a line says how many. */
#include "base/log.h"
#include "base/log_private.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Some two thousand lines: what comes in while a reader of the log is restarted. */
#define RING_BYTES ((size_t)256 << 10)
/* How long the thread waits for the reader before it looks whether it is to stop. */
#define WAIT_MS 100
/* What waits at the end has so long to be written. */
#define STOP_NS UINT64_C(1000000000)

enum way {
    WAY_PLAIN,  /* write(2), as for a file: it takes what it is given */
    WAY_SOCKET, /* send(2) that does not wait */
    WAY_PIPE,   /* write(2) on a description of our own, which does not wait; terminals, too */
    WAY_ASKING, /* there is none to be had: write(2) after poll(2), which another process may make wait */
};

static struct {
    pthread_mutex_t mutex; /* all below; held while something is written, which never waits but for a file */
    pthread_cond_t came;
    pthread_t thread;
    bool running, stopping;
    uint64_t stop_ns; /* when stopping: the thread ends then */
    enum way way;
    int fd;
    char ring[RING_BYTES];
    size_t first, used;
    char block[PIPE_BUF]; /* whole lines on their way, of which `block_at` bytes are written */
    size_t block_at, block_used;
    uint64_t dropped;
} writer = {.mutex = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER, .fd = STDERR_FILENO};

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static bool has_room(int fd) {
    struct pollfd polled = {.fd = fd, .events = POLLOUT};
    return poll(&polled, 1, 0) == 1;
}

static ssize_t try_write(const char *data, size_t length) {
    ssize_t written;
    do {
        if (writer.way == WAY_ASKING && !has_room(writer.fd)) {
            errno = EAGAIN;
            return -1;
        }
        written = writer.way == WAY_SOCKET ? send(writer.fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL)
                                           : write(writer.fd, data, length);
    } while (written < 0 && errno == EINTR);
    return written;
}

/* Bytes of `data` that are done with: all but those that standard error has no room for now. A log that cannot be
 * written has nowhere to say so. */
static size_t write_some(const char *data, size_t length) {
    size_t done = 0;
    while (done < length) {
        const ssize_t written = try_write(data + done, length - done);
        if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
        if (written <= 0) return length;
        done += (size_t)written;
    }
    return done;
}

/* ---- the ring ---------------------------------------------------------------------------------------------------- */

static bool something_waits(void) {
    return writer.used > 0 || writer.block_at < writer.block_used;
}

static void ring_push(const char *data, size_t length) {
    const size_t end = (writer.first + writer.used) % RING_BYTES;
    const size_t straight = RING_BYTES - end < length ? RING_BYTES - end : length;
    memcpy(writer.ring + end, data, straight);
    memcpy(writer.ring, data + straight, length - straight);
    writer.used += length;
}

/* As many whole lines as fit the block. */
static void block_fill(void) {
    size_t taken = 0;
    for (size_t i = 0; i < writer.used && i < sizeof writer.block; i++) {
        writer.block[i] = writer.ring[(writer.first + i) % RING_BYTES];
        if (writer.block[i] == '\n') taken = i + 1;
    }
    writer.first = (writer.first + taken) % RING_BYTES;
    writer.used -= taken;
    writer.block_used = taken;
    writer.block_at = 0;
}

/* Where they were dropped, before anything else comes. */
static void say_dropped(void) {
    char line[PAT_LOG_LINE_BYTES];
    if (writer.dropped == 0 || writer.used > RING_BYTES / 2) return;
    ring_push(line, pat_log__dropped(line, writer.dropped));
    writer.dropped = 0;
}

static void keep(const char *data, size_t length) {
    say_dropped();
    if (writer.dropped > 0 || writer.used + length > RING_BYTES) {
        writer.dropped++;
        return;
    }
    ring_push(data, length);
    (void)pthread_cond_signal(&writer.came);
}

void pat_log__put(const char *line, size_t length) {
    (void)pthread_mutex_lock(&writer.mutex);
    const size_t done = something_waits() ? 0 : write_some(line, length);
    if (done < length && writer.running) keep(line + done, length - done);
    (void)pthread_mutex_unlock(&writer.mutex);
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

/* Holds no lock meanwhile. */
static void wait_for_reader(void) {
    struct pollfd polled = {.fd = writer.fd, .events = POLLOUT};
    (void)pthread_mutex_unlock(&writer.mutex);
    (void)poll(&polled, 1, WAIT_MS);
    (void)pthread_mutex_lock(&writer.mutex);
}

static void write_what_waits(void) {
    if (writer.block_at == writer.block_used) block_fill();
    writer.block_at += write_some(writer.block + writer.block_at, writer.block_used - writer.block_at);
    say_dropped();
    if (writer.block_at < writer.block_used) wait_for_reader();
}

static void *writer_run(void *unused) {
    (void)pthread_mutex_lock(&writer.mutex);
    for (;;) {
        if (something_waits()) {
            if (writer.stopping && pat_clock_monotonic_ns() >= writer.stop_ns) break;
            write_what_waits();
        } else if (writer.stopping) {
            break;
        } else {
            (void)pthread_cond_wait(&writer.came, &writer.mutex);
        }
    }
    (void)pthread_mutex_unlock(&writer.mutex);
    return unused;
}

/* Whoever gave us standard error may use the same description: that it does not wait is ours alone, on one of our own.
 */
static void find_way(void) {
    struct stat status;
    writer.way = WAY_PLAIN;
    writer.fd = STDERR_FILENO;
    if (fstat(STDERR_FILENO, &status) != 0 || S_ISREG(status.st_mode)) return;
    if (S_ISSOCK(status.st_mode)) {
        writer.way = WAY_SOCKET;
        return;
    }
    const int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    writer.way = fd >= 0 ? WAY_PIPE : WAY_ASKING;
    if (fd >= 0) writer.fd = fd;
}

static void leave_way(void) {
    if (writer.way == WAY_PIPE) (void)close(writer.fd);
    writer.way = WAY_PLAIN;
    writer.fd = STDERR_FILENO;
}

bool pat_log_start(void) {
    sigset_t all, before;
    (void)pthread_mutex_lock(&writer.mutex);
    find_way();
    writer.stopping = false;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    writer.running = writer.way != WAY_PLAIN && pthread_create(&writer.thread, NULL, writer_run, NULL) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    const bool good = writer.running || writer.way == WAY_PLAIN;
    if (!writer.running) leave_way();
    (void)pthread_mutex_unlock(&writer.mutex);
    return good;
}

void pat_log_stop(void) {
    (void)pthread_mutex_lock(&writer.mutex);
    const bool running = writer.running;
    writer.stopping = true;
    writer.stop_ns = pat_clock_monotonic_ns() + STOP_NS;
    (void)pthread_cond_signal(&writer.came);
    (void)pthread_mutex_unlock(&writer.mutex);
    if (!running) return;
    (void)pthread_join(writer.thread, NULL);
    (void)pthread_mutex_lock(&writer.mutex);
    /* What the reader did not take is gone; lines to come are written as before the start. */
    writer.running = false;
    writer.used = writer.block_used = writer.block_at = 0;
    writer.dropped = 0;
    leave_way();
    (void)pthread_mutex_unlock(&writer.mutex);
}
