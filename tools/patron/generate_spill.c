#include "generate_spill.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Events of one bucket: three such are in memory at a time, two of them beside their sorted copies: 60 MB. */
#define BUCKET_EVENTS (UINT32_C(512) << 10)
#define BUCKETS_MAX   2048u
/* A thread's buffer for a bucket: large enough that a disk likes it. */
#define BUFFER_EVENTS 1365u
#define BUFFER_BYTES  (BUFFER_EVENTS * sizeof(struct pat_gen_event))
/* The latest that anything follows its purchase. */
#define SECONDS_AFTER (PAT_GEN_DAYS_AFTER * UINT64_C(86400))

struct extent {
    uint32_t bucket;
    uint32_t next;  /* of the same bucket: place + 1 */
    uint64_t place; /* in the file, in buffers */
};

struct buffer {
    uint32_t events;
    struct pat_gen_event *event; /* NULL until the first */
};

struct pat_gen_spill {
    /* set at start */
    const struct pat_gen_world *world;
    const char *directory;
    unsigned threads, buckets;
    uint16_t bucket_of[PAT_GEN_SPILL_BINS];
    struct buffer *buffer; /* [threads * buckets]; each thread its own */
    /* under lock */
    pthread_mutex_t lock;
    int fd; /* -1 until something is written */
    struct extent *extent;
    uint32_t extents, extent_capacity;
    uint32_t *head; /* [buckets] place + 1 in extent */
    uint64_t *full; /* [buckets] full buffers written */
};

uint32_t pat_gen_spill_bin(const struct pat_gen_world *world, uint32_t arrival) {
    const uint64_t span = world->days * UINT64_C(86400) + SECONDS_AFTER;
    return (uint32_t)(arrival * (uint64_t)PAT_GEN_SPILL_BINS / span);
}

/* ---- start and end --------------------------------------------------------------------------------------------- */

static unsigned buckets_for(double events) {
    const double buckets = events / BUCKET_EVENTS + 1;
    return buckets > BUCKETS_MAX ? BUCKETS_MAX : (unsigned)buckets;
}

/* Equal shares of the sample, in which every bin counts a little, so that unseen days have a place too. */
static void cut_buckets(struct pat_gen_spill *spill, const uint32_t bin[PAT_GEN_SPILL_BINS]) {
    double total = 0, before = 0;
    for (unsigned b = 0; b < PAT_GEN_SPILL_BINS; b++) total += bin[b] + 0.1;
    for (unsigned b = 0; b < PAT_GEN_SPILL_BINS; b++) {
        const unsigned bucket = (unsigned)(before / total * spill->buckets);
        spill->bucket_of[b] = (uint16_t)(bucket < spill->buckets ? bucket : spill->buckets - 1);
        before += bin[b] + 0.1;
    }
}

enum pat_status pat_gen_spill_open(struct pat_gen_spill **out, const struct pat_gen_world *world,
                                   const uint32_t bin[PAT_GEN_SPILL_BINS], double events, unsigned threads,
                                   const char *directory, struct pat_error *error) {
    struct pat_gen_spill *spill = pat_mem_alloc(PAT_MEM_OTHER, sizeof *spill);
    if (spill == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory");
    spill->world = world;
    spill->directory = directory;
    spill->threads = threads;
    spill->buckets = buckets_for(events);
    spill->fd = -1;
    (void)pthread_mutex_init(&spill->lock, NULL);
    cut_buckets(spill, bin);
    spill->buffer = pat_mem_alloc(PAT_MEM_OTHER, (size_t)threads * spill->buckets * sizeof *spill->buffer);
    spill->head = pat_mem_alloc(PAT_MEM_OTHER, spill->buckets * sizeof *spill->head);
    spill->full = pat_mem_alloc(PAT_MEM_OTHER, spill->buckets * sizeof *spill->full);
    *out = spill;
    if (spill->buffer != NULL && spill->head != NULL && spill->full != NULL) return PAT_OK;
    pat_gen_spill_close(out);
    return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory");
}

void pat_gen_spill_close(struct pat_gen_spill **at) {
    struct pat_gen_spill *spill = *at;
    *at = NULL;
    if (spill == NULL) return;
    for (size_t i = 0; spill->buffer != NULL && i < (size_t)spill->threads * spill->buckets; i++) {
        pat_mem_free(PAT_MEM_OTHER, spill->buffer[i].event);
    }
    if (spill->fd >= 0) (void)close(spill->fd);
    (void)pthread_mutex_destroy(&spill->lock);
    pat_mem_free(PAT_MEM_OTHER, spill->buffer);
    pat_mem_free(PAT_MEM_OTHER, spill->head);
    pat_mem_free(PAT_MEM_OTHER, spill->full);
    pat_mem_free(PAT_MEM_OTHER, spill->extent);
    pat_mem_free(PAT_MEM_OTHER, spill);
}

/* ---- the file -------------------------------------------------------------------------------------------------- */

static enum pat_status file_failed(const struct pat_gen_spill *spill, const char *what, struct pat_error *error) {
    const bool full = errno == ENOSPC || errno == EDQUOT;
    return pat_error_set(error, full ? PAT_ERR_NO_SPACE : PAT_ERR_IO,
                         "the temporary file in %s cannot be %s: %s (--temp names another place)", spill->directory,
                         what, strerror(errno));
}

/* Without a name from the start where the file system can do that, else right after it is made. */
static enum pat_status file_open(struct pat_gen_spill *spill, struct pat_error *error) {
    spill->fd = open(spill->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (spill->fd >= 0) return PAT_OK;
    char name[4096];
    const int length = snprintf(name, sizeof name, "%s/.patron-generate-XXXXXX", spill->directory);
    if (length < 0 || (size_t)length >= sizeof name)
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "--temp is too long");
    spill->fd = mkostemp(name, O_CLOEXEC);
    if (spill->fd < 0) return file_failed(spill, "made", error);
    (void)unlink(name);
    return PAT_OK;
}

/* Room at the end of the file, and a note of whose it is. */
static enum pat_status extent_add(struct pat_gen_spill *spill, unsigned bucket, uint64_t *place,
                                  struct pat_error *error) {
    if (spill->fd < 0) PAT_TRY(file_open(spill, error));
    if (spill->extents == spill->extent_capacity) {
        const uint32_t capacity = spill->extent_capacity == 0 ? 1024 : spill->extent_capacity * 2;
        struct extent *extent =
            pat_mem_grow(PAT_MEM_OTHER, spill->extent, spill->extents * sizeof *extent, capacity * sizeof *extent);
        if (extent == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory");
        spill->extent = extent;
        spill->extent_capacity = capacity;
    }
    *place = spill->extents;
    spill->extent[spill->extents] = (struct extent){bucket, spill->head[bucket], spill->extents};
    spill->head[bucket] = ++spill->extents;
    spill->full[bucket]++;
    return PAT_OK;
}

static enum pat_status buffer_write(struct pat_gen_spill *spill, unsigned bucket, const struct buffer *buffer,
                                    struct pat_error *error) {
    uint64_t place = 0;
    (void)pthread_mutex_lock(&spill->lock);
    const enum pat_status status = extent_add(spill, bucket, &place, error);
    (void)pthread_mutex_unlock(&spill->lock);
    if (status != PAT_OK) return status;
    const char *data = (const char *)buffer->event;
    for (size_t done = 0; done < BUFFER_BYTES;) {
        const ssize_t put = pwrite(spill->fd, data + done, BUFFER_BYTES - done, (off_t)(place * BUFFER_BYTES + done));
        if (put < 0 && errno != EINTR) return file_failed(spill, "written", error);
        if (put > 0) done += (size_t)put;
    }
    return PAT_OK;
}

enum pat_status pat_gen_spill_put(struct pat_gen_spill *spill, unsigned thread, const struct pat_gen_event *event,
                                  struct pat_error *error) {
    const unsigned bucket = spill->bucket_of[pat_gen_spill_bin(spill->world, event->arrival)];
    struct buffer *buffer = &spill->buffer[(size_t)thread * spill->buckets + bucket];
    if (buffer->event == NULL) {
        buffer->event = pat_mem_alloc(PAT_MEM_OTHER, BUFFER_BYTES);
        if (buffer->event == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory");
    }
    buffer->event[buffer->events++] = *event;
    if (buffer->events < BUFFER_EVENTS) return PAT_OK;
    buffer->events = 0;
    return buffer_write(spill, bucket, buffer, error);
}

/* ---- buckets --------------------------------------------------------------------------------------------------- */

unsigned pat_gen_spill_buckets(const struct pat_gen_spill *spill) {
    return spill->buckets;
}

uint64_t pat_gen_spill_events(const struct pat_gen_spill *spill, unsigned bucket) {
    uint64_t events = spill->full[bucket] * BUFFER_EVENTS;
    for (unsigned t = 0; t < spill->threads; t++) events += spill->buffer[(size_t)t * spill->buckets + bucket].events;
    return events;
}

static enum pat_status read_extents(const struct pat_gen_spill *spill, unsigned bucket, struct pat_gen_event **to,
                                    struct pat_error *error) {
    for (uint32_t at = spill->head[bucket]; at != 0; at = spill->extent[at - 1].next) {
        char *data = (char *)*to;
        const uint64_t from = spill->extent[at - 1].place * BUFFER_BYTES;
        for (size_t done = 0; done < BUFFER_BYTES;) {
            const ssize_t got = pread(spill->fd, data + done, BUFFER_BYTES - done, (off_t)(from + done));
            if (got == 0) errno = EIO; /* it ends before what was written to it */
            if (got == 0 || (got < 0 && errno != EINTR)) return file_failed(spill, "read", error);
            if (got > 0) done += (size_t)got;
        }
        *to += BUFFER_EVENTS;
    }
    return PAT_OK;
}

/* One pass of a radix sort by `bits` of the arrival from `shift` on. */
static void sort_pass(const struct pat_gen_event *from, struct pat_gen_event *to, size_t events, uint32_t least,
                      unsigned shift) {
    size_t start[2048] = {0}, sum = 0;
    for (size_t i = 0; i < events; i++) start[(from[i].arrival - least) >> shift & 2047]++;
    for (unsigned d = 0; d < 2048; d++) {
        const size_t count = start[d];
        start[d] = sum;
        sum += count;
    }
    for (size_t i = 0; i < events; i++) to[start[(from[i].arrival - least) >> shift & 2047]++] = from[i];
}

/* By arrival in passes; then what arrived in the same second, of which there is little. Gives which of the two holds
 * it. */
static struct pat_gen_event *sort_events(struct pat_gen_event *event, struct pat_gen_event *spare, size_t events) {
    uint32_t least = UINT32_MAX, most = 0;
    for (size_t i = 0; i < events; i++) {
        if (event[i].arrival < least) least = event[i].arrival;
        if (event[i].arrival > most) most = event[i].arrival;
    }
    for (unsigned shift = 0; events > 0 && shift < 32 && (most - least) >> shift != 0; shift += 11) {
        sort_pass(event, spare, events, least, shift);
        struct pat_gen_event *const sorted = spare;
        spare = event;
        event = sorted;
    }
    for (size_t i = 1; i < events; i++) {
        const struct pat_gen_event moving = event[i];
        size_t at = i;
        for (; at > 0 && pat_gen_event_before(&moving, &event[at - 1]); at--) event[at] = event[at - 1];
        event[at] = moving;
    }
    return event;
}

enum pat_status pat_gen_spill_load(struct pat_gen_spill *spill, unsigned bucket, struct pat_gen_event **out,
                                   struct pat_error *error) {
    const size_t events = pat_gen_spill_events(spill, bucket);
    struct pat_gen_event *event = pat_mem_alloc(PAT_MEM_OTHER, events * sizeof *event);
    struct pat_gen_event *spare = pat_mem_alloc(PAT_MEM_OTHER, events * sizeof *spare);
    struct pat_gen_event *to = event;
    enum pat_status status = PAT_OK;
    if (event == NULL || spare == NULL)
        status = pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to sort %zu orders", events);
    if (status == PAT_OK) status = read_extents(spill, bucket, &to, error);
    for (unsigned t = 0; status == PAT_OK && t < spill->threads; t++) {
        const struct buffer *buffer = &spill->buffer[(size_t)t * spill->buckets + bucket];
        if (buffer->events > 0) memcpy(to, buffer->event, buffer->events * sizeof *to);
        to += buffer->events;
    }
    *out = status == PAT_OK ? sort_events(event, spare, events) : NULL;
    if (event != *out) pat_mem_free(PAT_MEM_OTHER, event);
    if (spare != *out) pat_mem_free(PAT_MEM_OTHER, spare);
    return status;
}
