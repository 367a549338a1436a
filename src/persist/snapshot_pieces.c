#include "persist/pieces_private.h"

#include "base/mem.h"
#include "persist/persist_private.h"

#include <pthread.h>
#include <string.h>

/* Of which one is being filled: while the disk keeps what it has, the others are made. More would be memory that
 * nobody has a use for, fewer would have the disk wait behind each sync. */
#define PIECES 4u
/* Written between two syncs: what the last one has left to do, at the most. A sync has some metadata of its own to
 * write, which half as many pieces show (measured: 1.55 GB/s by 64 MiB, 1.35 by 16). */
#define SYNC_PIECES 8u
/* A file of fewer pieces is written before a thread would be worth it, and its memory would show. */
#define THREAD_PIECES 16u

/* Of what a file is thought to need, so much may be wrong: it is not refused for that. */
#define DOUBT_PART 8u

struct pat_pieces {
    struct pat_fs *fs;
    struct pat_file *file;
    struct pat_snapshot_way way;
    size_t stride;         /* from one piece to the next in memory */
    unsigned char *memory; /* PIECES of them with a thread, otherwise one */

    /* the thread that writes */
    uint64_t written; /* bytes of the file */
    uint64_t kept;    /* bytes before are synced, or on their way to the disk */

    bool threaded;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t changed;
    uint64_t given, done; /* pieces */
    bool end;
    enum pat_status status;
    struct pat_error error;
};

/* ---- what happens to the file ------------------------------------------------------------------------------------ */

/* What was written so far is made to stay, while the next pieces are made. In the system's cache it is enough to
 * begin: pat_pieces__end says whether that went well. */
static enum pat_status keep(struct pat_pieces *pieces, struct pat_error *error) {
    struct pat_file *file = pieces->file;
    const uint64_t from = pieces->kept, bytes = pieces->written - from;
    pieces->kept = pieces->written;
    if (!pieces->way.read_soon) return file->ops->file_sync(file, error);
    if (file->ops->file_push != NULL) file->ops->file_push(file, from, bytes);
    return PAT_OK;
}

static enum pat_status write_piece(struct pat_pieces *pieces, const unsigned char *piece, struct pat_error *error) {
    const uint64_t run = (uint64_t)SYNC_PIECES * pieces->way.piece_bytes;
    if (pieces->written - pieces->kept >= run) {
        PAT_TRY(keep(pieces, error));
        /* Others may have taken what was there at the beginning. */
        PAT_TRY(pat_space__snapshot_room(pieces->fs, pieces->way.journal_bytes, run, error));
    }
    PAT_TRY(pieces->file->ops->file_write_at(pieces->file, pieces->written, piece, pieces->way.piece_bytes, error));
    pieces->written += pieces->way.piece_bytes;
    return PAT_OK;
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static unsigned char *piece_at(const struct pat_pieces *pieces, uint64_t number) {
    return pieces->memory + number % PIECES * pieces->stride;
}

static void *pieces_main(void *context) {
    struct pat_pieces *pieces = context;
    struct pat_error error = {0};
    (void)pthread_mutex_lock(&pieces->mutex);
    while (pieces->status == PAT_OK) {
        if (pieces->done == pieces->given) {
            if (pieces->end) break;
            (void)pthread_cond_wait(&pieces->changed, &pieces->mutex);
            continue;
        }
        const unsigned char *const piece = piece_at(pieces, pieces->done);
        (void)pthread_mutex_unlock(&pieces->mutex);
        const enum pat_status status = write_piece(pieces, piece, &error);
        (void)pthread_mutex_lock(&pieces->mutex);
        pieces->done++;
        if (status != PAT_OK) {
            pieces->status = status;
            pieces->error = error;
        }
        (void)pthread_cond_broadcast(&pieces->changed);
    }
    (void)pthread_mutex_unlock(&pieces->mutex);
    return NULL;
}

/* Until everything given is written, or something failed. */
static void thread_end(struct pat_pieces *pieces) {
    if (!pieces->threaded) return;
    (void)pthread_mutex_lock(&pieces->mutex);
    pieces->end = true;
    (void)pthread_cond_broadcast(&pieces->changed);
    (void)pthread_mutex_unlock(&pieces->mutex);
    (void)pthread_join(pieces->thread, NULL);
    pieces->threaded = false;
}

static enum pat_status hand_over(struct pat_pieces *pieces, struct pat_error *error) {
    (void)pthread_mutex_lock(&pieces->mutex);
    pieces->given++;
    (void)pthread_cond_broadcast(&pieces->changed);
    while (pieces->status == PAT_OK && pieces->given - pieces->done == PIECES)
        (void)pthread_cond_wait(&pieces->changed, &pieces->mutex);
    const enum pat_status status = pieces->status;
    if (status != PAT_OK && error != NULL) *error = pieces->error;
    (void)pthread_mutex_unlock(&pieces->mutex);
    return status;
}

/* ---- the door ---------------------------------------------------------------------------------------------------- */

enum pat_status pat_pieces__open(struct pat_pieces **out, struct pat_fs *fs, struct pat_file *file,
                                 const struct pat_snapshot_way *way, uint64_t bytes_about, unsigned char **piece,
                                 struct pat_error *error) {
    PAT_ASSERT(way->piece_bytes > 0);
    PAT_TRY(pat_space__snapshot_room(fs, way->journal_bytes, bytes_about - bytes_about / DOUBT_PART, error));
    struct pat_pieces *pieces = pat_mem_alloc(PAT_MEM_SNAPSHOT, sizeof *pieces);
    if (pieces == NULL) return PAT_ERR_NO_MEMORY;
    *pieces = (struct pat_pieces){.fs = fs, .file = file, .way = *way, .status = PAT_OK};
    const bool threaded = !way->alone && bytes_about / THREAD_PIECES >= way->piece_bytes;
    const size_t block = (PAT_BLOCK_BYTES + PAT_FILE_PIECE_ALIGN - 1) / PAT_FILE_PIECE_ALIGN * PAT_FILE_PIECE_ALIGN;
    pieces->stride = way->piece_bytes + block; /* pieces are aligned as the disk wants them, if their length is */
    /* Of so many bytes it begins at a multiple of a huge page. */
    pieces->memory = pat_mem_alloc_big(PAT_MEM_SNAPSHOT, threaded ? PIECES * pieces->stride : pieces->stride);
    if (pieces->memory == NULL) {
        pat_mem_free(PAT_MEM_SNAPSHOT, pieces);
        return PAT_ERR_NO_MEMORY;
    }
    (void)pthread_mutex_init(&pieces->mutex, NULL);
    (void)pthread_cond_init(&pieces->changed, NULL);
    pieces->threaded = threaded && pthread_create(&pieces->thread, NULL, pieces_main, pieces) == 0;
    *piece = pieces->memory;
    *out = pieces;
    return PAT_OK;
}

enum pat_status pat_pieces__give(struct pat_pieces *pieces, size_t ready, unsigned char **piece,
                                 struct pat_error *error) {
    unsigned char *const full = *piece;
    if (pieces->threaded) {
        PAT_TRY(hand_over(pieces, error));
        *piece = piece_at(pieces, pieces->given); /* this thread alone gives */
    } else {
        PAT_TRY(write_piece(pieces, full, error));
    }
    /* Without a thread it is the same piece; the rest may be longer than what it goes over. */
    memmove(*piece, full + pieces->way.piece_bytes, ready - pieces->way.piece_bytes);
    return PAT_OK;
}

enum pat_status pat_pieces__end(struct pat_pieces *pieces, size_t ready, const unsigned char *piece,
                                struct pat_error *error) {
    struct pat_file *file = pieces->file;
    thread_end(pieces);
    if (pieces->status != PAT_OK) {
        if (error != NULL) *error = pieces->error;
        return pieces->status;
    }
    PAT_TRY(file->ops->file_write_at(file, pieces->written, piece, ready, error));
    return file->ops->file_sync(file, error);
}

void pat_pieces__close(struct pat_pieces **handle) {
    struct pat_pieces *pieces = *handle;
    if (pieces == NULL) return;
    thread_end(pieces);
    (void)pthread_cond_destroy(&pieces->changed);
    (void)pthread_mutex_destroy(&pieces->mutex);
    pat_mem_free(PAT_MEM_SNAPSHOT, pieces->memory);
    pat_mem_free(PAT_MEM_SNAPSHOT, pieces);
    *handle = NULL;
}
