/* Who may log in: a text file, one user a line, as `patron user` keeps it and the server reads it.
 *
 *   # patron-users 1
 *   ana reader SCRAM-SHA-256$10000:SALT$STORED:SERVER
 *
 * The first line says the format; a file without it is of format 1. A program reads every format up to its own, refuses
 * those above, which may mean something else by the same line, and writes its own. Other lines that begin with # are
 * comments, and are gone when the file is written again.
 *
 * The keys stand in the form that PostgreSQL uses, so that they can be made with other tools, too. */
#ifndef PAT_ACCESS_USERS_H
#define PAT_ACCESS_USERS_H

#include "access/scram.h"
#include "base/status.h"

#include <stddef.h>

/* What a connection may do. `schema` and the room's README list the methods of each. */
enum pat_role {
    PAT_ROLE_NONE, /* before login */
    PAT_ROLE_READER,
    PAT_ROLE_LOADER,
    PAT_ROLE_ADMIN,
};
const char *pat_role_name(enum pat_role role);
/* False for anything but "reader", "loader", "admin". */
bool pat_role_find(struct pat_text name, enum pat_role *role);

/* Dashboards and loaders have users, people's accounts are elsewhere: hundreds, not thousands. */
#define PAT_USERS_MAX 1024u

struct pat_user {
    char name[PAT_USER_BYTES_MAX + 1];
    enum pat_role role;
    struct pat_scram_keys keys;
};

struct pat_users {
    unsigned count;
    struct pat_user user[PAT_USERS_MAX];
};

#define PAT_USERS_FORMAT 1u

/* Reads the text of a users file. PAT_ERR_BAD_REQUEST naming the line. */
enum pat_status pat_users_parse(struct pat_users *out, struct pat_text text, struct pat_error *error) PAT_MUST_CHECK;
/* Reads the file; no such file is nobody. PAT_ERR_IO also when others than its owner may read or write it. */
enum pat_status pat_users_read(struct pat_users *out, const char *path, struct pat_error *error) PAT_MUST_CHECK;
/* tmp (mode 0600), fsync, rename: a server that reads at the same time sees the old or the new one. */
enum pat_status pat_users_write(const struct pat_users *users, const char *path,
                                struct pat_error *error) PAT_MUST_CHECK;

/* Waits until nobody else changes the file, and keeps others from it until the lock is given back, or the process ends:
 * from reading to writing, so that of two that change it at once both do. Readers need none. The lock is on PATH.lock,
 * which stays. */
enum pat_status pat_users_lock(int *lock, const char *path, struct pat_error *error) PAT_MUST_CHECK;
void pat_users_unlock(int lock);

/* The same users in the same order, with the same roles and passwords. */
bool pat_users_equal(const struct pat_users *a, const struct pat_users *b);
/* NULL when there is none. */
const struct pat_user *pat_users_find(const struct pat_users *users, struct pat_text name);
/* Adds a user, or replaces the one of that name. PAT_ERR_TOO_LARGE over PAT_USERS_MAX. */
enum pat_status pat_users_put(struct pat_users *users, const struct pat_user *user,
                              struct pat_error *error) PAT_MUST_CHECK;
/* False when there is none. */
bool pat_users_remove(struct pat_users *users, struct pat_text name);

#endif
