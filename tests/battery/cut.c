/* Stands between a program and its disk (LD_PRELOAD): at the n-th call that changes files the process dies, the file
 * system loses its power, or the call fails. Works on any program that reaches the system through libc.
 *
 * The file that BATTERY_CUT names is shared with whoever watches; it holds a struct cut, which may be written at any
 * time. A power cut is EXT4_IOC_SHUTDOWN on the directory that BATTERY_CUT_MOUNT names: ext4 forgets what it has not
 * written. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum cut_kind { CUT_WRITE = 1, CUT_SYNC = 2, CUT_NAME = 4, CUT_LENGTH = 8 };
enum cut_how { CUT_KILL = 1, CUT_POWER = 2, CUT_FAIL = 3 };
enum cut_when { CUT_BEFORE, CUT_AFTER, CUT_HALF };

/* tests/battery/cutting.py knows this layout: unsigned 64-bit words. */
struct cut {
    uint64_t calls;    /* made so far, of the kinds in `kinds` */
    uint64_t at;       /* the call that is meant; 0: none. CUT_FAIL: it and those after it, `times` in all */
    uint64_t how;      /* enum cut_how */
    uint64_t when;     /* enum cut_when; CUT_HALF: a write after half of its bytes, others after */
    uint64_t kinds;    /* set of enum cut_kind that count */
    uint64_t argument; /* CUT_POWER: flags of the ioctl; CUT_FAIL: errno */
    uint64_t times;    /* CUT_FAIL */
    uint64_t fired;    /* how often it happened */
};

#define EXT4_SHUTDOWN _IOR('X', 125, uint32_t)

static struct cut *shared;
static int mount_fd = -1;

__attribute__((constructor)) static void cut_open(void) {
    const char *path = getenv("BATTERY_CUT"), *mount = getenv("BATTERY_CUT_MOUNT");
    if (path == NULL) return;
    if (mount != NULL) mount_fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *memory = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (memory != MAP_FAILED) shared = memory;
}

static void end(void) {
    __atomic_add_fetch(&shared->fired, 1, __ATOMIC_SEQ_CST);
    if (shared->how == CUT_POWER) {
        uint32_t flags = (uint32_t)shared->argument;
        (void)ioctl(mount_fd, EXT4_SHUTDOWN, &flags);
    }
    (void)kill(getpid(), SIGKILL);
    for (;;) (void)pause();
}

/* What a call of this kind has to do: nothing (0), fail (an errno value), die before (-1) or after (-2), or after half
 * (-3). */
static int cut_turn(enum cut_kind kind) {
    if (shared == NULL || (shared->kinds & (uint64_t)kind) == 0) return 0;
    const uint64_t call = __atomic_add_fetch(&shared->calls, 1, __ATOMIC_SEQ_CST);
    const uint64_t at = shared->at;
    if (at == 0 || call < at) return 0;
    if (shared->how == CUT_FAIL) {
        if (call >= at + shared->times) return 0;
        __atomic_add_fetch(&shared->fired, 1, __ATOMIC_SEQ_CST);
        return (int)shared->argument;
    }
    if (call > at) return 0;
    return shared->when == CUT_BEFORE ? -1 : shared->when == CUT_AFTER ? -2 : -3;
}

/* Declares `next`, the function of this name that would have been called. POSIX lets dlsym's pointer be one to a
 * function. */
#define NEXT(function)                                                                                                 \
    __typeof__(function) *next;                                                                                        \
    void *const symbol = dlsym(RTLD_NEXT, #function);                                                                  \
    memcpy(&next, &symbol, sizeof next)

/* The call, or what takes its place. */
#define TAKE_TURN(kind, call)                                                                                          \
    const int turn = cut_turn(kind);                                                                                   \
    if (turn > 0) {                                                                                                    \
        errno = turn;                                                                                                  \
        return -1;                                                                                                     \
    }                                                                                                                  \
    if (turn == -1) end();                                                                                             \
    const int result = call;                                                                                           \
    if (turn < 0) end();                                                                                               \
    return result

typedef ssize_t pwrite_function(int, const void *, size_t, off_t);

static ssize_t cut_pwrite(pwrite_function *next, int fd, const void *data, size_t bytes, off_t offset) {
    const int turn = cut_turn(CUT_WRITE);
    if (turn > 0) {
        errno = turn;
        return -1;
    }
    if (turn == -1) end();
    const ssize_t result = next(fd, data, turn == -3 ? bytes / 2 : bytes, offset);
    if (turn < 0) end();
    return result;
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) {
    NEXT(pwrite);
    return cut_pwrite(next, fd, data, bytes, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off_t offset) {
    NEXT(pwrite64);
    return cut_pwrite(next, fd, data, bytes, offset);
}

int fdatasync(int fd) {
    NEXT(fdatasync);
    TAKE_TURN(CUT_SYNC, next(fd));
}

int fsync(int fd) {
    NEXT(fsync);
    TAKE_TURN(CUT_SYNC, next(fd));
}

int ftruncate(int fd, off_t length) {
    NEXT(ftruncate);
    TAKE_TURN(CUT_LENGTH, next(fd, length));
}

int ftruncate64(int fd, off_t length) {
    NEXT(ftruncate64);
    TAKE_TURN(CUT_LENGTH, next(fd, length));
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
    NEXT(fallocate);
    TAKE_TURN(CUT_LENGTH, next(fd, mode, offset, length));
}

int posix_fallocate(int fd, off_t offset, off_t length) {
    NEXT(posix_fallocate);
    const int turn = cut_turn(CUT_LENGTH);
    if (turn > 0) return turn;
    if (turn == -1) end();
    const int result = next(fd, offset, length);
    if (turn < 0) end();
    return result;
}

int renameat(int from_fd, const char *from, int to_fd, const char *to) {
    NEXT(renameat);
    TAKE_TURN(CUT_NAME, next(from_fd, from, to_fd, to));
}

int unlinkat(int fd, const char *name, int flags) {
    NEXT(unlinkat);
    TAKE_TURN(CUT_NAME, next(fd, name, flags));
}

int openat(int fd, const char *name, int flags, ...) {
    NEXT(openat);
    if ((flags & O_CREAT) == 0) return next(fd, name, flags);
    va_list args;
    va_start(args, flags);
    const mode_t mode = va_arg(args, mode_t);
    va_end(args);
    TAKE_TURN(CUT_NAME, next(fd, name, flags, mode));
}
