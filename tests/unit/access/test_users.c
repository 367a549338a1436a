/* The users file: its format, and several who change it. */
#include "access/users.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LINE                                                                                                           \
    "ana reader SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"             \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"

/* This definition stands before the C library's: what is synced, in order, and when it is refused. */
static char
    synced[8]; /* f: a file, d: a directory, a small letter with the old file in force, a capital with the new */
static unsigned syncs, fail_sync;
static char path[96];

int fsync(int fd);
int fsync(int fd) {
    struct stat of, now;
    const bool directory = fstat(fd, &of) == 0 && S_ISDIR(of.st_mode);
    const bool renamed = stat(path, &now) == 0 && now.st_size > 0;
    if (++syncs == fail_sync) {
        errno = EIO;
        return -1;
    }
    if (syncs < sizeof synced) synced[syncs - 1] = (char)((directory ? 'd' : 'f') - (renamed ? 'a' - 'A' : 0));
    return (int)syscall(SYS_fsync, fd);
}

static struct pat_users users;
static char folder[64];

static int begin(void **state) {
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/patron-users-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    (void)snprintf(path, sizeof path, "%s/users", folder);
    memset(synced, 0, sizeof synced);
    syncs = fail_sync = 0;
    return 0;
}

static int end(void **state) {
    (void)state;
    char lock[104];
    (void)snprintf(lock, sizeof lock, "%s.lock", path);
    (void)unlink(path);
    (void)unlink(lock);
    return rmdir(folder);
}

static enum pat_status parse(const char *text, struct pat_error *error) {
    return pat_users_parse(&users, pat_text_of(text), error);
}

static void a_file_without_a_format_is_of_the_first(void **state) {
    (void)state;
    static const char *const good[] = {LINE,
                                       "# patron-users 1\n" LINE,
                                       "# users of patron, made by hand\n" LINE,
                                       "# patron-user 7\n" LINE,
                                       LINE "# patron-users 9\n",
                                       "\n" LINE};
    struct pat_error error;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(parse(good[i], &error), PAT_OK);
        assert_int_equal(users.count, 1);
    }
}

static void a_format_that_is_not_known_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"2", "0", "", "x", "1x", "1 2", "4294967297", "18446744073709551617"};
    struct pat_error error;
    char text[512];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(text, sizeof text, "# patron-users %s\n%s", bad[i], LINE);
        assert_int_equal(parse(text, &error), PAT_ERR_BAD_REQUEST);
        assert_non_null(strstr(error.message, "line 1"));
        assert_non_null(strstr(error.message, "up to 1"));
    }
}

static void what_is_written_says_its_format_and_is_read_again(void **state) {
    (void)state;
    static struct pat_users again;
    struct pat_error error;
    char line[64];
    assert_int_equal(parse(LINE, &error), PAT_OK);
    assert_int_equal(pat_users_write(&users, path, &error), PAT_OK);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    (void)fclose(file);
    assert_string_equal(line, "# patron-users 1\n");
    assert_int_equal(pat_users_read(&again, path, &error), PAT_OK);
    assert_true(pat_users_equal(&again, &users));
}

static void what_is_written_is_synced_before_and_its_name_behind_the_rename(void **state) {
    (void)state;
    struct pat_error error;
    assert_int_equal(parse(LINE, &error), PAT_OK);
    assert_int_equal(pat_users_write(&users, path, &error), PAT_OK);
    assert_string_equal(synced, "fD");
    /* A file that is not on the disk takes nobody's place. */
    fail_sync = syncs + 1;
    users.count = 0;
    assert_int_equal(pat_users_write(&users, path, &error), PAT_ERR_IO);
    assert_int_equal(pat_users_read(&users, path, &error), PAT_OK);
    assert_int_equal(users.count, 1);
}

#define WRITERS 8
#define EACH    10

/* Adds some, each time as `patron user add` does. */
static int add_some(int number) {
    struct pat_error error;
    for (int i = 0; i < EACH; i++) {
        struct pat_user user = {.role = PAT_ROLE_READER, .keys = {.iterations = PAT_SCRAM_ITERATIONS_MIN}};
        int lock;
        (void)snprintf(user.name, sizeof user.name, "user%d.%d", number, i);
        if (pat_users_lock(&lock, path, &error) != PAT_OK) return 1;
        if (pat_users_read(&users, path, &error) != PAT_OK || pat_users_put(&users, &user, &error) != PAT_OK ||
            pat_users_write(&users, path, &error) != PAT_OK)
            return 2;
        pat_users_unlock(lock);
    }
    return 0;
}

static void of_many_who_add_at_once_nobody_is_lost(void **state) {
    (void)state;
    struct pat_error error;
    struct stat status;
    pid_t child[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        child[i] = fork();
        assert_true(child[i] >= 0);
        if (child[i] == 0) _exit(add_some(i));
    }
    for (int i = 0; i < WRITERS; i++) {
        int code;
        assert_int_equal(waitpid(child[i], &code, 0), child[i]);
        assert_int_equal(code, 0);
    }
    assert_int_equal(pat_users_read(&users, path, &error), PAT_OK);
    assert_int_equal(users.count, WRITERS * EACH);
    char lock[104];
    (void)snprintf(lock, sizeof lock, "%s.lock", path);
    assert_int_equal(stat(lock, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_without_a_format_is_of_the_first),
        cmocka_unit_test(a_format_that_is_not_known_is_refused),
        cmocka_unit_test_setup_teardown(what_is_written_says_its_format_and_is_read_again, begin, end),
        cmocka_unit_test_setup_teardown(what_is_written_is_synced_before_and_its_name_behind_the_rename, begin, end),
        cmocka_unit_test_setup_teardown(of_many_who_add_at_once_nobody_is_lost, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
