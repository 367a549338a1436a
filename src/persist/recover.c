#include "persist/persist_private.h"

#include "base/arena.h"
#include "persist/codec_private.h"
#include "persist/crew_private.h"
#include "persist/file_private.h"
#include "persist/snapshot_private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Files that recovery does not need (the older snapshot, journals before the newest one) are looked through up to this
 * size, so that damage is known while there is still something to fall back to; bigger ones are left to `verify`, which
 * does not hold up a start. */
#define SPARE_BYTES_MAX ((uint64_t)256 << 20)

struct recovery {
    struct pat_persist *persist;
    struct pat_store *store;
    enum pat_status (*apply_cb)(void *context, const struct pat_entry *entry, struct pat_error *error);
    void *context;
    struct pat_recovery *out;
    char name[PAT_FILE_NAME_BYTES]; /* journal file being replayed */
};

/* Adds a sentence to the note; what does not fit is cut. */
static void note(struct pat_recovery *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct pat_recovery *out, const char *format, ...) {
    size_t used = strlen(out->note);
    if (used > 0) used += (size_t)snprintf(out->note + used, sizeof out->note - used, "; ");
    if (used >= sizeof out->note) return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(out->note + used, sizeof out->note - used, format, args);
    va_end(args);
}

/* ---- snapshot --------------------------------------------------------------------------------------------------- */

static enum pat_status settle(struct recovery *r, const struct pat_spread *spread, struct pat_error *error) {
    char name[PAT_FILE_NAME_BYTES];
    struct pat_error why = {0};
    const enum pat_status status = pat_store_settle(r->store, spread, &why);
    if (status == PAT_OK) {
        r->store->unsettled = false;
        return PAT_OK;
    }
    pat_file__name(PAT_FILE_SNAPSHOT, r->out->generation, name);
    return pat_error_set_at(error, status, name, -1, -1, "%s: %s", name, why.message);
}

/* The snapshot into the store, or false when it is damaged: then the store is empty again, and *why says what is wrong
 * with it. */
static enum pat_status try_generation(struct recovery *r, const struct pat_generation_entry *entry,
                                      const struct pat_spread *spread, bool *good, struct pat_error *why,
                                      struct pat_error *error) {
    struct pat_error found = {0};
    enum pat_status status =
        pat_snapshot__load(r->persist->fs, &r->persist->manifest->settings, entry, r->store, spread, &found);
    *good = status == PAT_OK;
    if (*good) return PAT_OK;
    /* Blocks are checked as they are read, so that most of a damaged file may be in the store by now. */
    pat_store_clear(r->store);
    uint64_t blocks = 0;
    if (!pat_fs_is_later(status)) {
        status = pat_snapshot__verify(r->persist->fs, entry, spread, &blocks, why);
        if (status != PAT_OK && !pat_fs_is_later(status)) return PAT_OK;
        if (status != PAT_OK) found = *why;
    }
    /* Every checksum holds and its content makes no sense: nobody knows what else does not. */
    const bool left_out = r->persist->options.salvage && found.status == PAT_ERR_CORRUPT;
    if (left_out) *why = found;
    if (!left_out && error != NULL) *error = found;
    return left_out ? PAT_OK : found.status;
}

/* Whether a generation that is not needed is good, for as long as there is something to fall back to. */
static enum pat_status look_at_spare(struct recovery *r, struct pat_generation_entry *entry,
                                     const struct pat_spread *spread, struct pat_error *error) {
    uint64_t blocks = 0;
    struct pat_error why = {0};
    if (entry->bytes > SPARE_BYTES_MAX) return PAT_OK;
    const enum pat_status status = pat_snapshot__verify(r->persist->fs, entry, spread, &blocks, &why);
    if (pat_fs_is_later(status) && error != NULL) *error = why;
    if (pat_fs_is_later(status) || status == PAT_OK) return status;
    entry->damaged = true;
    note(r->out, "%s (lsn %" PRIu64 "): %s", why.message, entry->lsn, "older, not needed");
    return PAT_OK;
}

/* The newest generation that is good as a whole, if there is any; damaged ones are marked and noted. */
static enum pat_status load_newest(struct recovery *r, const struct pat_spread *spread, struct pat_error *error) {
    struct pat_manifest *manifest = r->persist->manifest;
    bool loaded = false;
    for (uint32_t i = 0; i < manifest->generations; i++) {
        struct pat_generation_entry *entry = &manifest->generation[i];
        struct pat_error why = {0};
        if (loaded) {
            PAT_TRY(look_at_spare(r, entry, spread, error));
            continue;
        }
        PAT_TRY(try_generation(r, entry, spread, &loaded, &why, error));
        if (loaded) {
            r->out->generation = entry->number;
            r->out->snapshot_lsn = r->out->lsn = entry->lsn;
            if (entry->saved_ms > r->persist->now_ms) r->persist->now_ms = entry->saved_ms;
            continue;
        }
        entry->damaged = true;
        r->out->fell_back = true;
        note(r->out, "%s (lsn %" PRIu64 "): %s", why.message, entry->lsn, "not used");
    }
    if (!loaded) return PAT_OK;
    const uint64_t rows = (uint64_t)r->store->table[PAT_ORDERS].rows + r->store->table[PAT_REFUNDS].rows;
    const uint64_t most = r->persist->options.settle_rows;
    return most == 0 || rows <= most ? settle(r, spread, error) : PAT_OK;
}

static enum pat_status with_crew(struct recovery *r, struct pat_error *error,
                                 enum pat_status (*use)(struct recovery *r, const struct pat_spread *spread,
                                                        struct pat_error *error)) {
    struct pat_crew *crew = r->persist->options.stepped ? NULL : pat_crew__open();
    const enum pat_status status = use(r, pat_crew__spread(crew), error);
    pat_crew__close(crew);
    return status;
}

static enum pat_status load_generation(struct recovery *r, struct pat_error *error) {
    return r->persist->manifest->generations == 0 ? PAT_OK : with_crew(r, error, load_newest);
}

/* ---- journal ---------------------------------------------------------------------------------------------------- */

static enum pat_status replay(void *context, pat_lsn lsn, const unsigned char *payload, size_t bytes, uint64_t offset,
                              struct pat_error *error) {
    struct recovery *r = context;
    if (lsn <= r->out->lsn) return PAT_OK; /* in the snapshot */
    if (r->store->unsettled) PAT_TRY(with_crew(r, error, settle));
    const bool salvage = r->persist->options.salvage;
    struct pat_arena arena;
    struct pat_decoded decoded;
    pat_arena_init(&arena, 0);
    struct pat_reader reader = {.at = payload, .end = payload + bytes};
    enum pat_status status = pat_codec__entry_read(&decoded, &reader, &arena);
    if (status == PAT_OK) {
        decoded.entry.lsn = lsn;
        status = r->apply_cb(r->context, &decoded.entry, error);
    } else {
        status = pat_error_set_at(error, status, r->name, -1, (int64_t)offset,
                                  "%s: record at offset %" PRIu64 " (lsn %" PRIu64 "): %s", r->name, offset, lsn,
                                  status == PAT_ERR_NO_MEMORY ? "no memory to read it"
                                                              : "its checksum holds, but its content makes no sense");
    }
    if (status == PAT_ERR_CORRUPT && salvage) {
        /* It was read, but what it builds on is lost. */
        pat_salvage__lost(r->out, r->name, (int64_t)offset, lsn, lsn, PAT_ROWS_UNKNOWN);
        r->out->lsn = lsn;
        pat_arena_deinit(&arena);
        return PAT_OK;
    }
    if (status == PAT_OK) {
        r->out->lsn = lsn;
        r->out->records++;
        if (decoded.entry.kind == PAT_ENTRY_BATCH && decoded.batch.now_ms > r->persist->now_ms) {
            r->persist->now_ms = decoded.batch.now_ms;
        }
    }
    pat_arena_deinit(&arena);
    return status;
}

static void note_loss(void *context, const struct pat_journal_loss *loss) {
    struct recovery *r = context;
    if (loss->last <= r->out->lsn) return; /* in the snapshot */
    const bool all = loss->first > r->out->lsn;
    pat_salvage__lost(r->out, loss->name, (int64_t)loss->offset, all ? loss->first : r->out->lsn + 1, loss->last,
                      all ? loss->rows : PAT_ROWS_UNKNOWN);
    r->out->lsn = loss->last;
}

static enum pat_status scan_file(struct recovery *r, const struct pat_journal_entry *entry, struct pat_watermark proven,
                                 pat_lsn lsn_end, struct pat_journal_found *found, bool apply,
                                 struct pat_error *error) {
    pat_file__name(PAT_FILE_JOURNAL, entry->number, r->name);
    struct pat_journal_scan scan = {.fs = r->persist->fs,
                                    .entry = *entry,
                                    .bytes_max = UINT64_MAX,
                                    .proven = proven,
                                    .lsn_end = lsn_end,
                                    .quick = r->persist->manifest->clean,
                                    .record_cb = apply ? replay : NULL,
                                    .loss_cb = apply && r->persist->options.salvage ? note_loss : NULL,
                                    .context = r};
    PAT_TRY(pat_journal__scan(&scan, found, error));
    if (found->unreadable_bytes > 0) {
        note(r->out, "%s: the disk cannot read %" PRIu64 " bytes from offset %" PRIu64 " on", r->name,
             found->unreadable_bytes, found->unreadable_offset);
    }
    if (found->marks_damaged > 0) {
        note(r->out, "%s: damaged mark at offset %" PRIu64 ", no batch is lost", r->name, found->mark.offset);
    }
    return PAT_OK;
}

/* A file whose batches are all in the snapshot: damage is told, and does no harm as long as the snapshot is good. */
static void look_through(struct recovery *r, const struct pat_journal_entry *entry) {
    struct pat_journal_found found;
    struct pat_error why = {0};
    if (entry->end.offset > SPARE_BYTES_MAX) return;
    if (scan_file(r, entry, pat_manifest__proven(r->persist->manifest), 0, &found, false, &why) == PAT_OK) return;
    note(r->out, "lsns %" PRIu64 " to %" PRIu64 " are in the snapshot, so nothing is lost, although %s",
         entry->first_lsn, entry->end.lsn, why.message);
}

static enum pat_status fail_gap(const struct recovery *r, const struct pat_journal_entry *entry,
                                struct pat_error *error) {
    const pat_lsn first = entry->first_lsn;
    const bool counted = r->out->lsn == 0 && entry->first_rows != PAT_ROWS_UNKNOWN;
    char rows[48] = "";
    if (counted) (void)snprintf(rows, sizeof rows, " (%" PRIu64 " rows)", entry->first_rows);
    return pat_error_set_at(error, PAT_ERR_CORRUPT, PAT_MANIFEST_NAME, -1, -1,
                            "no good snapshot reaches lsn %" PRIu64 ", and the journal starts at lsn %" PRIu64
                            ": lsns %" PRIu64 " to %" PRIu64
                            "%s cannot be read (%s); restore the directory from a backup, or see --salvage",
                            first - 1, first, r->out->lsn + 1, first - 1, rows, r->out->note);
}

/* It is wiped when the file is opened to go on. */
static void tell_torn(struct recovery *r, const struct pat_journal_found *found) {
    r->out->torn_bytes = found->torn_bytes;
    note(r->out,
         "%s: cut off %" PRIu64 " bytes at offset %" PRIu64 " behind lsn %" PRIu64
         ", no proof that they were acknowledged",
         r->name, found->torn_bytes, found->end.offset, found->end.lsn);
}

/* ---- salvage ----------------------------------------------------------------------------------------------------- */

/* Where the journal file at a place of the list ends. */
struct reach {
    bool told;     /* the manifest or the file after it says so */
    pat_lsn last;  /* what it holds up to here was acknowledged */
    bool doubtful; /* more may stand in it that was refused: behind `last` only what it proves itself counts */
};

/* A file begins behind what was acknowledged before it: the file before may hold more, which was refused. Each snapshot
 * begins one, too, which may be gone. */
static struct reach reach_of(const struct recovery *r, uint32_t i) {
    const struct pat_manifest *manifest = r->persist->manifest;
    const struct pat_journal_entry *entry = &manifest->journal[i];
    if (entry->closed) return (struct reach){.told = true, .last = entry->end.lsn};
    if (i + 1 < manifest->journals) {
        const bool told = entry[1].first_lsn > 0;
        return (struct reach){told, (told ? entry[1].first_lsn : entry->first_lsn) - 1, true};
    }
    struct reach reach = {.last = pat_manifest__proven(manifest).lsn};
    for (uint32_t g = 0; r->persist->manifest_lost && g < manifest->generations; g++) {
        const pat_lsn lsn = manifest->generation[g].lsn;
        if (lsn < entry->first_lsn || (reach.doubtful && lsn >= reach.last)) continue;
        reach = (struct reach){false, lsn, true};
    }
    return reach;
}

static void ignore_loss(void *context, const struct pat_journal_loss *loss) {
    (void)context, (void)loss;
}

/* The first lsn in the file that does not count, 0 when all do. A closed one that does not end as the manifest says is
 * of another time: it may end in what was wiped since. */
static enum pat_status believed(const struct recovery *r, const struct pat_journal_entry *entry,
                                const struct reach *reach, pat_lsn *end) {
    struct pat_journal_found found;
    const struct pat_journal_scan scan = {
        .fs = r->persist->fs, .entry = *entry, .bytes_max = UINT64_MAX, .loss_cb = ignore_loss};
    *end = 0;
    if (!entry->closed && !reach->doubtful) return PAT_OK;
    PAT_TRY(pat_journal__scan(&scan, &found, NULL));
    if (entry->closed && pat_digest_equal(found.end.chain, entry->end.chain)) return PAT_OK;
    *end = (!entry->closed && reach->last > found.durable ? reach->last : found.durable) + 1;
    return PAT_OK;
}

/* Nobody knows how far it went. */
static void lose_tail(struct recovery *r, const char *where) {
    struct pat_recovery *out = r->out;
    if (out->losses > 0 && out->loss[out->losses - 1].last == 0) return;
    pat_salvage__lost(out, where, -1, out->lsn + 1, 0, PAT_ROWS_UNKNOWN);
}

static void lose_before(struct recovery *r, const struct pat_journal_entry *entry) {
    struct pat_recovery *out = r->out;
    if (entry->first_lsn <= out->lsn + 1) return;
    pat_salvage__lost(out, PAT_MANIFEST_NAME, -1, out->lsn + 1, entry->first_lsn - 1,
                      out->lsn == 0 ? entry->first_rows : PAT_ROWS_UNKNOWN);
    out->lsn = entry->first_lsn - 1;
}

/* What cannot be read at all is lost up to where the file ends, or as far as anything says. */
static void lose_file(struct recovery *r, const struct pat_journal_entry *entry, const struct reach *reach,
                      const struct pat_error *why) {
    const bool counted = entry->closed && entry->first_rows != PAT_ROWS_UNKNOWN && entry->end.rows != PAT_ROWS_UNKNOWN;
    const struct pat_journal_loss loss = {.name = r->name,
                                          .first = entry->first_lsn,
                                          .last = reach->last,
                                          .rows = counted ? entry->end.rows - entry->first_rows : PAT_ROWS_UNKNOWN};
    note(r->out, "%s", why->message);
    note_loss(r, &loss);
}

static enum pat_status salvage_file(struct recovery *r, uint32_t i) {
    const struct pat_manifest *manifest = r->persist->manifest;
    const struct pat_journal_entry *entry = &manifest->journal[i];
    struct pat_journal_found found = {.end_unknown = true};
    struct pat_error why = {0};
    if (entry->first_lsn == 0) {
        note(r->out, "%s: its header cannot be read", r->name);
    } else {
        const struct reach reach = reach_of(r, i);
        struct pat_watermark proven = pat_manifest__proven(manifest);
        if (proven.lsn != reach.last) proven = (struct pat_watermark){reach.last, PAT_ROWS_UNKNOWN};
        pat_lsn end = 0;
        lose_before(r, entry);
        enum pat_status status = believed(r, entry, &reach, &end);
        status = status == PAT_OK || status == PAT_ERR_CORRUPT ? scan_file(r, entry, proven, end, &found, true, &why)
                                                               : status;
        if (status != PAT_OK && status != PAT_ERR_CORRUPT) return status;
        if (status != PAT_OK) lose_file(r, entry, &reach, &why);
        found.end_unknown |= status != PAT_OK;
    }
    if (i + 1 == manifest->journals && found.end_unknown) lose_tail(r, r->name);
    return PAT_OK;
}

/* Something is wrong with the directory: a list of losses that is empty would say that nothing is. */
static enum pat_status salvage_files(struct recovery *r) {
    const struct pat_manifest *manifest = r->persist->manifest;
    for (uint32_t i = 0; i < manifest->journals; i++) {
        const struct pat_journal_entry *entry = &manifest->journal[i];
        if (entry->closed && entry->end.lsn <= r->out->lsn) continue;
        pat_file__name(PAT_FILE_JOURNAL, entry->number, r->name);
        PAT_TRY(salvage_file(r, i));
    }
    if (r->persist->manifest_lost || r->out->losses == 0) lose_tail(r, PAT_MANIFEST_NAME);
    return PAT_OK;
}

/* ---- the road ---------------------------------------------------------------------------------------------------- */

static enum pat_status replay_files(struct recovery *r, struct pat_error *error) {
    const struct pat_manifest *manifest = r->persist->manifest;
    for (uint32_t i = 0; i < manifest->journals; i++) {
        const struct pat_journal_entry *entry = &manifest->journal[i];
        struct pat_journal_found found;
        if (entry->closed && entry->end.lsn <= r->out->lsn) {
            look_through(r, entry);
            continue;
        }
        if (entry->first_lsn > r->out->lsn + 1) return fail_gap(r, entry, error);
        PAT_TRY(scan_file(r, entry, pat_manifest__proven(manifest), 0, &found, true, error));
        if (entry->closed) continue;
        if (found.torn_bytes > 0) tell_torn(r, &found);
        r->persist->found = found;
    }
    return PAT_OK;
}

enum pat_status pat_persist_recover(struct pat_persist *persist, struct pat_store *store,
                                    enum pat_status (*apply_cb)(void *context, const struct pat_entry *entry,
                                                                struct pat_error *error),
                                    void *context, struct pat_recovery *out, struct pat_error *error) {
    PAT_ASSERT(!persist->recovered && !persist->started);
    struct recovery r = {.persist = persist, .store = store, .apply_cb = apply_cb, .context = context, .out = out};
    *out = (struct pat_recovery){0};
    PAT_TRY(load_generation(&r, error));
    PAT_TRY(persist->options.salvage ? salvage_files(&r) : replay_files(&r, error));
    persist->acked = persist->found.end;
    persist->acked.lsn = out->lsn;
    persist->recovered = true;
    return PAT_OK;
}
