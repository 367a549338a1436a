#include "folder.h"

#include "base/buf.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Beside the files of a data directory: who holds it, see base/fs.c. */
#define LOCK_NAME      "lock"
#define NAME_MAX_BYTES 32u

static enum pat_status fail(struct pat_error *error, const char *path, const char *verb) {
    char reason[128];
    return pat_error_set(error, errno == ENOSPC ? PAT_ERR_NO_SPACE : PAT_ERR_IO, "%s: cannot %s: %s", path, verb,
                         strerror_r(errno, reason, sizeof reason));
}

enum pat_status pat_folder_free(const char *path, struct pat_error *error) {
    DIR *directory = opendir(path);
    if (directory == NULL && errno == ENOENT) return PAT_OK;
    if (directory == NULL) return fail(error, path, "use this as a new directory");
    unsigned entries = 0;
    for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) entries++;
    (void)closedir(directory);
    if (entries <= 2) return PAT_OK; /* itself and its parent */
    return pat_error_set(error, PAT_ERR_CONFLICT, "%s is not empty; give a directory that is not there yet", path);
}

bool pat_folder_name_fits(struct pat_text name) {
    static const char *const kinds[] = {"journal-", "snapshot-"};
    if (pat_text_is(name, "MANIFEST")) return true;
    for (unsigned i = 0; i < 2; i++) {
        const size_t head = strlen(kinds[i]);
        if (name.length < head + 4 || name.length >= NAME_MAX_BYTES || memcmp(name.data, kinds[i], head) != 0) continue;
        const size_t digits = name.length - head - 3;
        bool fits = memcmp(name.data + head + digits, i == 0 ? ".pj" : ".ps", 3) == 0;
        for (size_t k = 0; k < digits; k++) fits &= name.data[head + k] >= '0' && name.data[head + k] <= '9';
        return fits;
    }
    return false;
}

struct clearing {
    struct pat_buf names; /* each with its NUL */
    enum pat_status status;
};

static void clearing_each(void *context, const char *name) {
    struct clearing *clearing = context;
    const size_t length = strlen(name);
    const bool tmp = length > 4 && strcmp(name + length - 4, ".tmp") == 0;
    if (!pat_folder_name_fits((struct pat_text){name, tmp ? length - 4 : length})) return;
    if (clearing->status == PAT_OK) clearing->status = pat_buf_append(&clearing->names, name, length + 1);
}

enum pat_status pat_folder_clear(struct pat_fs *fs, struct pat_error *error) {
    struct clearing clearing = {.status = PAT_OK};
    pat_buf_init(&clearing.names, PAT_MEM_OTHER);
    enum pat_status status = fs->ops->list(fs, &clearing, error, clearing_each);
    if (status == PAT_OK && clearing.status != PAT_OK) {
        status = pat_error_set(error, clearing.status, "no memory to list the directory");
    }
    for (size_t at = 0; status == PAT_OK && at < clearing.names.length;) {
        const char *name = (const char *)clearing.names.data + at;
        status = fs->ops->remove(fs, name, error);
        at += strlen(name) + 1;
    }
    pat_buf_deinit(&clearing.names);
    return status;
}

void pat_folder_remove(const char *path) {
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)unlinkat(fd, LOCK_NAME, 0);
    (void)close(fd);
    (void)rmdir(path);
}

/* The parent of a path as it was given, "." for a bare name. */
static int parent_open(const char *path) {
    char parent[4096];
    (void)snprintf(parent, sizeof parent, "%s", path);
    size_t length = strlen(parent);
    while (length > 1 && parent[length - 1] == '/') parent[--length] = '\0';
    char *slash = strrchr(parent, '/');
    if (slash == NULL) return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    slash[slash == parent ? 1 : 0] = '\0';
    return open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

enum pat_status pat_folder_rename(const char *from, const char *to, struct pat_error *error) {
    if (rename(from, to) != 0) return fail(error, to, "give the finished directory this name");
    const int fd = parent_open(to);
    if (fd < 0 || fsync(fd) != 0) {
        const enum pat_status status = fail(error, to, "sync the directory it is in");
        if (fd >= 0) (void)close(fd);
        return status;
    }
    (void)close(fd);
    return PAT_OK;
}
