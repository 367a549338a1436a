/* Damage to a data directory, thousands of times a second: the directory is kept in memory, changed, written to a
 * folder (best on tmpfs) and opened by the engine itself, in this process.
 *
 *   battery_damage MODE SET SCRATCH SEED COUNT SECONDS
 *
 * MODE is "bits" (one flipped bit: each byte of a small set first, others at random), or "files" (every file cut at
 * each 512 bytes, missing, swapped with another, an older one of its name, with garbage behind it, with a page of
 * zeros). SET holds whole/ (what is damaged), clean (a file that is there when whole/ was stopped in order), and
 * at-LSN/, the same directory as it was after each batch: what must be in the store at that lsn, and where older files
 * come from.
 *
 * After each change the store must either hold exactly what was there and have told what it met, or refuse and name
 * the file. What is refused is opened once more as with --salvage: each batch that is read then is the one that was
 * acknowledged under its lsn, and each that is not lies in a range that is named. One way out is documented
 * (src/persist/README.md): in a directory that was not stopped in order the end of the last journal file may be gone
 * without a trace; then it must say what it cut, or have nothing to cut. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ingest/ingest.h"
#include "model/zone.h"
#include "persist/persist.h"
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the Python tests start their servers with. */
#define ZONE     "Europe/London"
#define CURRENCY "GBP"

#define FILES_MAX    64
#define STATES_MAX   256
#define PAGE_BYTES   4096u
#define SECTOR_BYTES 512u
/* Sets up to this size have each of their bytes damaged. */
#define SMALL_BYTES    ((size_t)64 << 10)
#define VIOLATIONS_MAX 10u
/* Of the flipped bits that are refused, one in so many is opened as with --salvage, which reads all there is. */
#define SALVAGE_STEP 16u

/* ---- files in memory --------------------------------------------------------------------------------------------- */

/* Journal files end in room that was taken ahead: `bytes` are what comes before those zeros. */
struct file {
    char name[48];
    unsigned char *data;
    size_t bytes;
    size_t length; /* of the file */
};

struct image {
    struct file file[FILES_MAX];
    unsigned files;
};

static void die(const char *what, const char *name) {
    (void)fprintf(stderr, "battery_damage: %s: %s\n", what, name);
    exit(EXIT_FAILURE);
}

static void *take(size_t bytes) {
    void *memory = malloc(bytes > 0 ? bytes : 1);
    if (memory == NULL) die("no memory", "malloc");
    return memory;
}

static void file_read(struct file *file, const char *folder, const char *name) {
    char path[512];
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)snprintf(file->name, sizeof file->name, "%s", name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) die("cannot open", path);
    /* What is behind the first hole is room. */
    const off_t hole = lseek(fd, 0, SEEK_HOLE);
    file->length = (size_t)info.st_size;
    file->bytes = hole >= 0 ? (size_t)hole : file->length;
    if (lseek(fd, 0, SEEK_SET) != 0) die("cannot read", path);
    file->data = take(file->bytes);
    if (read(fd, file->data, file->bytes) != (ssize_t)file->bytes) die("cannot read", path);
    while (file->bytes > 0 && file->data[file->bytes - 1] == 0) file->bytes--;
    file->data = realloc(file->data, file->bytes > 0 ? file->bytes : 1);
    if (file->data == NULL) die("no memory", path);
    (void)close(fd);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static void image_read(struct image *image, const char *folder) {
    DIR *directory = opendir(folder);
    if (directory == NULL) die("cannot list", folder);
    image->files = 0;
    for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "lock") == 0) continue;
        if (image->files == FILES_MAX) die("too many files", folder);
        file_read(&image->file[image->files++], folder, entry->d_name);
    }
    (void)closedir(directory);
    qsort(image->file, image->files, sizeof image->file[0], by_name);
}

static void folder_empty(const char *folder) {
    char path[512];
    DIR *directory = opendir(folder);
    if (directory == NULL) die("cannot list", folder);
    for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (entry->d_name[0] == '.') continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        (void)unlink(path);
    }
    (void)closedir(directory);
}

static void image_write(const struct image *image, const char *folder) {
    char path[512];
    folder_empty(folder);
    for (unsigned i = 0; i < image->files; i++) {
        const struct file *file = &image->file[i];
        (void)snprintf(path, sizeof path, "%s/%s", folder, file->name);
        const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, file->data, file->bytes) != (ssize_t)file->bytes ||
            ftruncate(fd, (off_t)file->length) != 0)
            die("cannot write", path);
        (void)close(fd);
    }
}

static size_t image_bytes(const struct image *image) {
    size_t bytes = 0;
    for (unsigned i = 0; i < image->files; i++) bytes += image->file[i].bytes;
    return bytes;
}

/* ---- what a store holds ------------------------------------------------------------------------------------------ */

static struct pat_digest digest_text(struct pat_digest digest, struct pat_text text) {
    digest = pat_digest_chain(digest, &text.length, sizeof text.length);
    return pat_digest_chain(digest, text.data, text.length);
}

static struct pat_digest digest_column(struct pat_digest digest, const struct pat_store *store,
                                       const struct pat_table *table, unsigned c) {
    const bool id = c == 0 && table->id != PAT_LINES && table->id != PAT_FX;
    for (pat_row row = 0; row < table->rows; row++) {
        const int64_t value = pat_table_get(table, c, row);
        if (id && value < 0) {
            digest = digest_text(digest, pat_heap_get(&store->heap, (uint64_t)~value));
        } else if (table->dict[c] != NULL && value != PAT_NULL) {
            digest = digest_text(digest, pat_dict_text(table->dict[c], (uint32_t)value));
        } else {
            digest = pat_digest_chain(digest, &value, sizeof value);
        }
    }
    return digest;
}

/* Everything: the aggregates of customers are columns, too. */
static struct pat_digest digest_store(const struct pat_store *store) {
    struct pat_digest digest = pat_digest_of(&store->lsn, sizeof store->lsn);
    for (int t = 0; t < PAT_TABLES; t++) {
        const struct pat_table *table = &store->table[t];
        digest = pat_digest_chain(digest, &table->rows, sizeof table->rows);
        for (unsigned c = 0; c < table->schema->columns; c++) digest = digest_column(digest, store, table, c);
    }
    struct pat_buf producers;
    pat_buf_init(&producers, PAT_MEM_OTHER);
    if (pat_producers_write(&store->producers, &producers) != PAT_OK) die("no memory", "producers");
    digest = pat_digest_chain(digest, producers.data, producers.length);
    pat_buf_deinit(&producers);
    const uint64_t counts[] = {store->counts.customers, store->counts.orders, store->counts.refunds,
                               store->counts.pending_refunds, store->counts.unpriced};
    return pat_digest_chain(digest, counts, sizeof counts);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/* What became of one damaged directory. */
struct outcome {
    enum pat_status status;
    struct pat_error error;
    pat_lsn lsn;
    struct pat_digest digest;
    char note[512];
    bool told; /* by the note of recovery, or by verify */
};

/* No helpers for a restore, which goes on without: what is tried is judgement, and beginning and joining threads takes
 * ten times as long as all the rest. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*routine)(void *), void *argument) {
    (void)thread, (void)attributes, (void)routine, (void)argument;
    return EAGAIN;
}

struct opened {
    struct pat_fs *fs;
    struct pat_persist *persist;
    struct pat_store *store;
    struct pat_recovery recovery;
    bool salvage;
    struct pat_digest snapshot; /* of the store before the first batch */
    bool any;                   /* a batch was read */
    bool seen[STATES_MAX];      /* this one */
    struct pat_digest batch[STATES_MAX];
};

/* As the engine replays; the sets hold batches alone. */
static enum pat_status replay(void *context, const struct pat_entry *entry, struct pat_error *error) {
    struct opened *opened = context;
    struct pat_store *store = opened->store;
    if (opened->salvage && !opened->any) opened->snapshot = digest_store(store);
    if (opened->salvage && entry->lsn > store->lsn) store->lsn = entry->lsn - 1;
    if (entry->kind != PAT_ENTRY_BATCH || entry->lsn != store->lsn + 1 || entry->lsn >= STATES_MAX) {
        return pat_error_set(error, PAT_ERR_CORRUPT, "an entry that nobody wrote: lsn %" PRIu64, entry->lsn);
    }
    opened->any = opened->seen[entry->lsn] = true;
    opened->batch[entry->lsn] = entry->batch->digest;
    struct pat_batch_outcome outcome;
    pat_ingest_apply(store, entry->batch, entry->lsn, &outcome);
    return PAT_OK;
}

/* Everything that a start does before it writes. */
static enum pat_status open_all(struct opened *opened, const char *folder, struct pat_error *error) {
    static struct pat_zone *zone;
    if (zone == NULL && pat_zone_open(&zone, ZONE, error) != PAT_OK) die("no such zone", ZONE);
    struct pat_settings settings = {.zone = ZONE, .base_currency = CURRENCY};
    const struct pat_store_options options = {
        .zone = zone, .base_currency = CURRENCY, .entropy = "battery", .entropy_bytes = 7};
    if (pat_fs_open_dir(&opened->fs, folder, error) != PAT_OK) die("cannot open", folder);
    if (pat_store_open(&opened->store, &options, error) != PAT_OK) die("no store", folder);
    const struct pat_persist_options persist = {
        .fs = opened->fs, .sync = PAT_SYNC_ALWAYS, .seed = 1, .read_only = opened->salvage, .salvage = opened->salvage};
    PAT_TRY(pat_persist_open(&opened->persist, &persist, &settings, error));
    return pat_persist_recover(opened->persist, opened->store, replay, opened, &opened->recovery, error);
}

static void close_all(struct opened *opened) {
    pat_persist_close(&opened->persist);
    pat_store_close(&opened->store);
    opened->fs->ops->close(&opened->fs);
}

static struct outcome open_folder(const char *folder, struct opened *opened) {
    struct outcome out = {.error = {.message = ""}};
    *opened = (struct opened){.fs = NULL};
    out.status = open_all(opened, folder, &out.error);
    if (out.status == PAT_OK) {
        out.lsn = opened->store->lsn;
        out.digest = digest_store(opened->store);
        memcpy(out.note, opened->recovery.note, sizeof out.note);
        out.told = out.note[0] != '\0';
        uint64_t checks = 0;
        struct pat_error error = {.message = ""};
        if (!out.told) out.told = pat_persist_verify(opened->persist, &checks, &error) != PAT_OK;
    }
    close_all(opened);
    return out;
}

/* ---- judging ----------------------------------------------------------------------------------------------------- */

struct battery {
    struct image whole;
    struct image older[STATES_MAX]; /* [states]: the directory after each batch */
    struct pat_digest state[STATES_MAX];
    pat_lsn state_lsn[STATES_MAX];
    struct pat_digest batch[STATES_MAX]; /* [lsn]: the one that was acknowledged, */
    bool known[STATES_MAX];              /* when no snapshot was taken right behind it */
    unsigned states;
    struct pat_digest digest; /* of the whole */
    pat_lsn lsn;
    bool clean, every_file;
    const char *scratch;
    uint64_t seed, random, count, deadline_ns;
    uint64_t tried, hit, exact, untold, refused, salvaged, lost, cut, gap, violations;
};

/* What is being tried, for whoever reads that this program died. */
static char trying[256];

static void died(int signal_number) {
    static const char text[] = "\nVIOLATION: the engine died on: ";
    (void)!write(STDOUT_FILENO, text, sizeof text - 1);
    (void)!write(STDOUT_FILENO, trying, strlen(trying));
    (void)!write(STDOUT_FILENO, "\n", 1);
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

static uint64_t random_next(struct battery *battery) {
    uint64_t *x = &battery->random;
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static bool is_earlier_state(const struct battery *battery, const struct outcome *out) {
    for (unsigned i = 0; i < battery->states; i++) {
        if (battery->state_lsn[i] == out->lsn && pat_digest_equal(battery->state[i], out->digest)) return true;
    }
    return false;
}

static const char *last_journal(const struct battery *battery) {
    const char *name = "";
    for (unsigned i = 0; i < battery->whole.files; i++) {
        if (strncmp(battery->whole.file[i].name, "journal-", 8) == 0) name = battery->whole.file[i].name;
    }
    return name;
}

/* The documented gap: the tail of the last journal of a directory that was not stopped in order. */
static bool may_be_cut(const struct battery *battery, const struct file *file) {
    return !battery->clean && strcmp(file->name, last_journal(battery)) == 0;
}

static void violation(struct battery *battery, const char *what, const struct outcome *out) {
    battery->violations++;
    (void)printf("VIOLATION: %s: %s (seed %" PRIu64 "): status %s, lsn %" PRIu64 ", error \"%s\", note \"%s\"\n",
                 trying, what, battery->seed, out->status == PAT_OK ? "OK" : pat_status_code(out->status), out->lsn,
                 out->error.message, out->note);
    (void)fflush(stdout);
}

static bool is_named(const struct pat_recovery *recovery, pat_lsn lsn) {
    for (unsigned i = 0; i < recovery->losses; i++) {
        const struct pat_loss *loss = &recovery->loss[i];
        if (lsn >= loss->first && (loss->last == 0 || lsn <= loss->last)) return true;
    }
    return false;
}

/* False only when it is known what the store held at that lsn. */
static bool may_be_state(const struct battery *battery, pat_lsn lsn, struct pat_digest digest) {
    for (unsigned i = 0; i < battery->states; i++) {
        if (battery->state_lsn[i] == lsn) return pat_digest_equal(battery->state[i], digest);
    }
    return true;
}

/* What is wrong with what --salvage makes of the directory; NULL when nothing is. */
static const char *salvage_fault(struct battery *battery, const struct opened *opened) {
    const struct pat_recovery *recovery = &opened->recovery;
    if (recovery->losses == 0) return "--salvage says that nothing is lost";
    if (!may_be_state(battery, recovery->snapshot_lsn, opened->snapshot)) return "--salvage begins with another state";
    for (pat_lsn lsn = recovery->snapshot_lsn + 1; lsn < STATES_MAX; lsn++) {
        const bool seen = opened->seen[lsn];
        if (seen && lsn > battery->lsn) return "--salvage serves a batch that nobody sent";
        if (lsn > battery->lsn) continue;
        if (seen && battery->known[lsn] && !pat_digest_equal(opened->batch[lsn], battery->batch[lsn]))
            return "--salvage serves another batch than the acknowledged one";
        if (seen && is_named(recovery, lsn)) return "--salvage serves what it calls lost";
        if (!seen && !is_named(recovery, lsn)) return "--salvage does not name what is lost";
        battery->lost += !seen;
    }
    return NULL;
}

static void judge_salvage(struct battery *battery) {
    struct outcome out = {.error = {.message = ""}};
    struct opened opened = {.salvage = true};
    out.status = open_all(&opened, battery->scratch, &out.error);
    if (out.status == PAT_OK) {
        if (!opened.any) opened.snapshot = digest_store(opened.store);
        out.lsn = opened.store->lsn;
        memcpy(out.note, opened.recovery.note, sizeof out.note);
    }
    const char *fault = out.status == PAT_OK ? salvage_fault(battery, &opened) : "--salvage refuses";
    if (fault != NULL) violation(battery, fault, &out);
    battery->salvaged++;
    close_all(&opened);
}

static void judge(struct battery *battery, const struct file *file, const char *other) {
    struct opened opened;
    const struct outcome out = open_folder(battery->scratch, &opened);
    battery->tried++;
    if (out.status != PAT_OK) {
        battery->refused++;
        battery->hit++;
        const bool named = strstr(out.error.message, file->name) != NULL ||
                           (other != NULL && strstr(out.error.message, other) != NULL) ||
                           strstr(out.error.message, "MANIFEST") != NULL;
        if (out.status != PAT_ERR_CORRUPT) violation(battery, "refused, but not as damaged", &out);
        if (!named) violation(battery, "refused without naming the file", &out);
        if (battery->every_file || battery->refused % SALVAGE_STEP == 0) judge_salvage(battery);
        return;
    }
    battery->hit += out.told;
    if (out.lsn == battery->lsn && pat_digest_equal(out.digest, battery->digest)) {
        battery->exact += out.told;
        battery->untold += !out.told;
        return;
    }
    if (!may_be_cut(battery, file) || !is_earlier_state(battery, &out)) {
        violation(battery, "it serves something else", &out);
    } else if (out.told) {
        battery->cut++;
    } else {
        battery->gap++;
    }
}

static bool go_on(const struct battery *battery) {
    return battery->violations < VIOLATIONS_MAX && pat_clock_monotonic_ns() < battery->deadline_ns;
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static void try_bit(struct battery *battery, struct file *file, size_t offset, unsigned bit) {
    (void)snprintf(trying, sizeof trying, "%s, byte %zu, bit %u", file->name, offset, bit);
    file->data[offset] ^= (unsigned char)(1u << bit);
    image_write(&battery->whole, battery->scratch);
    file->data[offset] ^= (unsigned char)(1u << bit);
    judge(battery, file, NULL);
}

/* Every byte, or when fewer are wanted every so many. */
static void each_byte(struct battery *battery) {
    const size_t bytes = image_bytes(&battery->whole), step = bytes > battery->count ? bytes / battery->count : 1;
    size_t next = random_next(battery) % step, before = 0;
    for (unsigned f = 0; f < battery->whole.files; f++) {
        struct file *file = &battery->whole.file[f];
        for (; next < before + file->bytes && battery->tried < battery->count && go_on(battery); next += step) {
            try_bit(battery, file, next - before, (unsigned)(random_next(battery) % 8));
        }
        before += file->bytes;
    }
}

static void random_bits(struct battery *battery) {
    const size_t bytes = image_bytes(&battery->whole);
    while (battery->tried < battery->count && go_on(battery)) {
        size_t at = (size_t)(random_next(battery) % bytes);
        unsigned f = 0;
        for (; at >= battery->whole.file[f].bytes; f++) at -= battery->whole.file[f].bytes;
        try_bit(battery, &battery->whole.file[f], at, (unsigned)(random_next(battery) % 8));
    }
}

/* Puts `instead` in the place of file `f` and judges. */
static void try_file(struct battery *battery, unsigned f, struct file instead, const char *other) {
    const struct file file = battery->whole.file[f];
    const bool same = instead.bytes == file.bytes && memcmp(instead.data, file.data, file.bytes) == 0;
    if (same && instead.length == file.length) return;
    memcpy(instead.name, file.name, sizeof instead.name);
    battery->whole.file[f] = instead;
    image_write(&battery->whole, battery->scratch);
    battery->whole.file[f] = file;
    judge(battery, &file, other);
}

static void cut_everywhere(struct battery *battery, unsigned f) {
    const struct file *file = &battery->whole.file[f];
    for (size_t bytes = 0; bytes < file->bytes && go_on(battery); bytes += SECTOR_BYTES) {
        (void)snprintf(trying, sizeof trying, "%s cut to %zu bytes", file->name, bytes);
        try_file(battery, f, (struct file){.data = file->data, .bytes = bytes, .length = bytes}, NULL);
    }
}

static void zero_pages(struct battery *battery, unsigned f) {
    const struct file *file = &battery->whole.file[f];
    unsigned char *data = take(file->bytes);
    for (size_t at = 0; at < file->bytes && go_on(battery); at += PAGE_BYTES) {
        const size_t bytes = file->bytes - at < PAGE_BYTES ? file->bytes - at : PAGE_BYTES;
        (void)snprintf(trying, sizeof trying, "%s with zeros at %zu", file->name, at);
        memcpy(data, file->data, file->bytes);
        memset(data + at, 0, bytes);
        try_file(battery, f, (struct file){.data = data, .bytes = file->bytes, .length = file->length}, NULL);
    }
    free(data);
}

static void add_garbage(struct battery *battery, unsigned f) {
    static const size_t lengths[] = {1, 8, 47, 48, 512, 4096, 100000};
    const struct file *file = &battery->whole.file[f];
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0] && go_on(battery); i++) {
        unsigned char *data = take(file->bytes + lengths[i]);
        memcpy(data, file->data, file->bytes);
        for (size_t k = 0; k < lengths[i]; k++) data[file->bytes + k] = (unsigned char)random_next(battery);
        const size_t bytes = file->bytes + lengths[i], length = bytes > file->length ? bytes : file->length;
        (void)snprintf(trying, sizeof trying, "%s with %zu bytes of garbage behind its end", file->name, lengths[i]);
        try_file(battery, f, (struct file){.data = data, .bytes = bytes, .length = length}, NULL);
        free(data);
    }
}

static void remove_file(struct battery *battery, unsigned f) {
    const struct image whole = battery->whole;
    (void)snprintf(trying, sizeof trying, "%s missing", whole.file[f].name);
    battery->whole.file[f] = battery->whole.file[--battery->whole.files];
    image_write(&battery->whole, battery->scratch);
    battery->whole = whole;
    judge(battery, &whole.file[f], NULL);
}

static void swap_with_others(struct battery *battery, unsigned f) {
    for (unsigned other = f + 1; other < battery->whole.files && go_on(battery); other++) {
        const struct file a = battery->whole.file[f], b = battery->whole.file[other];
        (void)snprintf(trying, sizeof trying, "%s swapped with %s", a.name, b.name);
        struct file *const both[2] = {&battery->whole.file[f], &battery->whole.file[other]};
        both[0]->data = b.data, both[0]->bytes = b.bytes, both[0]->length = b.length;
        both[1]->data = a.data, both[1]->bytes = a.bytes, both[1]->length = a.length;
        image_write(&battery->whole, battery->scratch);
        *both[0] = a, *both[1] = b;
        judge(battery, &a, b.name);
    }
}

/* The same name as it once was. */
static void roll_back(struct battery *battery, unsigned f) {
    for (unsigned s = 0; s < battery->states && go_on(battery); s++) {
        for (unsigned k = 0; k < battery->older[s].files; k++) {
            const struct file *older = &battery->older[s].file[k];
            if (strcmp(older->name, battery->whole.file[f].name) != 0) continue;
            (void)snprintf(trying, sizeof trying, "%s as it was at lsn %" PRIu64, older->name, battery->state_lsn[s]);
            try_file(battery, f, *older, NULL);
        }
    }
}

static void every_file(struct battery *battery) {
    for (unsigned f = 0; f < battery->whole.files; f++) {
        cut_everywhere(battery, f);
        zero_pages(battery, f);
        add_garbage(battery, f);
        remove_file(battery, f);
        swap_with_others(battery, f);
        roll_back(battery, f);
    }
}

/* ---- main -------------------------------------------------------------------------------------------------------- */

/* What is not damaged says which batch was acknowledged under each lsn. */
static struct outcome open_image(struct battery *battery, const struct image *image, const char *name) {
    struct opened opened;
    image_write(image, battery->scratch);
    const struct outcome out = open_folder(battery->scratch, &opened);
    if (out.status != PAT_OK) die(out.error.message, name);
    for (pat_lsn lsn = 0; lsn < STATES_MAX; lsn++) {
        if (!opened.seen[lsn]) continue;
        battery->batch[lsn] = opened.batch[lsn];
        battery->known[lsn] = true;
    }
    return out;
}

static void set_read(struct battery *battery, const char *set) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/whole", set);
    image_read(&battery->whole, path);
    (void)snprintf(path, sizeof path, "%s/clean", set);
    battery->clean = access(path, F_OK) == 0;
    for (pat_lsn lsn = 0; battery->states < STATES_MAX && lsn < STATES_MAX; lsn++) {
        (void)snprintf(path, sizeof path, "%s/at-%" PRIu64, set, lsn);
        if (access(path, F_OK) != 0) continue;
        struct image *image = &battery->older[battery->states];
        image_read(image, path);
        const struct outcome out = open_image(battery, image, path);
        if (out.lsn != lsn) die("holds another lsn", path);
        battery->state[battery->states] = out.digest;
        battery->state_lsn[battery->states++] = lsn;
    }
    const struct outcome out = open_image(battery, &battery->whole, "whole");
    battery->digest = out.digest;
    battery->lsn = out.lsn;
}

int main(int argc, char **argv) {
    if (argc != 7) die("usage", "battery_damage bits|files SET SCRATCH SEED COUNT SECONDS");
    static struct battery battery;
    pat_log_set_level(PAT_LOG_ERROR);
    (void)signal(SIGABRT, died);
    (void)signal(SIGSEGV, died);
    battery.scratch = argv[3];
    battery.seed = strtoull(argv[4], NULL, 10);
    battery.random = battery.seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    battery.count = strtoull(argv[5], NULL, 10);
    set_read(&battery, argv[2]);
    const uint64_t seconds = strtoull(argv[6], NULL, 10);
    battery.deadline_ns = pat_clock_monotonic_ns() + seconds * UINT64_C(1000000000);
    battery.every_file = strcmp(argv[1], "files") == 0;
    if (battery.every_file) {
        every_file(&battery);
    } else {
        if (image_bytes(&battery.whole) <= SMALL_BYTES) each_byte(&battery);
        random_bits(&battery);
    }
    (void)printf("{\"bytes\": %zu, \"tried\": %" PRIu64 ", \"hit\": %" PRIu64 ", \"exact\": %" PRIu64
                 ", \"untold\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"salvaged\": %" PRIu64 ", \"lost\": %" PRIu64
                 ", \"cut\": %" PRIu64 ", \"gap\": %" PRIu64 ", \"violations\": %" PRIu64 "}\n",
                 image_bytes(&battery.whole), battery.tried, battery.hit, battery.exact, battery.untold,
                 battery.refused, battery.salvaged, battery.lost, battery.cut, battery.gap, battery.violations);
    return EXIT_SUCCESS;
}
