/* Files behind a narrow interface, so that a simulated disk can stand under journal, snapshot and recovery.
 *
 * Every path is relative to the data directory that the pat_fs was opened on; no path comes from the wire.
 * Writes are whole: EINTR and short writes are continued inside. Errors name the file and the system's reason
 * (PAT_ERR_NO_SPACE for ENOSPC and EDQUOT, PAT_ERR_NOT_FOUND for ENOENT, PAT_ERR_IO for the rest). What says nothing
 * about the file is told apart: PAT_ERR_BUSY for EMFILE and ENFILE, PAT_ERR_NO_MEMORY for ENOMEM.
 * Thread: calls on different files may run at once; one file belongs to one thread at a time. */
#ifndef PAT_BASE_FS_H
#define PAT_BASE_FS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pat_file; /* an open file of some pat_fs */

/* What disks and file systems want at the most: a page. */
#define PAT_FILE_PIECE_ALIGN 4096u

enum pat_file_mode {
    PAT_FILE_READ,
    PAT_FILE_CREATE, /* new, write; fails when it exists */
    /* The same, for much that is written once from the front to the end and not read soon: past the system's cache,
     * where the system can, so that nothing of others is pushed out by it and no memory looked for. That is for pieces
     * whose place, length and address are multiples of PAT_FILE_PIECE_ALIGN: from the first other one on (the end of
     * the file) it is as with PAT_FILE_CREATE. */
    PAT_FILE_STREAM,
    PAT_FILE_APPEND, /* existing, read and write */
};

struct pat_fs; /* one data directory */

struct pat_fs_ops {
    enum pat_status (*file_open)(struct pat_fs *fs, struct pat_file **out, const char *name, enum pat_file_mode mode,
                                 struct pat_error *error);
    void (*file_close)(struct pat_file **file);
    enum pat_status (*file_write_at)(struct pat_file *file, uint64_t offset, const void *data, size_t bytes,
                                     struct pat_error *error);
    /* Reads up to `bytes`; *got < bytes only at the end of the file. */
    enum pat_status (*file_read_at)(struct pat_file *file, uint64_t offset, void *data, size_t bytes, size_t *got,
                                    struct pat_error *error);
    enum pat_status (*file_size)(struct pat_file *file, uint64_t *bytes, struct pat_error *error);
    /* Makes the file as long as `bytes`, when it is shorter, with room on the disk for all of them: what is written
     * there later needs no more. New bytes read as zeros. PAT_ERR_NO_SPACE: it is as it was. */
    enum pat_status (*file_reserve)(struct pat_file *file, uint64_t bytes, struct pat_error *error);
    enum pat_status (*file_truncate)(struct pat_file *file, uint64_t bytes, struct pat_error *error);
    enum pat_status (*file_sync)(struct pat_file *file, struct pat_error *error); /* fdatasync */
    /* A hint: what is written to this file in large pieces is not read soon, and may go past the system's cache. NULL
     * where there is nothing to gain. */
    void (*file_pass_cache)(struct pat_file *file);
    /* A hint: the disk may begin with these bytes, while more are written, instead of waiting for file_sync, which says
     * whether that went well. NULL where there is nothing to gain. */
    void (*file_push)(struct pat_file *file, uint64_t offset, uint64_t bytes);
    /* A hint: what the system keeps of these bytes (0: up to the end) may go, so that they are read from the disk next
     * time, and nobody else's are pushed out by them. NULL where there is nothing to gain. */
    void (*file_forget)(struct pat_file *file, uint64_t offset, uint64_t bytes);
    enum pat_status (*rename)(struct pat_fs *fs, const char *from, const char *to, struct pat_error *error);
    enum pat_status (*remove)(struct pat_fs *fs, const char *name, struct pat_error *error);
    enum pat_status (*sync_dir)(struct pat_fs *fs, struct pat_error *error);
    /* Calls `each_cb` for every regular file of the directory, in no order. */
    enum pat_status (*list)(struct pat_fs *fs, void *context, struct pat_error *error,
                            void (*each_cb)(void *context, const char *name));
    /* What the disk has room for, and its size. */
    enum pat_status (*space)(struct pat_fs *fs, uint64_t *free_bytes, uint64_t *all_bytes, struct pat_error *error);
    void (*close)(struct pat_fs **fs);
};

/* Implementations put this first in their own struct. */
struct pat_fs {
    const struct pat_fs_ops *ops;
};

struct pat_file {
    const struct pat_fs_ops *ops;
};

/* What failed says nothing about the file: there is no descriptor or no memory just now, and there may be later. */
static inline bool pat_fs_is_later(enum pat_status status) {
    return status == PAT_ERR_BUSY || status == PAT_ERR_NO_MEMORY;
}

/* Opens (and creates, mode 0700, parents not) directory `path` on the real disk and takes its lock: one process per
 * directory. Fails: PAT_ERR_CONFLICT when another process holds it, naming its pid; PAT_ERR_IO. */
enum pat_status pat_fs_open_dir(struct pat_fs **out, const char *path, struct pat_error *error) PAT_MUST_CHECK;

/* Opens a directory that is there for reading alone: nothing in it is made, changed or locked against other readers,
 * and whatever would write fails with PAT_ERR_READONLY. Fails: PAT_ERR_CONFLICT while a process holds its lock, naming
 * the pid; PAT_ERR_NOT_FOUND; PAT_ERR_IO. While it is open no process can take the lock, where there is a file for it.
 */
enum pat_status pat_fs_open_dir_read(struct pat_fs **out, const char *path, struct pat_error *error) PAT_MUST_CHECK;

/* Reads the whole of a small file into a block of PAT_MEM_OTHER that the caller frees; PAT_ERR_TOO_LARGE over
 * bytes_max. */
enum pat_status pat_fs_read_all(struct pat_fs *fs, const char *name, size_t bytes_max, unsigned char **out,
                                size_t *out_bytes, struct pat_error *error) PAT_MUST_CHECK;

#endif
