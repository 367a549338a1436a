#include "access/users.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Name, role and keys of the longest line, and its newline. */
#define LINE_BYTES 256u
/* A users file with every user that there can be, and a comment for each. */
#define FILE_BYTES_MAX ((size_t)PAT_USERS_MAX * 2 * LINE_BYTES)

static const char *const role_names[] = {"none", "reader", "loader", "admin"};

const char *pat_role_name(enum pat_role role) {
    return role_names[role];
}

bool pat_role_find(struct pat_text name, enum pat_role *role) {
    for (int i = PAT_ROLE_READER; i <= PAT_ROLE_ADMIN; i++) {
        if (!pat_text_is(name, role_names[i])) continue;
        *role = (enum pat_role)i;
        return true;
    }
    return false;
}

/* ---- text ---------------------------------------------------------------------------------------------------------
 */

/* Takes what stands before `end` off the front; false when `end` is not there. */
static bool take_until(struct pat_text *rest, char end, struct pat_text *out) {
    const char *at = rest->length > 0 ? memchr(rest->data, end, rest->length) : NULL;
    if (at == NULL) return false;
    *out = (struct pat_text){rest->data, (size_t)(at - rest->data)};
    *rest = (struct pat_text){at + 1, rest->length - out->length - 1};
    return true;
}

static bool take_key(struct pat_text text, unsigned char *out, size_t wanted) {
    size_t bytes;
    return pat_base64_decode(text, out, wanted, &bytes) && bytes == wanted;
}

static bool keys_parse(struct pat_scram_keys *keys, struct pat_text text) {
    struct pat_text mechanism, count, salt, stored;
    if (!take_until(&text, '$', &mechanism) || !pat_text_is(mechanism, "SCRAM-SHA-256")) return false;
    if (!take_until(&text, ':', &count) || !take_until(&text, '$', &salt) || !take_until(&text, ':', &stored))
        return false;
    keys->iterations = 0;
    for (size_t i = 0; i < count.length; i++) {
        if (count.data[i] < '0' || count.data[i] > '9' || keys->iterations > PAT_SCRAM_ITERATIONS_MAX) return false;
        keys->iterations = keys->iterations * 10 + (unsigned)(count.data[i] - '0');
    }
    return keys->iterations >= PAT_SCRAM_ITERATIONS_MIN && keys->iterations <= PAT_SCRAM_ITERATIONS_MAX &&
           take_key(salt, keys->salt, sizeof keys->salt) && take_key(stored, keys->stored, sizeof keys->stored) &&
           take_key(text, keys->server, sizeof keys->server);
}

#define FORMAT_WORDS "# patron-users "

/* A number that cannot be read is one that nobody knows. */
static enum pat_status format_check(struct pat_text line, struct pat_error *error) {
    const size_t words = strlen(FORMAT_WORDS);
    if (line.length < words || memcmp(line.data, FORMAT_WORDS, words) != 0) return PAT_OK;
    unsigned format = 0;
    for (size_t i = words; i < line.length && format <= PAT_USERS_FORMAT; i++) {
        const bool digit = line.data[i] >= '0' && line.data[i] <= '9';
        format = digit ? format * 10 + (unsigned)(line.data[i] - '0') : PAT_USERS_FORMAT + 1;
    }
    if (format >= 1 && format <= PAT_USERS_FORMAT) return PAT_OK;
    char shown[32];
    return pat_error_set(
        error, PAT_ERR_BAD_REQUEST, "line 1 of the users file: format %s; this program reads formats up to %u",
        pat_text_printable((struct pat_text){line.data + words, line.length - words}, shown, sizeof shown),
        PAT_USERS_FORMAT);
}

static enum pat_status line_parse(struct pat_users *users, struct pat_text line, unsigned number,
                                  struct pat_error *error) {
    struct pat_user user;
    struct pat_text name, role;
    if (number == 1) PAT_TRY(format_check(line, error));
    if (line.length == 0 || line.data[0] == '#') return PAT_OK;
    if (!take_until(&line, ' ', &name) || !take_until(&line, ' ', &role) || !pat_user_name_valid(name))
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "line %u of the users file is not \"NAME ROLE KEYS\"", number);
    if (!pat_role_find(role, &user.role))
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "line %u of the users file: a role is reader, loader or admin",
                             number);
    if (!keys_parse(&user.keys, line))
        return pat_error_set(error, PAT_ERR_BAD_REQUEST,
                             "line %u of the users file: the keys must read SCRAM-SHA-256$COUNT:SALT$STORED:SERVER",
                             number);
    if (pat_users_find(users, name) != NULL)
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "line %u of the users file: %.*s stands there twice", number,
                             (int)name.length, name.data);
    memcpy(user.name, name.data, name.length);
    user.name[name.length] = '\0';
    return pat_users_put(users, &user, error);
}

enum pat_status pat_users_parse(struct pat_users *out, struct pat_text text, struct pat_error *error) {
    out->count = 0;
    for (unsigned number = 1; text.length > 0; number++) {
        struct pat_text line;
        if (!take_until(&text, '\n', &line)) {
            line = text;
            text.length = 0;
        }
        PAT_TRY(line_parse(out, line, number, error));
    }
    return PAT_OK;
}

static int line_print(const struct pat_user *user, char out[LINE_BYTES]) {
    char salt[4 * ((PAT_SCRAM_SALT_BYTES + 2) / 3) + 1];
    char stored[4 * ((PAT_SHA256_BYTES + 2) / 3) + 1], server[4 * ((PAT_SHA256_BYTES + 2) / 3) + 1];
    pat_base64_encode(user->keys.salt, sizeof user->keys.salt, salt);
    pat_base64_encode(user->keys.stored, sizeof user->keys.stored, stored);
    pat_base64_encode(user->keys.server, sizeof user->keys.server, server);
    return snprintf(out, LINE_BYTES, "%s %s SCRAM-SHA-256$%u:%s$%s:%s\n", user->name, pat_role_name(user->role),
                    user->keys.iterations, salt, stored, server);
}

/* ---- file ---------------------------------------------------------------------------------------------------------
 */

static enum pat_status file_error(struct pat_error *error, const char *path, const char *what) {
    return pat_error_set(error, PAT_ERR_IO, "%.200s: %s", path, what);
}

static enum pat_status read_open(FILE *file, struct pat_users *out, const char *path, struct pat_error *error) {
    struct stat status;
    static const char rule[] = "others than its owner may read or write it; chmod 600 it first";
    if (fstat(fileno(file), &status) != 0) return file_error(error, path, strerror(errno));
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) return file_error(error, path, rule);
    if ((size_t)status.st_size > FILE_BYTES_MAX) return file_error(error, path, "this is no users file: too large");
    char line[LINE_BYTES * 2];
    out->count = 0;
    for (unsigned number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        size_t length = strlen(line);
        if (length > 0 && line[length - 1] == '\n') length--;
        PAT_TRY(line_parse(out, (struct pat_text){line, length}, number, error));
    }
    return ferror(file) == 0 ? PAT_OK : file_error(error, path, strerror(errno));
}

enum pat_status pat_users_read(struct pat_users *out, const char *path, struct pat_error *error) {
    FILE *file = fopen(path, "re");
    out->count = 0;
    if (file == NULL) return errno == ENOENT ? PAT_OK : file_error(error, path, strerror(errno));
    const enum pat_status status = read_open(file, out, path, error);
    (void)fclose(file);
    return status;
}

static bool write_lines(const struct pat_users *users, FILE *file) {
    bool good = fprintf(file, FORMAT_WORDS "%u\n", PAT_USERS_FORMAT) > 0;
    for (unsigned i = 0; i < users->count; i++) {
        char line[LINE_BYTES];
        const int length = line_print(&users->user[i], line);
        good &= length > 0 && fwrite(line, 1, (size_t)length, file) == (size_t)length;
    }
    return good && fflush(file) == 0 && fsync(fileno(file)) == 0;
}

/* So that the rename, too, is there after a power cut. */
static void sync_directory_of(const char *path) {
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const int length = slash == NULL ? 1 : (int)(slash - path) + 1;
    (void)snprintf(directory, sizeof directory, "%.*s", length, slash == NULL ? "." : path);
    const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd);
    (void)close(fd);
}

enum pat_status pat_users_write(const struct pat_users *users, const char *path, struct pat_error *error) {
    char temporary[PATH_MAX];
    const int length = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if (length < 0 || (size_t)length >= sizeof temporary) return file_error(error, path, "the path is too long");
    (void)unlink(temporary);
    const int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file == NULL) {
        const int failed = errno;
        if (fd >= 0) (void)close(fd);
        return file_error(error, temporary, strerror(failed));
    }
    bool good = write_lines(users, file);
    int failed = errno;
    good &= fclose(file) == 0;
    if (good && rename(temporary, path) == 0) {
        sync_directory_of(path);
        return PAT_OK;
    }
    if (good) failed = errno;
    (void)unlink(temporary);
    return file_error(error, path, strerror(failed));
}

/* Not the file itself, which a rename replaces. A file that only its owner may open, so that nobody else can keep him
 * waiting. */
enum pat_status pat_users_lock(int *lock, const char *path, struct pat_error *error) {
    char name[PATH_MAX];
    const int length = snprintf(name, sizeof name, "%s.lock", path);
    if (length < 0 || (size_t)length >= sizeof name) return file_error(error, path, "the path is too long");
    const int fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return file_error(error, name, strerror(errno));
    int failed;
    do {
        failed = flock(fd, LOCK_EX) == 0 ? 0 : errno;
    } while (failed == EINTR);
    if (failed != 0) {
        (void)close(fd);
        return file_error(error, name, strerror(failed));
    }
    *lock = fd;
    return PAT_OK;
}

void pat_users_unlock(int lock) {
    (void)close(lock);
}

/* ---- users --------------------------------------------------------------------------------------------------------
 */

static unsigned user_at(const struct pat_users *users, struct pat_text name) {
    unsigned i = 0;
    while (i < users->count && !pat_text_is(name, users->user[i].name)) i++;
    return i;
}

static bool user_equal(const struct pat_user *a, const struct pat_user *b) {
    return strcmp(a->name, b->name) == 0 && a->role == b->role && a->keys.iterations == b->keys.iterations &&
           memcmp(a->keys.salt, b->keys.salt, sizeof a->keys.salt) == 0 &&
           memcmp(a->keys.stored, b->keys.stored, sizeof a->keys.stored) == 0 &&
           memcmp(a->keys.server, b->keys.server, sizeof a->keys.server) == 0;
}

bool pat_users_equal(const struct pat_users *a, const struct pat_users *b) {
    if (a->count != b->count) return false;
    for (unsigned i = 0; i < a->count; i++) {
        if (!user_equal(&a->user[i], &b->user[i])) return false;
    }
    return true;
}

const struct pat_user *pat_users_find(const struct pat_users *users, struct pat_text name) {
    const unsigned at = user_at(users, name);
    return at < users->count ? &users->user[at] : NULL;
}

enum pat_status pat_users_put(struct pat_users *users, const struct pat_user *user, struct pat_error *error) {
    const unsigned at = user_at(users, pat_text_of(user->name));
    if (at == PAT_USERS_MAX)
        return pat_error_set(error, PAT_ERR_TOO_LARGE, "there are %u users, and no more fit", PAT_USERS_MAX);
    users->user[at] = *user;
    if (at == users->count) users->count++;
    return PAT_OK;
}

bool pat_users_remove(struct pat_users *users, struct pat_text name) {
    const unsigned at = user_at(users, name);
    if (at == users->count) return false;
    users->count--;
    memmove(&users->user[at], &users->user[at + 1], (users->count - at) * sizeof users->user[0]);
    return true;
}
