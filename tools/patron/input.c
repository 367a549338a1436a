#include "input.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define BLOCK_BYTES PAT_INPUT_BLOCK_BYTES

enum packing { PACKING_UNKNOWN, PACKING_NONE, PACKING_GZIP, PACKING_ZSTD };

struct pat_input {
    int fd;
    bool owned;
    bool seekable;
    const atomic_bool *stop;
    uint64_t size;
    _Atomic uint64_t position;
    enum packing packing;
    unsigned char *block; /* stored bytes: [at, end) are still to be used */
    size_t at, end;
    bool eof;
    bool member_open; /* inside a gzip member or zstd frame */
    z_stream gzip;
    ZSTD_DStream *zstd;
    char name[256];
};

enum pat_status pat_input_open(struct pat_input **out, const char *path, const atomic_bool *stop,
                               struct pat_error *error) {
    const bool standard = strcmp(path, "-") == 0;
    const int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        const enum pat_status status = errno == ENOENT ? PAT_ERR_NOT_FOUND : PAT_ERR_IO;
        return pat_error_set(error, status, "%s cannot be opened: %s", path, strerror(errno));
    }
    struct stat about;
    if (fstat(fd, &about) != 0 || S_ISDIR(about.st_mode)) {
        if (!standard) (void)close(fd);
        return pat_error_set(error, PAT_ERR_IO, "%s is a directory: give a file, or - for standard input", path);
    }
    struct pat_input *input = pat_mem_alloc(PAT_MEM_OTHER, sizeof *input);
    unsigned char *block = pat_mem_alloc(PAT_MEM_OTHER, BLOCK_BYTES);
    if (input == NULL || block == NULL) {
        pat_mem_free(PAT_MEM_OTHER, input);
        pat_mem_free(PAT_MEM_OTHER, block);
        if (!standard) (void)close(fd);
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to read %s", path);
    }
    input->fd = fd;
    input->owned = !standard;
    input->stop = stop;
    input->block = block;
    input->seekable = S_ISREG(about.st_mode);
    input->size = input->seekable ? (uint64_t)about.st_size : 0;
    (void)snprintf(input->name, sizeof input->name, "%s", standard ? "standard input" : path);
    *out = input;
    return PAT_OK;
}

void pat_input_close(struct pat_input **input) {
    struct pat_input *closing = *input;
    if (closing == NULL) return;
    *input = NULL;
    if (closing->packing == PACKING_GZIP) (void)inflateEnd(&closing->gzip);
    if (closing->zstd != NULL) (void)ZSTD_freeDStream(closing->zstd);
    if (closing->owned) (void)close(closing->fd);
    pat_mem_free(PAT_MEM_OTHER, closing->block);
    pat_mem_free(PAT_MEM_OTHER, closing);
}

/* A pipe may stay silent for ever; look up now and then whether anybody still wants its bytes. */
static bool wait_readable(const struct pat_input *input) {
    while (!input->seekable) {
        struct pollfd poll_fd = {.fd = input->fd, .events = POLLIN};
        const int ready = poll(&poll_fd, 1, 200);
        if (atomic_load_explicit(input->stop, memory_order_relaxed)) return false;
        if (ready != 0) return true;
    }
    return !atomic_load_explicit(input->stop, memory_order_relaxed);
}

/* Reads at most a block; at the end of the file nothing comes and `eof` is set. */
static enum pat_status read_some(struct pat_input *input, void *data, size_t capacity, size_t *got,
                                 struct pat_error *error) {
    for (;;) {
        if (!wait_readable(input)) return pat_error_set(error, PAT_ERR_CANCELLED, "stopped");
        const ssize_t bytes = read(input->fd, data, capacity < BLOCK_BYTES ? capacity : BLOCK_BYTES);
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes < 0) return pat_error_set(error, PAT_ERR_IO, "%s cannot be read: %s", input->name, strerror(errno));
        *got = (size_t)bytes;
        input->eof = bytes == 0;
        atomic_fetch_add_explicit(&input->position, (uint64_t)bytes, memory_order_relaxed);
        return PAT_OK;
    }
}

/* Fills the block anew. */
static enum pat_status fill_block(struct pat_input *input, struct pat_error *error) {
    input->at = input->end = 0;
    return read_some(input, input->block, BLOCK_BYTES, &input->end, error);
}

/* ---- digest --------------------------------------------------------------------------------------------------- */

static int temporary_file(void) {
    const char *directory = getenv("TMPDIR");
    char path[512];
    (void)snprintf(path, sizeof path, "%s/patron-XXXXXX",
                   directory != NULL && directory[0] != '\0' ? directory : "/tmp");
    const int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) (void)unlink(path);
    return fd;
}

static bool write_all(int fd, const unsigned char *data, size_t bytes) {
    while (bytes > 0) {
        const ssize_t wrote = write(fd, data, bytes);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return false;
        data += wrote;
        bytes -= (size_t)wrote;
    }
    return true;
}

/* Chains the digests of all blocks; copies them to `copy` unless that is -1. Blocks are filled up to their full size
 * first, so that the digest does not depend on how a pipe cut its bytes. */
static enum pat_status digest_blocks(struct pat_input *input, int copy, struct pat_digest *out,
                                     struct pat_error *error) {
    unsigned char *whole = pat_mem_alloc(PAT_MEM_OTHER, BLOCK_BYTES);
    if (whole == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to read %s", input->name);
    size_t filled = 0;
    enum pat_status status = PAT_OK;
    *out = (struct pat_digest){0, 0};
    while (!input->eof && status == PAT_OK) {
        status = fill_block(input, error);
        for (size_t at = 0; at < input->end && status == PAT_OK;) {
            if (filled == 0 && input->end - at == BLOCK_BYTES) {
                *out = pat_digest_chain(*out, input->block + at, BLOCK_BYTES);
                break;
            }
            const size_t room = BLOCK_BYTES - filled, left = input->end - at, take = left < room ? left : room;
            memcpy(whole + filled, input->block + at, take);
            filled += take;
            at += take;
            if (filled < BLOCK_BYTES) continue;
            *out = pat_digest_chain(*out, whole, filled);
            filled = 0;
        }
        if (status == PAT_OK && copy >= 0 && !write_all(copy, input->block, input->end)) {
            status = pat_error_set(error, PAT_ERR_IO,
                                   "standard input cannot be kept in a temporary file (%s); "
                                   "give --producer to do without",
                                   strerror(errno));
        }
    }
    if (status == PAT_OK) *out = pat_digest_chain(*out, whole, filled);
    pat_mem_free(PAT_MEM_OTHER, whole);
    return status;
}

enum pat_status pat_input_digest(struct pat_input *input, struct pat_digest *out, struct pat_error *error) {
    int copy = -1;
    if (!input->seekable) {
        copy = temporary_file();
        if (copy < 0)
            return pat_error_set(error, PAT_ERR_IO, "no temporary file for standard input: %s", strerror(errno));
    }
    const enum pat_status status = digest_blocks(input, copy, out, error);
    if (status != PAT_OK) {
        if (copy >= 0) (void)close(copy);
        return status;
    }
    if (copy >= 0) {
        if (input->owned) (void)close(input->fd);
        input->fd = copy;
        input->owned = input->seekable = true;
        input->size = atomic_load(&input->position);
    }
    if (lseek(input->fd, 0, SEEK_SET) != 0) {
        return pat_error_set(error, PAT_ERR_IO, "%s cannot be read again: %s", input->name, strerror(errno));
    }
    input->at = input->end = 0;
    input->eof = false;
    atomic_store(&input->position, 0);
    return PAT_OK;
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

static enum pat_status corrupt(const struct pat_input *input, const char *what, struct pat_error *error) {
    return pat_error_set(error, PAT_ERR_CORRUPT, "%s: %s near byte %llu", input->name, what,
                         (unsigned long long)pat_input_position(input));
}

/* Looks at the first bytes; a short first read from a pipe is completed, four bytes decide. */
static enum pat_status detect(struct pat_input *input, struct pat_error *error) {
    PAT_TRY(fill_block(input, error));
    while (input->end < 4 && !input->eof) {
        unsigned char head[4];
        const size_t have = input->end;
        memcpy(head, input->block, have);
        PAT_TRY(fill_block(input, error));
        memmove(input->block + have, input->block, input->end < BLOCK_BYTES - have ? input->end : BLOCK_BYTES - have);
        memcpy(input->block, head, have);
        input->end += have;
    }
    const unsigned char *b = input->block;
    if (input->end >= 2 && b[0] == 0x1f && b[1] == 0x8b) {
        input->packing = PACKING_GZIP;
        /* 15 + 16: largest window, gzip header. */
        if (inflateInit2(&input->gzip, 15 + 16) == Z_OK) return PAT_OK;
        input->packing = PACKING_NONE;
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to decompress %s", input->name);
    }
    const bool zstd = input->end >= 4 && b[0] == 0x28 && b[1] == 0xb5 && b[2] == 0x2f && b[3] == 0xfd;
    const bool skippable = input->end >= 4 && (b[0] & 0xf0) == 0x50 && b[1] == 0x2a && b[2] == 0x4d && b[3] == 0x18;
    input->packing = zstd || skippable ? PACKING_ZSTD : PACKING_NONE;
    if (input->packing == PACKING_ZSTD && (input->zstd = ZSTD_createDStream()) == NULL) {
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to decompress %s", input->name);
    }
    return PAT_OK;
}

static enum pat_status step_gzip(struct pat_input *input, unsigned char *data, size_t capacity, size_t *got,
                                 struct pat_error *error) {
    input->gzip.next_in = input->block + input->at;
    input->gzip.avail_in = (uInt)(input->end - input->at);
    input->gzip.next_out = data;
    input->gzip.avail_out = (uInt)(capacity < (1u << 30) ? capacity : 1u << 30);
    const uInt room = input->gzip.avail_out;
    const int code = inflate(&input->gzip, Z_NO_FLUSH);
    input->at = input->end - input->gzip.avail_in;
    *got = room - input->gzip.avail_out;
    input->member_open = code != Z_STREAM_END;
    /* Files are often made of several members, one behind the other. */
    if (code == Z_STREAM_END && inflateReset(&input->gzip) == Z_OK) return PAT_OK;
    if (code != Z_OK && code != Z_BUF_ERROR) return corrupt(input, "damaged gzip data", error);
    return PAT_OK;
}

static enum pat_status step_zstd(struct pat_input *input, unsigned char *data, size_t capacity, size_t *got,
                                 struct pat_error *error) {
    ZSTD_inBuffer in = {input->block, input->end, input->at};
    ZSTD_outBuffer out = {data, capacity, 0};
    const size_t code = ZSTD_decompressStream(input->zstd, &out, &in);
    if (ZSTD_isError(code)) return corrupt(input, ZSTD_getErrorName(code), error);
    input->at = in.pos;
    *got = out.pos;
    input->member_open = code != 0;
    return PAT_OK;
}

enum pat_status pat_input_read(struct pat_input *input, void *data, size_t capacity, size_t *got,
                               struct pat_error *error) {
    *got = 0;
    if (input->packing == PACKING_UNKNOWN) PAT_TRY(detect(input, error));
    if (input->packing == PACKING_NONE) {
        if (input->at == input->end) return input->eof ? PAT_OK : read_some(input, data, capacity, got, error);
        const size_t left = input->end - input->at;
        *got = left < capacity ? left : capacity;
        memcpy(data, input->block + input->at, *got);
        input->at += *got;
        return PAT_OK;
    }
    while (*got == 0) {
        /* A decompressor may still hold bytes when its input is used up: ask it before reading on. */
        const bool starved = input->at == input->end;
        if (starved && !input->member_open) {
            if (!input->eof) PAT_TRY(fill_block(input, error));
            if (input->eof) return PAT_OK;
        }
        PAT_TRY(input->packing == PACKING_GZIP ? step_gzip(input, data, capacity, got, error)
                                               : step_zstd(input, data, capacity, got, error));
        if (*got > 0 || input->at < input->end || !input->member_open) continue;
        if (input->eof) return corrupt(input, "the compressed data is cut off", error);
        PAT_TRY(fill_block(input, error));
    }
    return PAT_OK;
}

uint64_t pat_input_position(const struct pat_input *input) {
    return atomic_load_explicit(&input->position, memory_order_relaxed);
}

uint64_t pat_input_size(const struct pat_input *input) {
    return input->size;
}
