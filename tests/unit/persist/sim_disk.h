/* A disk in memory behind struct pat_fs: knows what was synced and what was only written, which names are durable, and
 * can fail the n-th call, tear, lose what was not synced. Included by tests; one disk per test, any number of threads.
 */
#ifndef PAT_TEST_SIM_DISK_H
#define PAT_TEST_SIM_DISK_H

#include "base/fs.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIM_NAMES  64
#define SIM_SECTOR 512u

struct sim_bytes {
    unsigned char *data;
    size_t length;
};

struct sim_inode {
    struct sim_bytes cache;   /* what processes see */
    struct sim_bytes durable; /* what survives a power cut for certain */
    struct sim_bytes dirty;   /* a byte each: 1 when the next sync would write it. A sync that fails forgets them */
    int users;                /* names and open files */
};

struct sim_name {
    char name[48];
    struct sim_inode *inode;
};

struct sim_disk {
    struct pat_fs base;
    pthread_mutex_t mutex;
    struct sim_name live[SIM_NAMES], durable[SIM_NAMES];
    uint64_t calls;    /* of those that change something */
    uint64_t fail_at;  /* fails with PAT_ERR_IO when calls reaches it; 0: never */
    bool fail_on;      /* and every one after it: the disk is gone */
    bool fail_full;    /* PAT_ERR_NO_SPACE instead */
    bool fail_half;    /* a failing write leaves half of its bytes */
    uint64_t capacity; /* bytes of all files that the disk has room for; 0: any number */
    uint64_t taken_at; /* somebody else takes `taken` bytes at this call; 0: never */
    uint64_t taken;
    uint64_t most; /* bytes of all files at the most */
    uint64_t syncs;
    uint64_t fail_read; /* the n-th read fails; 0: never */
    uint64_t reads;
    const char *bad_name;      /* a file of which the disk cannot read the bytes */
    uint64_t bad_from, bad_to; /* between these */
    uint64_t damage_at;        /* the call that writes something else than it was given, and says nothing; 0: none */
    unsigned damage_eighth;    /* where in it */
    uint64_t failed;
};

struct sim_handle {
    struct pat_file base;
    struct sim_disk *disk;
    struct sim_inode *inode;
    char name[48];
};

/* ---- bytes and inodes ----------------------------------------------------------------------------------------------
 */

static inline void sim_bytes_resize(struct sim_bytes *bytes, size_t length) {
    if (length == 0) {
        free(bytes->data);
        *bytes = (struct sim_bytes){0};
        return;
    }
    unsigned char *data = realloc(bytes->data, length);
    if (data == NULL) abort();
    if (length > bytes->length) memset(data + bytes->length, 0, length - bytes->length);
    *bytes = (struct sim_bytes){data, length};
}

static inline void sim_bytes_copy(struct sim_bytes *to, const struct sim_bytes *from) {
    sim_bytes_resize(to, from->length);
    if (from->length > 0) memcpy(to->data, from->data, from->length);
}

static inline void sim_inode_drop(struct sim_inode *inode) {
    if (inode == NULL || --inode->users > 0) return;
    free(inode->cache.data);
    free(inode->durable.data);
    free(inode->dirty.data);
    free(inode);
}

static inline struct sim_name *sim_find(struct sim_name *names, const char *name) {
    for (int i = 0; i < SIM_NAMES; i++) {
        if (names[i].inode != NULL && strcmp(names[i].name, name) == 0) return &names[i];
    }
    return NULL;
}

static inline void sim_name_set(struct sim_name *names, const char *name, struct sim_inode *inode) {
    struct sim_name *slot = sim_find(names, name);
    for (int i = 0; slot == NULL && i < SIM_NAMES; i++) {
        if (names[i].inode == NULL) slot = &names[i];
    }
    if (slot == NULL) abort();
    inode->users++;
    sim_inode_drop(slot->inode);
    if (slot->name != name) (void)snprintf(slot->name, sizeof slot->name, "%s", name);
    slot->inode = inode;
}

static inline void sim_names_clear(struct sim_name *names) {
    for (int i = 0; i < SIM_NAMES; i++) {
        sim_inode_drop(names[i].inode);
        names[i].inode = NULL;
    }
}

static inline void sim_names_copy(struct sim_name *to, const struct sim_name *from) {
    struct sim_name old[SIM_NAMES];
    memcpy(old, to, sizeof old);
    memcpy(to, from, sizeof old);
    for (int i = 0; i < SIM_NAMES; i++) {
        if (to[i].inode != NULL) to[i].inode->users++;
    }
    sim_names_clear(old);
}

/* ---- calls
 * ------------------------------------------------------------------------------------------------------------ */

static inline struct sim_disk *sim_of(struct pat_fs *fs) {
    return (struct sim_disk *)fs;
}

/* Counts a call that changes something; true when it is to fail. */
static inline bool sim_fails(struct sim_disk *disk) {
    disk->calls++;
    bool fails = disk->fail_at != 0 && (disk->fail_on ? disk->calls >= disk->fail_at : disk->calls == disk->fail_at);
    disk->failed += fails;
    return fails;
}

static inline enum pat_status sim_error(const struct sim_disk *disk, struct pat_error *error, const char *name,
                                        const char *verb) {
    enum pat_status status = disk->fail_full ? PAT_ERR_NO_SPACE : PAT_ERR_IO;
    return pat_error_set(error, status, "%s: cannot %s: simulated", name, verb);
}

static const struct pat_fs_ops sim_ops;

static inline enum pat_status sim_file_open(struct pat_fs *fs, struct pat_file **out, const char *name,
                                            enum pat_file_mode mode, struct pat_error *error) {
    struct sim_disk *disk = sim_of(fs);
    enum pat_status status = PAT_OK;
    pthread_mutex_lock(&disk->mutex);
    struct sim_name *slot = sim_find(disk->live, name);
    if (mode == PAT_FILE_CREATE || mode == PAT_FILE_STREAM) {
        if (sim_fails(disk) || slot != NULL) {
            status = sim_error(disk, error, name, "create");
        } else {
            struct sim_inode *inode = calloc(1, sizeof *inode);
            if (inode == NULL) abort();
            sim_name_set(disk->live, name, inode);
            slot = sim_find(disk->live, name);
        }
    } else if (slot == NULL) {
        status = pat_error_set(error, PAT_ERR_NOT_FOUND, "%s: no such file", name);
    }
    if (status == PAT_OK) {
        struct sim_handle *handle = calloc(1, sizeof *handle);
        if (handle == NULL) abort();
        handle->base.ops = &sim_ops;
        handle->disk = disk;
        handle->inode = slot->inode;
        handle->inode->users++;
        (void)snprintf(handle->name, sizeof handle->name, "%s", name);
        *out = &handle->base;
    }
    pthread_mutex_unlock(&disk->mutex);
    return status;
}

static inline void sim_file_close(struct pat_file **file) {
    struct sim_handle *handle = (struct sim_handle *)*file;
    pthread_mutex_lock(&handle->disk->mutex);
    sim_inode_drop(handle->inode);
    pthread_mutex_unlock(&handle->disk->mutex);
    free(handle);
    *file = NULL;
}

/* What all files take. */
static inline uint64_t sim_used(const struct sim_disk *disk) {
    uint64_t used = 0;
    for (int i = 0; i < SIM_NAMES; i++) used += disk->live[i].inode != NULL ? disk->live[i].inode->cache.length : 0;
    return used;
}

/* Bytes by which a file may still grow. */
static inline uint64_t sim_room(const struct sim_disk *disk) {
    if (disk->capacity == 0) return UINT64_MAX / 2;
    const uint64_t others = disk->taken_at != 0 && disk->calls >= disk->taken_at ? disk->taken : 0;
    const uint64_t used = sim_used(disk) + others;
    return used < disk->capacity ? disk->capacity - used : 0;
}

static inline void sim_put(struct sim_inode *inode, uint64_t offset, const void *data, size_t bytes) {
    if (bytes == 0) return;
    if (offset + bytes > inode->cache.length) sim_bytes_resize(&inode->cache, (size_t)offset + bytes);
    memcpy(inode->cache.data + offset, data, bytes);
    if (offset + bytes > inode->dirty.length) sim_bytes_resize(&inode->dirty, (size_t)offset + bytes);
    memset(inode->dirty.data + offset, 1, bytes);
}

static inline enum pat_status sim_file_write_at(struct pat_file *file, uint64_t offset, const void *data, size_t bytes,
                                                struct pat_error *error) {
    struct sim_handle *handle = (struct sim_handle *)file;
    pthread_mutex_lock(&handle->disk->mutex);
    bool fails = sim_fails(handle->disk);
    size_t kept = !fails ? bytes : handle->disk->fail_half ? bytes / 2 : 0;
    const uint64_t end = handle->inode->cache.length, room = sim_room(handle->disk);
    const bool full = offset + kept > end && offset + kept - end > room;
    if (full) kept = offset < end + room ? (size_t)(end + room - offset) : 0;
    sim_put(handle->inode, offset, data, kept);
    const uint64_t used = sim_used(handle->disk);
    if (used > handle->disk->most) handle->disk->most = used;
    if (handle->disk->damage_at == handle->disk->calls && kept > 0) {
        handle->inode->cache.data[offset + kept * handle->disk->damage_eighth / 8] ^= 1;
        handle->disk->failed++;
    }
    enum pat_status status = fails ? sim_error(handle->disk, error, handle->name, "write") : PAT_OK;
    if (!fails && full) status = pat_error_set(error, PAT_ERR_NO_SPACE, "%s: cannot write: disk full", handle->name);
    pthread_mutex_unlock(&handle->disk->mutex);
    return status;
}

/* As fallocate does: the length may be lost with the power like anything else that is not synced. */
static inline enum pat_status sim_file_reserve(struct pat_file *file, uint64_t bytes, struct pat_error *error) {
    struct sim_handle *handle = (struct sim_handle *)file;
    pthread_mutex_lock(&handle->disk->mutex);
    struct sim_bytes *cache = &handle->inode->cache;
    const bool fails = sim_fails(handle->disk);
    const bool full = bytes > cache->length && bytes - cache->length > sim_room(handle->disk);
    if (!fails && !full && bytes > cache->length) sim_bytes_resize(cache, (size_t)bytes);
    enum pat_status status = fails ? sim_error(handle->disk, error, handle->name, "reserve room") : PAT_OK;
    if (!fails && full) status = pat_error_set(error, PAT_ERR_NO_SPACE, "%s: cannot reserve: disk full", handle->name);
    pthread_mutex_unlock(&handle->disk->mutex);
    return status;
}

static inline enum pat_status sim_file_read_at(struct pat_file *file, uint64_t offset, void *data, size_t bytes,
                                               size_t *got, struct pat_error *error) {
    struct sim_handle *handle = (struct sim_handle *)file;
    enum pat_status status = PAT_OK;
    pthread_mutex_lock(&handle->disk->mutex);
    const struct sim_bytes *cache = &handle->inode->cache;
    uint64_t left = offset < cache->length ? cache->length - offset : 0;
    *got = left < bytes ? (size_t)left : bytes;
    const bool bad = handle->disk->bad_name != NULL && strcmp(handle->disk->bad_name, handle->name) == 0 &&
                     offset < handle->disk->bad_to && offset + *got > handle->disk->bad_from;
    if (++handle->disk->reads == handle->disk->fail_read || bad) {
        *got = 0;
        status = sim_error(handle->disk, error, handle->name, "read");
    } else if (*got > 0) {
        memcpy(data, cache->data + offset, *got);
    }
    pthread_mutex_unlock(&handle->disk->mutex);
    return status;
}

static inline enum pat_status sim_file_size(struct pat_file *file, uint64_t *bytes, struct pat_error *error) {
    struct sim_handle *handle = (struct sim_handle *)file;
    (void)error;
    pthread_mutex_lock(&handle->disk->mutex);
    *bytes = handle->inode->cache.length;
    pthread_mutex_unlock(&handle->disk->mutex);
    return PAT_OK;
}

static inline enum pat_status sim_file_truncate(struct pat_file *file, uint64_t bytes, struct pat_error *error) {
    struct sim_handle *handle = (struct sim_handle *)file;
    pthread_mutex_lock(&handle->disk->mutex);
    bool fails = sim_fails(handle->disk);
    if (!fails) sim_bytes_resize(&handle->inode->cache, (size_t)bytes);
    enum pat_status status = fails ? sim_error(handle->disk, error, handle->name, "truncate") : PAT_OK;
    pthread_mutex_unlock(&handle->disk->mutex);
    return status;
}

/* The pages of a failed sync are clean afterwards all the same, and the next sync has nothing to write. */
static inline void sim_flush(struct sim_inode *inode, bool writes) {
    if (writes) {
        sim_bytes_resize(&inode->durable, inode->cache.length);
        for (size_t i = 0; i < inode->dirty.length && i < inode->cache.length; i++) {
            if (inode->dirty.data[i] != 0) inode->durable.data[i] = inode->cache.data[i];
        }
    }
    sim_bytes_resize(&inode->dirty, 0);
}

static inline enum pat_status sim_file_sync(struct pat_file *file, struct pat_error *error) {
    struct sim_handle *handle = (struct sim_handle *)file;
    pthread_mutex_lock(&handle->disk->mutex);
    bool fails = sim_fails(handle->disk);
    handle->disk->syncs++;
    sim_flush(handle->inode, !fails);
    enum pat_status status = fails ? sim_error(handle->disk, error, handle->name, "sync") : PAT_OK;
    pthread_mutex_unlock(&handle->disk->mutex);
    return status;
}

static inline enum pat_status sim_rename(struct pat_fs *fs, const char *from, const char *to, struct pat_error *error) {
    struct sim_disk *disk = sim_of(fs);
    pthread_mutex_lock(&disk->mutex);
    bool fails = sim_fails(disk);
    if (!fails) {
        struct sim_name *slot = sim_find(disk->live, from);
        if (slot == NULL) abort();
        struct sim_inode *inode = slot->inode;
        sim_name_set(disk->live, to, inode);
        sim_inode_drop(slot->inode);
        slot->inode = NULL;
    }
    enum pat_status status = fails ? sim_error(disk, error, from, "rename") : PAT_OK;
    pthread_mutex_unlock(&disk->mutex);
    return status;
}

static inline enum pat_status sim_remove(struct pat_fs *fs, const char *name, struct pat_error *error) {
    struct sim_disk *disk = sim_of(fs);
    enum pat_status status = PAT_OK;
    pthread_mutex_lock(&disk->mutex);
    struct sim_name *slot = sim_find(disk->live, name);
    if (slot == NULL) {
        status = pat_error_set(error, PAT_ERR_NOT_FOUND, "%s: no such file", name);
    } else if (sim_fails(disk)) {
        status = sim_error(disk, error, name, "remove");
    } else {
        sim_inode_drop(slot->inode);
        slot->inode = NULL;
    }
    pthread_mutex_unlock(&disk->mutex);
    return status;
}

static inline enum pat_status sim_sync_dir(struct pat_fs *fs, struct pat_error *error) {
    struct sim_disk *disk = sim_of(fs);
    pthread_mutex_lock(&disk->mutex);
    bool fails = sim_fails(disk);
    if (!fails) sim_names_copy(disk->durable, disk->live);
    enum pat_status status = fails ? sim_error(disk, error, ".", "sync") : PAT_OK;
    pthread_mutex_unlock(&disk->mutex);
    return status;
}

static inline enum pat_status sim_list(struct pat_fs *fs, void *context, struct pat_error *error,
                                       void (*each_cb)(void *context, const char *name)) {
    struct sim_disk *disk = sim_of(fs);
    (void)error;
    for (int i = 0; i < SIM_NAMES; i++) {
        if (disk->live[i].inode != NULL) each_cb(context, disk->live[i].name);
    }
    return PAT_OK;
}

static inline enum pat_status sim_space(struct pat_fs *fs, uint64_t *free_bytes, uint64_t *all_bytes,
                                        struct pat_error *error) {
    struct sim_disk *disk = sim_of(fs);
    (void)error;
    pthread_mutex_lock(&disk->mutex);
    *free_bytes = sim_room(disk);
    *all_bytes = disk->capacity == 0 ? UINT64_MAX / 2 : disk->capacity;
    pthread_mutex_unlock(&disk->mutex);
    return PAT_OK;
}

static inline void sim_close(struct pat_fs **fs) {
    *fs = NULL;
}

static const struct pat_fs_ops sim_ops = {
    .file_open = sim_file_open,
    .file_close = sim_file_close,
    .file_write_at = sim_file_write_at,
    .file_read_at = sim_file_read_at,
    .file_size = sim_file_size,
    .file_reserve = sim_file_reserve,
    .file_truncate = sim_file_truncate,
    .file_sync = sim_file_sync,
    .rename = sim_rename,
    .remove = sim_remove,
    .sync_dir = sim_sync_dir,
    .list = sim_list,
    .space = sim_space,
    .close = sim_close,
};

/* ---- the disk
 * --------------------------------------------------------------------------------------------------------- */

static inline void sim_init(struct sim_disk *disk) {
    *disk = (struct sim_disk){.base.ops = &sim_ops};
    (void)pthread_mutex_init(&disk->mutex, NULL);
}

static inline void sim_deinit(struct sim_disk *disk) {
    sim_names_clear(disk->live);
    sim_names_clear(disk->durable);
    (void)pthread_mutex_destroy(&disk->mutex);
}

static inline void sim_faults_off(struct sim_disk *disk) {
    disk->fail_at = disk->fail_read = 0;
    disk->fail_on = disk->fail_half = disk->fail_full = false;
}

static inline uint64_t sim_calls(struct sim_disk *disk) {
    pthread_mutex_lock(&disk->mutex);
    uint64_t calls = disk->calls;
    pthread_mutex_unlock(&disk->mutex);
    return calls;
}

static inline void sim_fail_after(struct sim_disk *disk, uint64_t calls) {
    pthread_mutex_lock(&disk->mutex);
    disk->fail_at = disk->calls + calls;
    pthread_mutex_unlock(&disk->mutex);
}

/* A copy as processes see it, everything durable. */
static inline void sim_copy(struct sim_disk *to, struct sim_disk *from) {
    sim_init(to);
    pthread_mutex_lock(&from->mutex);
    for (int i = 0; i < SIM_NAMES; i++) {
        if (from->live[i].inode == NULL) continue;
        struct sim_inode *inode = calloc(1, sizeof *inode);
        if (inode == NULL) abort();
        sim_bytes_copy(&inode->cache, &from->live[i].inode->cache);
        sim_bytes_copy(&inode->durable, &inode->cache);
        sim_name_set(to->live, from->live[i].name, inode);
    }
    pthread_mutex_unlock(&from->mutex);
    sim_names_copy(to->durable, to->live);
}

static inline struct sim_bytes *sim_bytes_of(struct sim_disk *disk, const char *name) {
    struct sim_name *slot = sim_find(disk->live, name);
    return slot != NULL ? &slot->inode->cache : NULL;
}

static inline uint64_t sim_random(uint64_t *state) {
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Of what was written but not synced each sector may have reached the disk or not, and the file may have any length
 * between. */
static inline void sim_tear(struct sim_inode *inode, uint64_t *random) {
    struct sim_bytes *cache = &inode->cache, *durable = &inode->durable, torn = {0};
    sim_bytes_copy(&torn, durable);
    size_t low = durable->length < cache->length ? durable->length : cache->length;
    size_t high = durable->length < cache->length ? cache->length : durable->length;
    size_t length = low + (size_t)(sim_random(random) % (high - low + 1));
    if (sim_random(random) % 4 == 0) length = high;
    sim_bytes_resize(&torn, length);
    for (size_t at = 0; at < length; at += SIM_SECTOR) {
        size_t here = length - at < SIM_SECTOR ? length - at : SIM_SECTOR;
        if (at + here > cache->length || sim_random(random) % 2 == 0) continue;
        memcpy(torn.data + at, cache->data + at, here);
    }
    free(durable->data);
    *durable = torn;
}

/* One name becomes on disk what processes see, or stays what was synced last. */
static inline void sim_name_settle(struct sim_disk *disk, const char *name) {
    struct sim_name *live = sim_find(disk->live, name), *durable = sim_find(disk->durable, name);
    if (live != NULL) {
        sim_name_set(disk->durable, name, live->inode);
    } else if (durable != NULL) {
        sim_inode_drop(durable->inode);
        durable->inode = NULL;
    }
}

/* The power goes. Names fall back to the last sync of the directory, files to their last sync; with `tear` any part of
 * what came after may be there as well, in any order. No file may be open. */
static inline void sim_power_cut(struct sim_disk *disk, uint64_t *random, bool tear) {
    for (int i = 0; tear && i < SIM_NAMES; i++) {
        if (disk->durable[i].inode != NULL && sim_random(random) % 2 == 0) sim_name_settle(disk, disk->durable[i].name);
        if (disk->live[i].inode != NULL && sim_random(random) % 2 == 0) sim_name_settle(disk, disk->live[i].name);
    }
    sim_names_copy(disk->live, disk->durable);
    for (int i = 0; i < SIM_NAMES; i++) {
        struct sim_inode *inode = disk->live[i].inode;
        if (inode == NULL) continue;
        if (tear) sim_tear(inode, random);
        sim_bytes_copy(&inode->cache, &inode->durable);
    }
}

#endif
