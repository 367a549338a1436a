#include "lib/probe.h"

#include "base/clock.h"
#include "base/mem.h"
#include "lib/options.h"
#include "lib/report.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define READ_BYTES_FULL  ((size_t)512 << 20)
#define READ_BYTES_SMOKE ((size_t)4 << 20)
#define READ_PASSES      4
#define LANES            16

struct reader {
    const uint64_t *words;
    size_t count;
    uint64_t sum; /* so that the reads are not for nothing */
};

static void *read_all(void *context) {
    struct reader *reader = context;
    uint64_t lane[LANES] = {0};
    for (size_t i = 0; i + LANES <= reader->count; i += LANES) {
        for (size_t k = 0; k < LANES; k++) lane[k] += reader->words[i + k];
    }
    for (size_t k = 0; k < LANES; k++) reader->sum += lane[k];
    return NULL;
}

static uint64_t pass_ns(struct reader *reader, unsigned threads) {
    pthread_t other;
    const uint64_t start = pat_clock_monotonic_ns();
    if (threads > 1) bench_must(pthread_create(&other, NULL, read_all, &reader[1]) == 0, "no thread");
    (void)read_all(&reader[0]);
    if (threads > 1) (void)pthread_join(other, NULL);
    return pat_clock_monotonic_ns() - start;
}

double bench_probe_read(unsigned threads, bool full) {
    const size_t bytes = full ? READ_BYTES_FULL : READ_BYTES_SMOKE;
    /* Not the accountant's: huge pages, as a floor should have them. */
    unsigned char *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bench_must(block != MAP_FAILED, "no memory for the bandwidth probe");
    (void)madvise(block, bytes, MADV_HUGEPAGE);
    memset(block, 1, bytes);
    const size_t words = bytes / sizeof(uint64_t) / threads;
    struct reader reader[2] = {{.words = (const uint64_t *)(void *)block, .count = words},
                               {.words = (const uint64_t *)(void *)block + words, .count = words}};
    uint64_t best = UINT64_MAX;
    for (int pass = 0; pass < READ_PASSES; pass++) {
        const uint64_t ns = pass_ns(reader, threads);
        if (ns < best) best = ns;
    }
    bench_must(reader[0].sum != 0, "the bandwidth probe read nothing");
    (void)munmap(block, bytes);
    return (double)bytes / ((double)best / 1e9);
}

#define SYNC_BYTES 4096u

static void write_whole(int fd, const unsigned char *data, size_t bytes, off_t offset) {
    while (bytes > 0) {
        const ssize_t wrote = pwrite(fd, data, bytes, offset);
        bench_must(wrote > 0, "the disk probe cannot write");
        data += wrote;
        bytes -= (size_t)wrote;
        offset += wrote;
    }
}

static double write_rate(int fd, const unsigned char *data, size_t bytes, unsigned times) {
    const uint64_t start = pat_clock_monotonic_ns();
    for (unsigned i = 0; i < times; i++) write_whole(fd, data, bytes, (off_t)(bytes * i));
    bench_must(fdatasync(fd) == 0, "the disk probe cannot sync");
    return (double)(bytes * times) / ((double)(pat_clock_monotonic_ns() - start) / 1e9);
}

/* A file of its own, and the median of 4 KiB in place and a sync. */
static int probe_open(const char *dir, char path[1100]) {
    (void)snprintf(path, 1100, "%s/probe", dir);
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bench_must(fd >= 0, "the disk probe cannot make its file");
    return fd;
}

static double sync_us(int fd, const unsigned char *data, bool full) {
    struct bench_samples samples = {.count = 0};
    for (unsigned i = 0; i < (full ? 200u : 5u); i++) {
        const uint64_t start = pat_clock_monotonic_ns();
        write_whole(fd, data, SYNC_BYTES, (off_t)(i * SYNC_BYTES));
        bench_must(fdatasync(fd) == 0, "the disk probe cannot sync");
        bench_samples_add(&samples, pat_clock_monotonic_ns() - start);
    }
    const double us = (double)bench_figures_of(&samples).median_ns / 1e3;
    bench_samples_free(&samples);
    return us;
}

double bench_probe_sync_us(const char *dir, bool full) {
    static const unsigned char data[SYNC_BYTES] = {7};
    char path[1100];
    const int fd = probe_open(dir, path);
    /* In place, as the journal writes. */
    for (unsigned i = 0; i < 200; i++) write_whole(fd, data, SYNC_BYTES, (off_t)(i * SYNC_BYTES));
    bench_must(fdatasync(fd) == 0, "the disk probe cannot sync");
    const double us = sync_us(fd, data, full);
    (void)close(fd);
    (void)unlink(path);
    return us;
}

struct bench_disk bench_probe_disk(const char *dir, bool full) {
    char path[1100];
    const int fd = probe_open(dir, path);
    const size_t bytes = (size_t)1 << 20;
    unsigned char *data = pat_mem_alloc(PAT_MEM_OTHER, bytes);
    bench_must(data != NULL, "no memory for the disk probe");
    memset(data, 7, bytes);
    struct bench_disk disk = {.write_bytes_per_s = write_rate(fd, data, bytes, full ? 512 : 4)};
    disk.sync_us = sync_us(fd, data, full);
    pat_mem_free(PAT_MEM_OTHER, data);
    (void)close(fd);
    (void)unlink(path);
    return disk;
}
