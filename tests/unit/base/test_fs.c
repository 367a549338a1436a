/* The real disk: files, the lock, replacement, and what the system may do in the middle of a call. */
#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* These definitions stand before the C library's: the system then interrupts, cuts short or refuses as a test wants. */
static struct disk {
    unsigned calls;
    unsigned fail_on; /* 0: never */
    int fail_code;
    unsigned interrupt_every; /* 0: never */
    size_t piece_bytes;       /* 0: whole */
    unsigned syncs;
} disk;

/* 0 to go on, otherwise -1 with errno set. */
static int disk_trouble(void) {
    disk.calls++;
    if (disk.fail_on != 0 && disk.calls == disk.fail_on) {
        errno = disk.fail_code;
        return -1;
    }
    if (disk.interrupt_every != 0 && disk.calls % disk.interrupt_every == 0) {
        errno = EINTR;
        return -1;
    }
    return 0;
}

static size_t disk_piece(size_t bytes) {
    return disk.piece_bytes != 0 && bytes > disk.piece_bytes ? disk.piece_bytes : bytes;
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset);
ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) {
    if (disk_trouble() != 0) return -1;
    return (ssize_t)syscall(SYS_pwrite64, fd, data, disk_piece(bytes), offset);
}

ssize_t pread(int fd, void *data, size_t bytes, off_t offset);
ssize_t pread(int fd, void *data, size_t bytes, off_t offset) {
    if (disk_trouble() != 0) return -1;
    return (ssize_t)syscall(SYS_pread64, fd, data, disk_piece(bytes), offset);
}

int fdatasync(int fd);
int fdatasync(int fd) {
    if (disk_trouble() != 0) return -1;
    disk.syncs++;
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd);
int fsync(int fd) {
    if (disk_trouble() != 0) return -1;
    disk.syncs++;
    return (int)syscall(SYS_fsync, fd);
}

static char root[64];
static char path[96];
static struct pat_fs *fs;
static struct pat_error error;

static int begin(void **state) {
    (void)state;
    memset(&disk, 0, sizeof disk);
    (void)snprintf(root, sizeof root, "/tmp/patron-test-XXXXXX");
    if (mkdtemp(root) == NULL) return -1;
    (void)snprintf(path, sizeof path, "%s/data", root);
    return pat_fs_open_dir(&fs, path, &error) == PAT_OK ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    memset(&disk, 0, sizeof disk);
    (void)pat_mem_fail_at(0);
    if (fs != NULL) fs->ops->close(&fs);
    char command[160];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command) == 0 && pat_mem_used_total() == 0 ? 0 : -1;
}

static struct pat_file *open_file(const char *name, enum pat_file_mode mode) {
    struct pat_file *file = NULL;
    enum pat_status status = fs->ops->file_open(fs, &file, name, mode, &error);
    if (status != PAT_OK) fail_msg("%s", error.message);
    return file;
}

static void put(const char *name, const char *content) {
    struct pat_file *file = open_file(name, PAT_FILE_CREATE);
    assert_int_equal(file->ops->file_write_at(file, 0, content, strlen(content), &error), PAT_OK);
    file->ops->file_close(&file);
    assert_null(file);
}

static void assert_content(const char *name, const char *content) {
    unsigned char *data = NULL;
    size_t bytes = 0;
    assert_int_equal(pat_fs_read_all(fs, name, 1 << 20, &data, &bytes, &error), PAT_OK);
    assert_int_equal(bytes, strlen(content));
    assert_memory_equal(data, content, bytes);
    pat_mem_free(PAT_MEM_OTHER, data);
}

static void the_directory_is_private(void **state) {
    (void)state;
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
}

/* Pieces past the cache, then an end that is none; and small writes alone, which never were. */
static void a_stream_is_what_was_written(void **state) {
    (void)state;
    enum { PIECES = 5, PIECE = 1 << 20, END = 12345 };
    unsigned char *data = NULL;
    assert_int_equal(posix_memalign((void **)&data, PAT_FILE_PIECE_ALIGN, PIECES * PIECE + END), 0);
    for (size_t i = 0; i < PIECES * PIECE + END; i++) data[i] = (unsigned char)(i * 2654435761u >> 13);
    const size_t first[] = {PIECE, 100}; /* written at once; the rest follows piece by piece */
    for (size_t f = 0; f < sizeof first / sizeof first[0]; f++) {
        struct pat_file *file = open_file("stream", PAT_FILE_STREAM);
        size_t at = 0;
        for (size_t bytes = first[f]; at < PIECES * PIECE + END; bytes = PIECE) {
            const size_t left = PIECES * PIECE + END - at, here = bytes < left ? bytes : left;
            assert_int_equal(file->ops->file_write_at(file, at, data + at, here, &error), PAT_OK);
            if (file->ops->file_push != NULL) file->ops->file_push(file, at, here);
            at += here;
        }
        assert_int_equal(file->ops->file_sync(file, &error), PAT_OK);
        file->ops->file_close(&file);
        unsigned char *read = NULL;
        size_t bytes = 0;
        assert_int_equal(pat_fs_read_all(fs, "stream", (PIECES + 1) * PIECE, &read, &bytes, &error), PAT_OK);
        assert_int_equal(bytes, PIECES * PIECE + END);
        assert_memory_equal(read, data, bytes);
        pat_mem_free(PAT_MEM_OTHER, read);
        assert_int_equal(fs->ops->file_open(fs, &file, "stream", PAT_FILE_STREAM, &error), PAT_ERR_IO); /* exists */
        assert_int_equal(fs->ops->remove(fs, "stream", &error), PAT_OK);
    }
    free(data);
}

static void a_file_is_written_read_cut_and_kept(void **state) {
    (void)state;
    struct pat_file *file = open_file("journal", PAT_FILE_CREATE);
    assert_int_equal(file->ops->file_write_at(file, 0, "0123456789", 10, &error), PAT_OK);
    assert_int_equal(file->ops->file_write_at(file, 4, "xy", 2, &error), PAT_OK);
    assert_int_equal(file->ops->file_sync(file, &error), PAT_OK);
    file->ops->file_close(&file);
    file = open_file("journal", PAT_FILE_APPEND);
    uint64_t bytes = 0;
    assert_int_equal(file->ops->file_size(file, &bytes, &error), PAT_OK);
    assert_int_equal(bytes, 10);
    char data[20];
    size_t got = 99;
    assert_int_equal(file->ops->file_read_at(file, 2, data, sizeof data, &got, &error), PAT_OK);
    assert_int_equal(got, 8);
    assert_memory_equal(data, "23xy6789", 8);
    assert_int_equal(file->ops->file_read_at(file, 50, data, sizeof data, &got, &error), PAT_OK);
    assert_int_equal(got, 0);
    assert_int_equal(file->ops->file_truncate(file, 5, &error), PAT_OK);
    file->ops->file_close(&file);
    assert_content("journal", "0123x");
}

static void files_are_opened_only_as_asked(void **state) {
    (void)state;
    struct pat_file *file = NULL;
    put("there", "x");
    assert_int_equal(fs->ops->file_open(fs, &file, "there", PAT_FILE_CREATE, &error), PAT_ERR_IO);
    assert_non_null(strstr(error.message, "data/there: cannot create: File exists"));
    assert_int_equal(fs->ops->file_open(fs, &file, "missing", PAT_FILE_APPEND, &error), PAT_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "data/missing: cannot open: No such file or directory"));
    assert_int_equal(fs->ops->file_open(fs, &file, "missing", PAT_FILE_READ, &error), PAT_ERR_NOT_FOUND);
    assert_null(file);
    file = open_file("there", PAT_FILE_READ);
    assert_int_equal(file->ops->file_write_at(file, 0, "y", 1, &error), PAT_ERR_IO);
    file->ops->file_close(&file);
    /* A link that leads out of the directory is not followed. */
    char link[128];
    (void)snprintf(link, sizeof link, "%s/link", path);
    assert_int_equal(symlink("/etc/hostname", link), 0);
    assert_int_equal(fs->ops->file_open(fs, &file, "link", PAT_FILE_READ, &error), PAT_ERR_IO);
}

static void count_name(void *context, const char *name) {
    char *names = context;
    (void)strcat(strcat(names, name), " ");
}

static void listing_shows_the_files_and_not_the_lock(void **state) {
    (void)state;
    char names[200] = "";
    assert_int_equal(fs->ops->list(fs, names, &error, count_name), PAT_OK);
    assert_string_equal(names, "");
    put("one", "1");
    char directory[128];
    (void)snprintf(directory, sizeof directory, "%s/sub", path);
    assert_int_equal(mkdir(directory, 0700), 0);
    for (int again = 0; again < 2; again++) {
        names[0] = '\0';
        assert_int_equal(fs->ops->list(fs, names, &error, count_name), PAT_OK);
        assert_string_equal(names, "one ");
    }
}

static void files_are_renamed_and_removed(void **state) {
    (void)state;
    put("a", "first");
    put("b", "second");
    assert_int_equal(fs->ops->rename(fs, "a", "b", &error), PAT_OK);
    assert_content("b", "first");
    assert_int_equal(fs->ops->rename(fs, "a", "c", &error), PAT_ERR_NOT_FOUND);
    assert_int_equal(fs->ops->remove(fs, "b", &error), PAT_OK);
    assert_int_equal(fs->ops->remove(fs, "b", &error), PAT_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "data/b: cannot remove"));
    assert_int_equal(fs->ops->sync_dir(fs, &error), PAT_OK);
}

static void interrupted_and_short_calls_are_continued(void **state) {
    (void)state;
    char content[1000];
    for (size_t i = 0; i < sizeof content; i++) content[i] = (char)('a' + i % 26);
    disk.interrupt_every = 3;
    disk.piece_bytes = 7;
    struct pat_file *file = open_file("slow", PAT_FILE_CREATE);
    assert_int_equal(file->ops->file_write_at(file, 0, content, sizeof content, &error), PAT_OK);
    assert_true(disk.calls > sizeof content / 7);
    disk.calls = 2;
    assert_int_equal(file->ops->file_sync(file, &error), PAT_OK);
    char data[sizeof content + 50];
    size_t got = 0;
    assert_int_equal(file->ops->file_read_at(file, 0, data, sizeof data, &got, &error), PAT_OK);
    assert_int_equal(got, sizeof content);
    assert_memory_equal(data, content, sizeof content);
    disk.calls = 2;
    assert_int_equal(fs->ops->sync_dir(fs, &error), PAT_OK);
    file->ops->file_close(&file);
}

static void a_full_disk_is_told_from_a_broken_one(void **state) {
    (void)state;
    static const struct {
        int code;
        enum pat_status status;
        const char *reason;
    } cases[] = {
        {ENOSPC, PAT_ERR_NO_SPACE, "data/f: cannot write: No space left on device"},
        {EDQUOT, PAT_ERR_NO_SPACE, "data/f: cannot write: Disk quota exceeded"},
        {EIO, PAT_ERR_IO, "data/f: cannot write: Input/output error"},
        {EMFILE, PAT_ERR_BUSY, "data/f: cannot write: Too many open files"},
        {ENFILE, PAT_ERR_BUSY, "data/f: cannot write: Too many open files in system"},
        {ENOMEM, PAT_ERR_NO_MEMORY, "data/f: cannot write: Cannot allocate memory"},
    };
    struct pat_file *file = open_file("f", PAT_FILE_CREATE);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        disk.calls = 0;
        disk.fail_on = 1;
        disk.fail_code = cases[i].code;
        assert_int_equal(file->ops->file_write_at(file, 0, "x", 1, &error), cases[i].status);
        assert_int_equal(error.status, cases[i].status);
        assert_non_null(strstr(error.message, cases[i].reason));
    }
    disk.calls = 0;
    disk.fail_code = EIO;
    assert_int_equal(file->ops->file_sync(file, &error), PAT_ERR_IO);
    assert_int_equal(disk.calls, 1); /* a failed sync is never tried again */
    file->ops->file_close(&file);
}

static void a_second_opening_names_the_process_that_holds_the_lock(void **state) {
    (void)state;
    char pid[32];
    (void)snprintf(pid, sizeof pid, "by process %ld;", (long)getpid());
    struct pat_fs *second = NULL;
    assert_int_equal(pat_fs_open_dir(&second, path, &error), PAT_ERR_CONFLICT);
    assert_non_null(strstr(error.message, pid));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct pat_fs *mine = NULL;
        enum pat_status status = pat_fs_open_dir(&mine, path, &error);
        _exit(status == PAT_ERR_CONFLICT && mine == NULL && strstr(error.message, pid) != NULL ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fs->ops->close(&fs);
    assert_null(fs);
    assert_int_equal(pat_fs_open_dir(&fs, path, &error), PAT_OK);
}

static void a_killed_process_leaves_no_lock(void **state) {
    (void)state;
    fs->ops->close(&fs);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char byte = pat_fs_open_dir(&fs, path, &error) == PAT_OK ? 'y' : 'n';
        (void)!write(ready[1], &byte, 1);
        (void)pause();
        _exit(0);
    }
    char byte = 0;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    char pid[32];
    (void)snprintf(pid, sizeof pid, "by process %ld;", (long)child);
    assert_int_equal(pat_fs_open_dir(&fs, path, &error), PAT_ERR_CONFLICT);
    assert_non_null(strstr(error.message, pid));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(pat_fs_open_dir(&fs, path, &error), PAT_OK);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void a_directory_that_cannot_be_is_named(void **state) {
    (void)state;
    struct pat_fs *other = NULL;
    assert_int_equal(pat_fs_open_dir(&other, "/nowhere/at/all", &error), PAT_ERR_IO);
    assert_non_null(strstr(error.message, "/nowhere/at/all: cannot use this as the data directory: No such file"));
    put("file", "x");
    char file[128];
    (void)snprintf(file, sizeof file, "%s/file", path);
    assert_int_equal(pat_fs_open_dir(&other, file, &error), PAT_ERR_IO);
    assert_non_null(strstr(error.message, "Not a directory"));
    assert_null(other);
}

static void reading_a_whole_file_keeps_to_the_limit(void **state) {
    (void)state;
    unsigned char *data = NULL;
    size_t bytes = 0;
    put("ten", "0123456789");
    assert_int_equal(pat_fs_read_all(fs, "ten", 10, &data, &bytes, &error), PAT_OK);
    assert_int_equal(bytes, 10);
    pat_mem_free(PAT_MEM_OTHER, data);
    assert_int_equal(pat_fs_read_all(fs, "ten", 9, &data, &bytes, &error), PAT_ERR_TOO_LARGE);
    assert_int_equal(pat_fs_read_all(fs, "none", 9, &data, &bytes, &error), PAT_ERR_NOT_FOUND);
    for (uint64_t nth = 1; nth <= 2; nth++) {
        (void)pat_mem_fail_at(nth);
        assert_int_equal(pat_fs_read_all(fs, "ten", 10, &data, &bytes, &error), PAT_ERR_NO_MEMORY);
    }
    (void)pat_mem_fail_at(0);
    put("empty", "");
    assert_content("empty", "");
}

/* Large writes of any place and length, past the cache where the system can, with small ones between them. */
static void what_passes_the_cache_is_what_was_written(void **state) {
    (void)state;
    enum { WRITES = 9, LARGE = 9 << 20 };
    static const size_t length[WRITES] = {64, 3 << 20, 56, (1 << 20) - 8, 1 << 20, (5 << 20) + 8, 4096, 4 << 20, LARGE};
    unsigned char *data = malloc(LARGE), *back = malloc(LARGE);
    for (unsigned trouble = 0; trouble < 3; trouble++) {
        struct pat_file *file = open_file("log", PAT_FILE_CREATE);
        file->ops->file_pass_cache(file);
        assert_int_equal(file->ops->file_reserve(file, 16 << 20, &error), PAT_OK);
        disk.interrupt_every = trouble == 1 ? 2 : 0;
        disk.piece_bytes = trouble == 2 ? 777777 : 0; /* of no sector's length: the rest goes through the cache */
        uint64_t at = 0;
        for (unsigned w = 0; w < WRITES; w++) {
            for (size_t i = 0; i < length[w]; i++) data[i] = (unsigned char)((at + i) * 2654435761u >> 13);
            assert_int_equal(file->ops->file_write_at(file, at, data, length[w], &error), PAT_OK);
            at += length[w];
        }
        assert_int_equal(file->ops->file_sync(file, &error), PAT_OK);
        for (unsigned cached = 0; cached < 2; cached++) {
            uint64_t from = 0;
            for (unsigned w = 0; w < WRITES; w++) {
                size_t got;
                assert_int_equal(file->ops->file_read_at(file, from, back, length[w], &got, &error), PAT_OK);
                assert_int_equal(got, length[w]);
                for (size_t i = 0; i < length[w]; i++)
                    if (back[i] != (unsigned char)((from + i) * 2654435761u >> 13))
                        fail_msg("write %u, byte %zu", w, i);
                from += length[w];
            }
            file->ops->file_forget(file, 0, 0);
        }
        memset(&disk, 0, sizeof disk);
        file->ops->file_close(&file);
        assert_int_equal(fs->ops->remove(fs, "log", &error), PAT_OK);
    }
    free(data);
    free(back);
}

static void a_large_write_that_fails_says_so(void **state) {
    (void)state;
    unsigned char *data = calloc(1, 2 << 20);
    struct pat_file *file = open_file("log", PAT_FILE_CREATE);
    file->ops->file_pass_cache(file);
    disk = (struct disk){.fail_on = 1, .fail_code = ENOSPC};
    assert_int_equal(file->ops->file_write_at(file, 0, data, 2 << 20, &error), PAT_ERR_NO_SPACE);
    /* A disk that wants it otherwise has it through the cache. */
    disk = (struct disk){.fail_on = 1, .fail_code = EINVAL};
    assert_int_equal(file->ops->file_write_at(file, 0, data, 2 << 20, &error), PAT_OK);
    assert_int_equal(disk.calls, 2);
    file->ops->file_close(&file);
    free(data);
}

/* What the system is asked, and that its refusal is told. */
static void each_sync_reaches_the_system(void **state) {
    (void)state;
    struct pat_fs *other = NULL;
    char made[112];
    (void)snprintf(made, sizeof made, "%s/made", root);
    for (unsigned fails = 0; fails < 2; fails++) {
        /* Failing first would leave the directory behind: what is tried again then is not made. */
        disk.syncs = disk.calls = 0;
        disk.fail_on = fails;
        disk.fail_code = EIO;
        assert_int_equal(pat_fs_open_dir(&other, made, &error), fails == 0 ? PAT_OK : PAT_ERR_IO);
        assert_int_equal(disk.syncs, 1 - fails); /* that its name is in its parent */
        if (other != NULL) other->ops->close(&other);
        (void)snprintf(made, sizeof made, "%s/made-later", root);
    }
    disk.fail_on = 0;
    struct pat_file *file = open_file("a", PAT_FILE_CREATE);
    for (unsigned fails = 0; fails < 2; fails++) {
        disk.syncs = disk.calls = 0;
        disk.fail_on = fails;
        assert_int_equal(file->ops->file_sync(file, &error), fails == 0 ? PAT_OK : PAT_ERR_IO);
        assert_int_equal(disk.syncs, 1 - fails);
        disk.syncs = disk.calls = 0;
        assert_int_equal(fs->ops->sync_dir(fs, &error), fails == 0 ? PAT_OK : PAT_ERR_IO);
        assert_int_equal(disk.syncs, 1 - fails);
    }
    disk.fail_on = 0;
    file->ops->file_close(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_directory_is_private, begin, end),
        cmocka_unit_test_setup_teardown(a_stream_is_what_was_written, begin, end),
        cmocka_unit_test_setup_teardown(what_passes_the_cache_is_what_was_written, begin, end),
        cmocka_unit_test_setup_teardown(a_large_write_that_fails_says_so, begin, end),
        cmocka_unit_test_setup_teardown(a_file_is_written_read_cut_and_kept, begin, end),
        cmocka_unit_test_setup_teardown(files_are_opened_only_as_asked, begin, end),
        cmocka_unit_test_setup_teardown(listing_shows_the_files_and_not_the_lock, begin, end),
        cmocka_unit_test_setup_teardown(files_are_renamed_and_removed, begin, end),
        cmocka_unit_test_setup_teardown(interrupted_and_short_calls_are_continued, begin, end),
        cmocka_unit_test_setup_teardown(a_full_disk_is_told_from_a_broken_one, begin, end),
        cmocka_unit_test_setup_teardown(a_second_opening_names_the_process_that_holds_the_lock, begin, end),
        cmocka_unit_test_setup_teardown(a_killed_process_leaves_no_lock, begin, end),
        cmocka_unit_test_setup_teardown(a_directory_that_cannot_be_is_named, begin, end),
        cmocka_unit_test_setup_teardown(reading_a_whole_file_keeps_to_the_limit, begin, end),
        cmocka_unit_test_setup_teardown(each_sync_reaches_the_system, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
