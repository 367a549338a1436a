#include "base/fs.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <unistd.h>

/* The lock belongs to the open file, not to its name or content: a process that is killed leaves no lock behind. The
 * pid inside is only there for the message. */
#define LOCK_NAME       "lock"
#define LOCK_TEXT_BYTES 16

struct real_fs {
    struct pat_fs base;
    int dir_fd;
    int lock_fd;
    char path[]; /* as given, for messages */
};

struct real_file {
    struct pat_file base;
    int fd;
    bool direct;              /* writes go past the system's cache */
    int past_fd;              /* the same file, for large writes past the cache; -1: none */
    const struct real_fs *fs; /* outlives its files */
    char name[];
};

static struct real_fs *real_fs_of(struct pat_fs *fs) {
    return (struct real_fs *)fs;
}

static struct real_file *real_file_of(struct pat_file *file) {
    return (struct real_file *)file;
}

/* "DIR/NAME: cannot VERB: REASON". `code` is an errno value. */
static enum pat_status fail(struct pat_error *error, const struct real_fs *fs, const char *name, const char *verb,
                            int code) {
    enum pat_status status = PAT_ERR_IO;
    if (code == ENOSPC || code == EDQUOT) status = PAT_ERR_NO_SPACE;
    if (code == ENOENT) status = PAT_ERR_NOT_FOUND;
    if (code == EMFILE || code == ENFILE) status = PAT_ERR_BUSY;
    if (code == ENOMEM) status = PAT_ERR_NO_MEMORY;
    char reason[128];
    return pat_error_set(error, status, "%s/%s: cannot %s: %s", fs->path, name, verb,
                         strerror_r(code, reason, sizeof reason));
}

/* No name comes from the wire, so one that leads elsewhere is a bug. */
static void check_name(const char *name) {
    PAT_ASSERT(name[0] != '\0' && strchr(name, '/') == NULL);
}

static off_t checked_offset(uint64_t offset, size_t bytes) {
    PAT_ASSERT(offset <= INT64_MAX && bytes <= INT64_MAX - offset);
    return (off_t)offset;
}

static enum pat_status real_file_open(struct pat_fs *base, struct pat_file **out, const char *name,
                                      enum pat_file_mode mode, struct pat_error *error);

static void stop_passing(struct real_file *file) {
    if (file->past_fd >= 0) (void)close(file->past_fd);
    file->past_fd = -1;
}

static void real_file_close(struct pat_file **base) {
    if (*base == NULL) return;
    struct real_file *file = real_file_of(*base);
    /* What had to reach the disk was synced before; close has nothing to add, and EINTR leaves it closed on Linux. */
    (void)close(file->fd);
    stop_passing(file);
    pat_mem_free(PAT_MEM_OTHER, file);
    *base = NULL;
}

/* From now on through the cache; what was written is where it is. */
static void leave_direct(struct real_file *file) {
    file->direct = false;
    (void)fcntl(file->fd, F_SETFL, fcntl(file->fd, F_GETFL) & ~O_DIRECT);
}

static bool is_piece(const void *data, size_t bytes, off_t at) {
    return ((uintptr_t)data | bytes | (uintptr_t)at) % PAT_FILE_PIECE_ALIGN == 0;
}

static enum pat_status write_plain(struct real_file *file, off_t at, const char *from, size_t bytes,
                                   struct pat_error *error) {
    while (bytes > 0) {
        if (file->direct && !is_piece(from, bytes, at)) leave_direct(file);
        ssize_t written = pwrite(file->fd, from, bytes, at);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EINVAL && file->direct) { /* it wants larger multiples, or none */
            leave_direct(file);
            continue;
        }
        /* Nothing written and no reason given does not happen on a regular file; it must not loop if it does. */
        if (written <= 0) return fail(error, file->fs, file->name, "write", written < 0 ? errno : EIO);
        from += written;
        at += written;
        bytes -= (size_t)written;
    }
    return PAT_OK;
}

/* From here on the system's cache is left out: where it has no pages at hand, copying into it costs more than writing
 * (10 MB in 22 ms, and in 9 past it, measured in a virtual machine whose free memory is its host's). */
#define PASS_FROM_BYTES ((size_t)1 << 20)
/* What is written at a time: whole huge pages, which serve again (pages.h). */
#define PASS_PIECE_BYTES ((size_t)4 << 20)

/* Whole multiples of PAT_FILE_PIECE_ALIGN past the cache, through `piece`, which lies as the disk wants it. *done says
 * how many bytes: what is left is for the cache. */
static enum pat_status write_past(struct real_file *file, char *piece, off_t at, const char *from, size_t bytes,
                                  size_t *done, struct pat_error *error) {
    while (bytes - *done >= PAT_FILE_PIECE_ALIGN) {
        size_t here = bytes - *done < PASS_PIECE_BYTES ? bytes - *done : PASS_PIECE_BYTES;
        here -= here % PAT_FILE_PIECE_ALIGN;
        memcpy(piece, from + *done, here);
        const ssize_t written = pwrite(file->past_fd, piece, here, at + (off_t)*done);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EINVAL) { /* it wants larger multiples, or none */
            stop_passing(file);
            return PAT_OK;
        }
        if (written <= 0) return fail(error, file->fs, file->name, "write", written < 0 ? errno : EIO);
        *done += (size_t)written / PAT_FILE_PIECE_ALIGN * PAT_FILE_PIECE_ALIGN;
        if ((size_t)written < PAT_FILE_PIECE_ALIGN) return PAT_OK;
    }
    return PAT_OK;
}

static enum pat_status write_large(struct real_file *file, off_t at, const char *from, size_t bytes,
                                   struct pat_error *error) {
    char *const piece = pat_mem_alloc_big(PAT_MEM_JOURNAL, PASS_PIECE_BYTES);
    size_t done = 0;
    enum pat_status status = PAT_OK;
    if (piece != NULL && (uintptr_t)piece % PAT_FILE_PIECE_ALIGN == 0)
        status = write_past(file, piece, at, from, bytes, &done, error);
    pat_mem_free(PAT_MEM_JOURNAL, piece);
    return status == PAT_OK ? write_plain(file, at + (off_t)done, from + done, bytes - done, error) : status;
}

static enum pat_status real_file_write_at(struct pat_file *base, uint64_t offset, const void *data, size_t bytes,
                                          struct pat_error *error) {
    struct real_file *file = real_file_of(base);
    const off_t at = checked_offset(offset, bytes);
    if (file->past_fd < 0 || bytes < PASS_FROM_BYTES) return write_plain(file, at, data, bytes, error);
    /* The page that the write before ended in is the cache's. */
    const size_t first = (PAT_FILE_PIECE_ALIGN - offset % PAT_FILE_PIECE_ALIGN) % PAT_FILE_PIECE_ALIGN;
    PAT_TRY(write_plain(file, at, data, first, error));
    return write_large(file, at + (off_t)first, (const char *)data + first, bytes - first, error);
}

static enum pat_status real_file_read_at(struct pat_file *base, uint64_t offset, void *data, size_t bytes, size_t *got,
                                         struct pat_error *error) {
    struct real_file *file = real_file_of(base);
    off_t at = checked_offset(offset, bytes);
    *got = 0;
    while (*got < bytes) {
        ssize_t count = pread(file->fd, (char *)data + *got, bytes - *got, at + (off_t)*got);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail(error, file->fs, file->name, "read", errno);
        if (count == 0) break;
        *got += (size_t)count;
    }
    return PAT_OK;
}

static enum pat_status real_file_size(struct pat_file *base, uint64_t *bytes, struct pat_error *error) {
    struct real_file *file = real_file_of(base);
    struct stat info;
    if (fstat(file->fd, &info) != 0) return fail(error, file->fs, file->name, "tell the size", errno);
    *bytes = (uint64_t)info.st_size;
    return PAT_OK;
}

/* Where a file system cannot reserve room, zeros take it. */
#define ZEROS_BYTES ((size_t)64 << 10)

static enum pat_status write_zeros(struct pat_file *base, uint64_t from, uint64_t to, struct pat_error *error) {
    static const unsigned char zeros[ZEROS_BYTES];
    for (uint64_t at = from; at < to; at += ZEROS_BYTES) {
        const size_t here = to - at < ZEROS_BYTES ? (size_t)(to - at) : ZEROS_BYTES;
        const enum pat_status status = base->ops->file_write_at(base, at, zeros, here, error);
        if (status == PAT_OK) continue;
        (void)base->ops->file_truncate(base, from, NULL);
        return status;
    }
    return PAT_OK;
}

static enum pat_status real_file_reserve(struct pat_file *base, uint64_t bytes, struct pat_error *error) {
    const struct real_file *file = real_file_of(base);
    uint64_t length;
    PAT_TRY(base->ops->file_size(base, &length, error));
    if (bytes <= length) return PAT_OK;
    int result;
    do {
        result = fallocate(file->fd, 0, checked_offset(length, 0), checked_offset(bytes - length, 0));
    } while (result != 0 && errno == EINTR);
    if (result == 0) return PAT_OK;
    if (errno == EOPNOTSUPP) return write_zeros(base, length, bytes, error);
    return fail(error, file->fs, file->name, "reserve room", errno);
}

static enum pat_status real_file_truncate(struct pat_file *base, uint64_t bytes, struct pat_error *error) {
    struct real_file *file = real_file_of(base);
    int result;
    do {
        result = ftruncate(file->fd, checked_offset(bytes, 0));
    } while (result != 0 && errno == EINTR);
    if (result != 0) return fail(error, file->fs, file->name, "truncate", errno);
    return PAT_OK;
}

/* EINTR alone is tried again: after any other failure the kernel has forgotten which pages were dirty, and a second
 * sync would report success with data lost. */
static int sync_again(int fd, int (*sync_call)(int)) {
    int result;
    do {
        result = sync_call(fd);
    } while (result != 0 && errno == EINTR);
    return result;
}

static void real_file_push(struct pat_file *base, uint64_t offset, uint64_t bytes) {
    if (real_file_of(base)->direct) return; /* there already */
    /* What fails here is remembered by the system for fdatasync. */
    (void)sync_file_range(real_file_of(base)->fd, (off_t)offset, (off_t)bytes, SYNC_FILE_RANGE_WRITE);
}

static void real_file_forget(struct pat_file *base, uint64_t offset, uint64_t bytes) {
    (void)posix_fadvise(real_file_of(base)->fd, (off_t)offset, (off_t)bytes, POSIX_FADV_DONTNEED);
}

static enum pat_status real_file_sync(struct pat_file *base, struct pat_error *error) {
    struct real_file *file = real_file_of(base);
    if (sync_again(file->fd, fdatasync) != 0) return fail(error, file->fs, file->name, "sync", errno);
    return PAT_OK;
}

static enum pat_status real_rename(struct pat_fs *base, const char *from, const char *to, struct pat_error *error) {
    const struct real_fs *fs = real_fs_of(base);
    check_name(from);
    check_name(to);
    if (renameat(fs->dir_fd, from, fs->dir_fd, to) != 0) return fail(error, fs, from, "rename", errno);
    return PAT_OK;
}

static enum pat_status real_remove(struct pat_fs *base, const char *name, struct pat_error *error) {
    const struct real_fs *fs = real_fs_of(base);
    check_name(name);
    if (unlinkat(fs->dir_fd, name, 0) != 0) return fail(error, fs, name, "remove", errno);
    return PAT_OK;
}

static enum pat_status real_sync_dir(struct pat_fs *base, struct pat_error *error) {
    const struct real_fs *fs = real_fs_of(base);
    if (sync_again(fs->dir_fd, fsync) != 0) return fail(error, fs, ".", "sync", errno);
    return PAT_OK;
}

static bool is_regular(int dir_fd, const struct dirent *entry) {
    if (entry->d_type != DT_UNKNOWN) return entry->d_type == DT_REG;
    struct stat info;
    return fstatat(dir_fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode);
}

static enum pat_status real_list(struct pat_fs *base, void *context, struct pat_error *error,
                                 void (*each_cb)(void *context, const char *name)) {
    const struct real_fs *fs = real_fs_of(base);
    /* A descriptor of its own: a duplicate would share its place in the directory with the next listing. */
    int fd = openat(fs->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail(error, fs, ".", "list", errno);
    DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        enum pat_status status = fail(error, fs, ".", "list", errno);
        (void)close(fd);
        return status;
    }
    errno = 0;
    for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (is_regular(fd, entry) && strcmp(entry->d_name, LOCK_NAME) != 0) each_cb(context, entry->d_name);
        errno = 0;
    }
    int code = errno;
    (void)closedir(directory);
    return code == 0 ? PAT_OK : fail(error, fs, ".", "list", code);
}

static enum pat_status real_space(struct pat_fs *base, uint64_t *free_bytes, uint64_t *all_bytes,
                                  struct pat_error *error) {
    const struct real_fs *fs = real_fs_of(base);
    struct statvfs info;
    if (fstatvfs(fs->dir_fd, &info) != 0) return fail(error, fs, ".", "tell the free space", errno);
    *free_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    *all_bytes = (uint64_t)info.f_blocks * info.f_frsize;
    return PAT_OK;
}

static void real_close(struct pat_fs **base) {
    if (*base == NULL) return;
    struct real_fs *fs = real_fs_of(*base);
    if (fs->lock_fd >= 0) (void)close(fs->lock_fd);
    (void)close(fs->dir_fd);
    pat_mem_free(PAT_MEM_OTHER, fs);
    *base = NULL;
}

static int open_again(int dir_fd, const char *name, int flags) {
    int fd;
    do {
        fd = openat(dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static bool is_same_file(int one, int other) {
    struct stat a, b;
    return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void real_file_pass_cache(struct pat_file *base) {
    struct real_file *file = real_file_of(base);
    if (file->past_fd >= 0) return;
    file->past_fd = open_again(file->fs->dir_fd, file->name, O_WRONLY | O_DIRECT);
    if (file->past_fd >= 0 && !is_same_file(file->fd, file->past_fd)) stop_passing(file);
}

static const struct pat_fs_ops real_ops = {
    .file_open = real_file_open,
    .file_close = real_file_close,
    .file_write_at = real_file_write_at,
    .file_read_at = real_file_read_at,
    .file_size = real_file_size,
    .file_reserve = real_file_reserve,
    .file_truncate = real_file_truncate,
    .file_sync = real_file_sync,
    .file_pass_cache = real_file_pass_cache,
    .file_push = real_file_push,
    .file_forget = real_file_forget,
    .rename = real_rename,
    .remove = real_remove,
    .sync_dir = real_sync_dir,
    .list = real_list,
    .space = real_space,
    .close = real_close,
};

static const int flags_of[] = {
    [PAT_FILE_READ] = O_RDONLY,
    [PAT_FILE_CREATE] = O_RDWR | O_CREAT | O_EXCL,
    [PAT_FILE_STREAM] = O_RDWR | O_CREAT | O_EXCL,
    [PAT_FILE_APPEND] = O_RDWR,
};

/* Asked for behind the opening: a file system that cannot would fail that with the file made. */
static bool enter_direct(int fd) {
    return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_DIRECT) == 0;
}

static enum pat_status real_file_open(struct pat_fs *base, struct pat_file **out, const char *name,
                                      enum pat_file_mode mode, struct pat_error *error) {
    const struct real_fs *fs = real_fs_of(base);
    check_name(name);
    size_t name_bytes = strlen(name) + 1;
    struct real_file *file = pat_mem_alloc(PAT_MEM_OTHER, sizeof *file + name_bytes);
    if (file == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "%s/%s: no memory to open it", fs->path, name);
    file->base.ops = &real_ops;
    file->fs = fs;
    memcpy(file->name, name, name_bytes);
    file->fd = open_again(fs->dir_fd, name, flags_of[mode]);
    if (file->fd < 0) {
        enum pat_status status = fail(error, fs, name, (flags_of[mode] & O_CREAT) != 0 ? "create" : "open", errno);
        pat_mem_free(PAT_MEM_OTHER, file);
        return status;
    }
    file->direct = mode == PAT_FILE_STREAM && enter_direct(file->fd);
    file->past_fd = -1;
    *out = &file->base;
    return PAT_OK;
}

static enum pat_status fail_in_use(struct pat_error *error, const struct real_fs *fs) {
    char pid[LOCK_TEXT_BYTES];
    ssize_t length = pread(fs->lock_fd, pid, sizeof pid - 1, 0);
    pid[length > 0 ? length : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    return pat_error_set(error, PAT_ERR_CONFLICT,
                         "%s: the directory is in use by process %s; stop it or choose another directory", fs->path,
                         pid[0] != '\0' ? pid : "(unknown)");
}

static enum pat_status lock_take(struct real_fs *fs, struct pat_error *error) {
    fs->lock_fd = open_again(fs->dir_fd, LOCK_NAME, O_RDWR | O_CREAT);
    if (fs->lock_fd < 0) return fail(error, fs, LOCK_NAME, "open", errno);
    int result;
    do {
        result = flock(fs->lock_fd, LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        enum pat_status status =
            errno == EWOULDBLOCK ? fail_in_use(error, fs) : fail(error, fs, LOCK_NAME, "lock", errno);
        (void)close(fs->lock_fd);
        return status;
    }
    char pid[LOCK_TEXT_BYTES];
    int length = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    /* The lock holds without the pid: a full disk must not keep a server from starting. */
    ssize_t written = pwrite(fs->lock_fd, pid, (size_t)length, 0);
    if (written > 0) (void)!ftruncate(fs->lock_fd, written);
    return PAT_OK;
}

/* Makes the directory where it is missing, its name in the parent durable, and opens it. Gives an errno value. */
static int directory_open(const char *path, int *out) {
    bool made = mkdir(path, 0700) == 0;
    if (!made && errno != EEXIST) return errno;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno;
    if (made) {
        int parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int code = parent < 0 || sync_again(parent, fsync) != 0 ? errno : 0;
        if (parent >= 0) (void)close(parent);
        if (code != 0) {
            (void)close(fd);
            return code;
        }
    }
    *out = fd;
    return 0;
}

enum pat_status pat_fs_open_dir(struct pat_fs **out, const char *path, struct pat_error *error) {
    size_t path_bytes = strlen(path) + 1;
    struct real_fs *fs = pat_mem_alloc(PAT_MEM_OTHER, sizeof *fs + path_bytes);
    if (fs == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "%s: no memory to open the directory", path);
    fs->base.ops = &real_ops;
    memcpy(fs->path, path, path_bytes);
    enum pat_status status;
    int code = directory_open(path, &fs->dir_fd);
    if (code != 0) {
        char reason[128];
        status = pat_error_set(error, code == ENOSPC || code == EDQUOT ? PAT_ERR_NO_SPACE : PAT_ERR_IO,
                               "%s: cannot use this as the data directory: %s", path,
                               strerror_r(code, reason, sizeof reason));
        goto fail_directory;
    }
    status = lock_take(fs, error);
    if (status != PAT_OK) goto fail_lock;
    *out = &fs->base;
    return PAT_OK;
fail_lock:
    (void)close(fs->dir_fd);
fail_directory:
    pat_mem_free(PAT_MEM_OTHER, fs);
    return status;
}

/* ---- for reading alone ------------------------------------------------------------------------------------------ */

static enum pat_status fail_reading(struct pat_fs *base, const char *name, struct pat_error *error) {
    return pat_error_set(error, PAT_ERR_READONLY, "%s/%s: the directory was opened for reading", real_fs_of(base)->path,
                         name);
}

static enum pat_status reading_file_open(struct pat_fs *fs, struct pat_file **out, const char *name,
                                         enum pat_file_mode mode, struct pat_error *error) {
    return mode == PAT_FILE_READ ? real_file_open(fs, out, name, mode, error) : fail_reading(fs, name, error);
}

static enum pat_status reading_rename(struct pat_fs *fs, const char *from, const char *to, struct pat_error *error) {
    (void)to;
    return fail_reading(fs, from, error);
}

static enum pat_status reading_remove(struct pat_fs *fs, const char *name, struct pat_error *error) {
    return fail_reading(fs, name, error);
}

static enum pat_status reading_sync_dir(struct pat_fs *fs, struct pat_error *error) {
    return fail_reading(fs, ".", error);
}

/* Files were opened for reading, so those that write to one have the system's own answer. */
static const struct pat_fs_ops reading_ops = {
    .file_open = reading_file_open,
    .file_close = real_file_close,
    .file_write_at = real_file_write_at,
    .file_read_at = real_file_read_at,
    .file_size = real_file_size,
    .file_reserve = real_file_reserve,
    .file_truncate = real_file_truncate,
    .file_sync = real_file_sync,
    .rename = reading_rename,
    .remove = reading_remove,
    .sync_dir = reading_sync_dir,
    .list = real_list,
    .space = real_space,
    .close = real_close,
};

/* A directory without a lock file was never served, or is a copy of one that was. */
static enum pat_status lock_share(struct real_fs *fs, struct pat_error *error) {
    fs->lock_fd = open_again(fs->dir_fd, LOCK_NAME, O_RDONLY);
    if (fs->lock_fd < 0) return errno == ENOENT ? PAT_OK : fail(error, fs, LOCK_NAME, "open", errno);
    int result;
    do {
        result = flock(fs->lock_fd, LOCK_SH | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result == 0) return PAT_OK;
    enum pat_status status = errno == EWOULDBLOCK ? fail_in_use(error, fs) : fail(error, fs, LOCK_NAME, "lock", errno);
    (void)close(fs->lock_fd);
    return status;
}

enum pat_status pat_fs_open_dir_read(struct pat_fs **out, const char *path, struct pat_error *error) {
    size_t path_bytes = strlen(path) + 1;
    struct real_fs *fs = pat_mem_alloc(PAT_MEM_OTHER, sizeof *fs + path_bytes);
    if (fs == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "%s: no memory to open the directory", path);
    fs->base.ops = &reading_ops;
    memcpy(fs->path, path, path_bytes);
    enum pat_status status = PAT_OK;
    fs->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fs->dir_fd < 0) {
        char reason[128];
        status = pat_error_set(error, errno == ENOENT ? PAT_ERR_NOT_FOUND : PAT_ERR_IO,
                               "%s: cannot read this as a data directory: %s", path,
                               strerror_r(errno, reason, sizeof reason));
        goto fail_directory;
    }
    status = lock_share(fs, error);
    if (status != PAT_OK) goto fail_lock;
    *out = &fs->base;
    return PAT_OK;
fail_lock:
    (void)close(fs->dir_fd);
fail_directory:
    pat_mem_free(PAT_MEM_OTHER, fs);
    return status;
}

/* ---- whole files ------------------------------------------------------------------------------------------------ */

enum pat_status pat_fs_read_all(struct pat_fs *fs, const char *name, size_t bytes_max, unsigned char **out,
                                size_t *out_bytes, struct pat_error *error) {
    struct pat_file *file;
    PAT_TRY(fs->ops->file_open(fs, &file, name, PAT_FILE_READ, error));
    uint64_t bytes;
    unsigned char *data = NULL;
    enum pat_status status = file->ops->file_size(file, &bytes, error);
    if (status != PAT_OK) goto done;
    if (bytes > bytes_max) {
        status = pat_error_set(error, PAT_ERR_TOO_LARGE, "%s has %llu bytes, at most %zu are expected", name,
                               (unsigned long long)bytes, bytes_max);
        goto done;
    }
    data = pat_mem_alloc(PAT_MEM_OTHER, (size_t)bytes);
    if (data == NULL) {
        status =
            pat_error_set(error, PAT_ERR_NO_MEMORY, "%s: no memory for %llu bytes", name, (unsigned long long)bytes);
        goto done;
    }
    status = file->ops->file_read_at(file, 0, data, (size_t)bytes, out_bytes, error);
    if (status != PAT_OK) {
        pat_mem_free(PAT_MEM_OTHER, data);
        goto done;
    }
    *out = data;
done:
    file->ops->file_close(&file);
    return status;
}
