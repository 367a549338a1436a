/* The disk at each step: crashes at every call of a group, a rotation and a snapshot, a disk that is full and gets room
 * again, files that are used again, writes that lie, memory that runs out, and what is left of a damaged directory. */
#include "kit.h"

#include "persist/file_private.h"

#include <malloc.h>

#define SEED 29u
#define ROWS 3u
#define LSNS 64u

static struct pat_digest digests[LSNS + 1];

static int prepare(void **state) {
    (void)state;
    (void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
    kit_digests(digests, SEED, LSNS, ROWS);
    return 0;
}

static void assert_recovers(struct sim_disk *disk, pat_lsn low, pat_lsn high) {
    struct kit_engine engine;
    const enum pat_status status = kit_recover(&engine, &disk->base, PAT_SYNC_ALWAYS, SEED, ROWS);
    if (status != PAT_OK) print_message("%s\n", engine.error.message);
    assert_int_equal(status, PAT_OK);
    assert_in_range(engine.store->lsn, low, high);
    assert_false(engine.recovery.fell_back); /* a crash damages no snapshot that a manifest names */
    assert_true(pat_digest_equal(kit_digest(engine.store), digests[engine.store->lsn]));
    kit_close(&engine);
}

/* ---- every call -------------------------------------------------------------------------------------------------- */

/* Loads, snapshots, and the spare and reserve that are made meanwhile. Gives what was acknowledged. */
static pat_lsn act(struct sim_disk *disk, unsigned groups, bool snapshots) {
    struct kit_engine engine;
    pat_lsn acked = 0;
    if (kit_start(&engine, &disk->base, PAT_SYNC_ALWAYS, SEED, ROWS) == PAT_OK) {
        acked = engine.store->lsn;
        for (unsigned i = 0; i < groups; i++) {
            if (kit_load(&engine, 2) == PAT_OK && disk->failed == 0) acked = engine.store->lsn;
            pat_persist__journal_idle(engine.persist);
        }
        if (snapshots) (void)!kit_snapshot(&engine);
        if (kit_load(&engine, 1) == PAT_OK && disk->failed == 0) acked = engine.store->lsn;
    }
    kit_close(&engine);
    return acked;
}

/* The power goes at each call in turn, in many ways; and the process at each call in turn. */
static void crash_at_each_call(const struct sim_disk *origin, unsigned groups, bool snapshots, unsigned ways) {
    uint64_t random = 17, crashes = 0;
    for (uint64_t nth = 1;; nth++) {
        bool hit = false;
        for (unsigned way = 0; way < ways; way++) {
            struct sim_disk disk;
            sim_copy(&disk, (struct sim_disk *)(uintptr_t)origin);
            disk.fail_at = nth;
            disk.fail_on = true;
            disk.fail_half = way % 2 == 0;
            const pat_lsn acked = act(&disk, groups, snapshots);
            hit = disk.failed > 0;
            sim_faults_off(&disk);
            if (way > 0) sim_power_cut(&disk, &random, way > 1);
            assert_recovers(&disk, acked, LSNS);
            sim_deinit(&disk);
            crashes++;
        }
        if (!hit) break;
        nth += KIT_STRIDE / 16;
    }
    print_message("%llu crashes\n", (unsigned long long)crashes);
}

static void test_a_crash_at_each_call_of_a_group(void **state) {
    (void)state;
    struct sim_disk origin;
    sim_init(&origin);
    (void)act(&origin, 2, true);
    crash_at_each_call(&origin, 1, false, 12);
    sim_deinit(&origin);
}

static void test_a_crash_at_each_call_of_a_rotation_and_a_snapshot(void **state) {
    (void)state;
    struct sim_disk origin;
    sim_init(&origin);
    (void)act(&origin, 2, true);
    (void)act(&origin, 2, true);
    crash_at_each_call(&origin, 3, true, 12);
    sim_deinit(&origin);
}

static void test_a_crash_at_each_call_of_a_first_start(void **state) {
    (void)state;
    struct sim_disk origin;
    sim_init(&origin);
    crash_at_each_call(&origin, 2, true, 12);
    sim_deinit(&origin);
}

/* ---- a full disk ------------------------------------------------------------------------------------------------- */

static void test_a_full_disk_refuses_before_it_is_full_and_goes_on_by_itself(void **state) {
    (void)state;
    struct sim_disk disk;
    struct kit_engine engine;
    char why[PAT_ERROR_MESSAGE_BYTES];
    sim_init(&disk);
    disk.capacity = (uint64_t)6 * KIT_JOURNAL_BYTES;
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    pat_space__keep(engine.persist);
    assert_non_null(sim_bytes_of(&disk, "journal.spare"));
    assert_non_null(sim_bytes_of(&disk, "reserve"));
    disk.capacity = sim_used(&disk) + 600; /* somebody else took the rest */
    enum pat_status status = PAT_OK;
    while (status == PAT_OK) status = kit_load(&engine, 1);
    assert_int_equal(status, PAT_ERR_NO_SPACE);
    assert_non_null(strstr(engine.error.message, "the disk is full"));
    const pat_lsn lsn = engine.store->lsn;
    assert_true(lsn > 4);
    assert_true(sim_used(&disk) < disk.capacity); /* refused before */
    assert_int_equal(pat_persist_condition(engine.persist, why), PAT_CONDITION_FULL);
    assert_int_equal(kit_load(&engine, 1), PAT_ERR_NO_SPACE);
    pat_persist__journal_idle(engine.persist);
    assert_int_equal(kit_load(&engine, 1), PAT_ERR_NO_SPACE);
    /* A process that is killed now lost nothing. */
    struct sim_disk killed;
    sim_copy(&killed, &disk);
    assert_recovers(&killed, lsn, lsn);
    sim_deinit(&killed);
    disk.capacity += (uint64_t)4 * KIT_JOURNAL_BYTES;
    pat_persist__journal_idle(engine.persist);
    assert_int_equal(pat_persist_condition(engine.persist, why), PAT_CONDITION_GOOD);
    assert_string_equal(why, "");
    assert_int_equal(kit_load(&engine, 1), PAT_OK);
    assert_int_equal(kit_snapshot(&engine), PAT_OK);
    kit_close(&engine);
    assert_recovers(&disk, lsn + 1, lsn + 1);
    sim_deinit(&disk);
}

/* The journal file that a first snapshot begins after a failure needs no room: it was there from the start. */
static void test_there_is_a_spare_file_before_the_first_snapshot(void **state) {
    (void)state;
    struct sim_disk disk;
    struct kit_engine engine;
    sim_init(&disk);
    assert_int_equal(kit_start_threads(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    kit_close(&engine);
    const struct sim_bytes *spare = sim_bytes_of(&disk, "journal.spare");
    assert_non_null(spare);
    assert_int_equal(spare->length, KIT_JOURNAL_BYTES);
    sim_deinit(&disk);
}

static void test_a_disk_without_any_room_is_stopped_cleanly_and_started_again(void **state) {
    (void)state;
    struct sim_disk disk;
    struct kit_engine engine;
    sim_init(&disk);
    disk.capacity = (uint64_t)8 * KIT_JOURNAL_BYTES;
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    pat_space__keep(engine.persist);
    assert_int_equal(kit_load(&engine, 3), PAT_OK);
    disk.capacity = sim_used(&disk); /* to the last byte */
    assert_int_equal(kit_load(&engine, 1), PAT_OK);
    assert_int_equal(kit_snapshot(&engine), PAT_ERR_NO_SPACE);
    kit_close(&engine);
    assert_null(sim_bytes_of(&disk, "reserve"));
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    assert_int_equal(engine.store->lsn, 4);
    assert_string_equal(engine.recovery.note, "");
    kit_close(&engine);
    assert_recovers(&disk, 4, 4);
    sim_deinit(&disk);
}

/* Places in the list of journal files that are taken: nothing is in those before the last one. */
static void list_fill(struct pat_manifest *manifest, uint32_t count) {
    assert_int_equal(manifest->journals, 1);
    manifest->journal[count - 1] = manifest->journal[0];
    for (uint32_t i = 0; i + 1 < count; i++) {
        manifest->journal[i] =
            (struct pat_journal_entry){.number = i + 1, .first_lsn = 1, .closed = true, .end = {.offset = 64}};
    }
    manifest->journals = count;
}

/* Snapshots that fail take all places but the last ones, which are for a file that failed: without one, groups would be
 * refused for ever. */
static void test_a_failed_file_finds_a_place_in_a_list_that_is_full(void **state) {
    (void)state;
    const uint32_t usual = PAT_MANIFEST_JOURNALS_MAX - PAT_MANIFEST_JOURNALS_LAST;
    struct sim_disk disk;
    struct kit_engine engine;
    sim_init(&disk);
    assert_int_equal(kit_recover(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    engine.persist->manifest->next_journal = PAT_MANIFEST_JOURNALS_MAX;
    assert_int_equal(pat_persist_start(engine.persist, &engine.error), PAT_OK);
    assert_int_equal(kit_load(&engine, 1), PAT_OK);
    list_fill(engine.persist->manifest, usual);
    assert_int_equal(pat_persist__rotate(engine.persist, &engine.error), PAT_OK);
    assert_int_equal(engine.persist->manifest->journals, usual);
    sim_fail_after(&disk, 2);
    assert_int_equal(kit_load(&engine, 1), PAT_ERR_IO);
    assert_int_equal(pat_persist__rotate(engine.persist, &engine.error), PAT_OK);
    assert_int_equal(engine.persist->manifest->journals, usual + 1);
    assert_int_equal(kit_snapshot(&engine), PAT_OK);
    assert_int_equal(kit_load(&engine, 1), PAT_OK);
    kit_close(&engine);
    assert_recovers(&disk, 2, 2);
    sim_deinit(&disk);
}

/* ---- files used again -------------------------------------------------------------------------------------------- */

static void test_records_of_a_files_former_life_never_come_back(void **state) {
    (void)state;
    struct sim_disk disk;
    struct kit_engine engine;
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 6; i++) assert_int_equal(kit_load(&engine, 1), PAT_OK);
        assert_int_equal(kit_snapshot(&engine), PAT_OK);
    }
    const struct sim_bytes *now = sim_bytes_of(&disk, "journal-00000005.pj");
    assert_non_null(now);
    /* It was an earlier one: its records stand behind the header, where the first new one will. */
    assert_true(pat_journal__is_magic(now->data + PAT_FILE_HEADER_BYTES));
    struct sim_disk killed;
    sim_copy(&killed, &disk);
    assert_recovers(&killed, 24, 24);
    sim_deinit(&killed);
    assert_int_equal(kit_load(&engine, 1), PAT_OK);
    sim_copy(&killed, &disk);
    assert_recovers(&killed, 25, 25);
    sim_deinit(&killed);
    kit_close(&engine);
    sim_deinit(&disk);
}

/* So that making it the next journal file, which ingest waits for, syncs a header and no megabytes. */
static void test_a_spare_file_is_on_disk_before_it_is_needed(void **state) {
    (void)state;
    struct sim_disk disk;
    struct kit_engine engine;
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    pat_space__keep(engine.persist);
    const struct sim_inode *spare = sim_find(disk.live, "journal.spare")->inode;
    assert_int_equal(spare->dirty.length, 0);
    assert_int_equal(spare->durable.length, KIT_JOURNAL_BYTES);
    kit_close(&engine);
    sim_deinit(&disk);
}

/* ---- loose syncing ------------------------------------------------------------------------------------------------
 */

static void test_with_an_interval_the_power_takes_nothing_that_is_older(void **state) {
    (void)state;
    struct sim_disk disk;
    struct kit_engine engine;
    uint64_t random = 1;
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_INTERVAL, SEED, ROWS), PAT_OK);
    assert_int_equal(kit_load(&engine, 2), PAT_OK);
    pat_persist__journal_idle(engine.persist); /* the interval is over */
    assert_int_equal(kit_load(&engine, 1), PAT_OK);
    disk.fail_on = true;
    sim_fail_after(&disk, 1);
    kit_close(&engine);
    sim_faults_off(&disk);
    sim_power_cut(&disk, &random, false);
    assert_recovers(&disk, 2, 2);
    sim_deinit(&disk);
}

/* One that is full still takes what it has room for: what was acknowledged does not wait for more. */
static void test_a_full_disk_keeps_the_interval(void **state) {
    (void)state;
    for (int sync = PAT_SYNC_ALWAYS; sync <= PAT_SYNC_INTERVAL; sync++) {
        struct sim_disk disk;
        struct kit_engine engine;
        char why[PAT_ERROR_MESSAGE_BYTES];
        uint64_t random = 1;
        sim_init(&disk);
        assert_int_equal(kit_start(&engine, &disk.base, (enum pat_sync)sync, SEED, ROWS), PAT_OK);
        disk.capacity = sim_used(&disk);
        engine.persist->options.sync_interval_ms = 3600000; /* over when the test says so */
        while (kit_load(&engine, 1) == PAT_OK) continue;
        assert_int_equal(pat_persist_condition(engine.persist, why), PAT_CONDITION_FULL);
        assert_true(engine.persist->journal.mark_unsynced || sync == PAT_SYNC_INTERVAL);
        const pat_lsn lsn = engine.store->lsn;
        assert_true(lsn > 1);
        pat_persist__journal_idle(engine.persist);
        assert_int_equal(pat_persist_condition(engine.persist, why), PAT_CONDITION_FULL);
        assert_int_equal(engine.persist->journal.synced.lsn, lsn);
        disk.fail_on = true;
        sim_fail_after(&disk, 1);
        kit_close(&engine);
        sim_faults_off(&disk);
        sim_power_cut(&disk, &random, false);
        assert_recovers(&disk, lsn, lsn);
        sim_deinit(&disk);
    }
}

/* A group that comes when the interval is over does not put the sync off. */
static void test_the_interval_is_kept_while_groups_come(void **state) {
    (void)state;
    struct sim_disk disk;
    struct kit_engine engine;
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_INTERVAL, SEED, ROWS), PAT_OK);
    engine.persist->options.sync_interval_ms = 3600000;
    assert_int_equal(kit_load(&engine, 2), PAT_OK);
    assert_int_equal(kit_load(&engine, 2), PAT_OK);
    assert_int_equal(engine.persist->journal.synced.lsn, 0);
    engine.persist->options.sync_interval_ms = 0; /* it is over */
    assert_int_equal(kit_load(&engine, 1), PAT_OK);
    assert_int_equal(engine.persist->journal.synced.lsn, 4);
    kit_close(&engine);
    assert_recovers(&disk, 5, 5);
    sim_deinit(&disk);
}

/* ---- writes that lie --------------------------------------------------------------------------------------------- */

static void test_after_a_failure_a_snapshot_counts_only_when_it_was_read_back(void **state) {
    (void)state;
    unsigned noticed = 0;
    for (uint64_t nth = 1; nth < 40 * 8; nth++) {
        struct sim_disk disk;
        struct kit_engine engine;
        sim_init(&disk);
        assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
        assert_int_equal(kit_load(&engine, 3), PAT_OK);
        sim_fail_after(&disk, 2);
        assert_int_equal(kit_load(&engine, 1), PAT_ERR_IO);
        disk.failed = 0;
        disk.damage_at = disk.calls + nth / 8;
        disk.damage_eighth = nth % 8;
        const enum pat_status status = kit_snapshot(&engine);
        /* The new journal file and the manifest are read at the next start, and refused there. */
        if (status != PAT_OK) {
            assert_int_equal(status, PAT_ERR_CORRUPT);
            assert_int_equal(kit_load(&engine, 1), PAT_ERR_READONLY);
            disk.damage_at = 0;
            assert_int_equal(kit_snapshot(&engine), PAT_OK);
            noticed++;
        }
        assert_int_equal(kit_load(&engine, 1), PAT_OK);
        kit_close(&engine);
        if (status != PAT_OK) assert_recovers(&disk, 4, 4);
        sim_deinit(&disk);
    }
    assert_true(noticed >= 8); /* wherever in the snapshot, which is one write */
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* What persist itself asks for: the test's own stores and batches get theirs. */
static enum pat_status load_without(struct kit_engine *engine, uint64_t nth, bool *hit) {
    struct kit_batch kit;
    kit_batch_init(&kit, SEED, engine->store->lsn + 1, ROWS);
    (void)pat_mem_fail_at(nth);
    enum pat_status status = pat_persist_write(engine->persist, &kit.entry, 1, &engine->error);
    if (status == PAT_OK) (void)pat_persist__journal_step(engine->persist);
    *hit = pat_mem_fail_at(0) >= nth;
    if (status == PAT_OK) status = pat_persist_poll(engine->persist).status;
    if (status == PAT_OK) assert_int_equal(kit_apply(engine->store, &kit.entry, NULL), PAT_OK);
    kit_batch_deinit(&kit);
    return status;
}

static enum pat_status snapshot_without(struct kit_engine *engine, uint64_t nth, bool *hit) {
    struct pat_view *view;
    struct pat_buf producers;
    pat_buf_init(&producers, PAT_MEM_OTHER);
    assert_int_equal(pat_producers_write(&engine->store->producers, &producers), PAT_OK);
    assert_int_equal(pat_view_open(&view, engine->store), PAT_OK);
    (void)pat_mem_fail_at(nth);
    enum pat_status status = pat_persist_snapshot(engine->persist, view, &producers, false, &engine->error);
    if (status == PAT_OK) {
        while (pat_persist__journal_step(engine->persist) || pat_persist__snapshot_step(engine->persist)) {
        }
    }
    *hit = pat_mem_fail_at(0) >= nth;
    if (status == PAT_OK) status = pat_persist_poll(engine->persist).status;
    pat_view_close(&view);
    pat_buf_deinit(&producers);
    return status;
}

static void test_memory_that_runs_out_at_each_call_costs_that_call_alone(void **state) {
    (void)state;
    struct sim_disk disk;
    struct kit_engine engine;
    const size_t used = pat_mem_used_total();
    unsigned failed = 0;
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    bool hit = true;
    for (uint64_t nth = 1; hit; nth++) {
        const pat_lsn before = engine.store->lsn;
        const enum pat_status status = load_without(&engine, nth, &hit);
        assert_true(status == PAT_OK || (hit && status == PAT_ERR_NO_MEMORY));
        assert_int_equal(engine.store->lsn, before + (status == PAT_OK));
        failed += status != PAT_OK;
    }
    hit = true;
    for (uint64_t nth = 1; hit; nth++) {
        const enum pat_status status = snapshot_without(&engine, nth, &hit);
        assert_true(status == PAT_OK || (hit && status == PAT_ERR_NO_MEMORY));
        failed += status != PAT_OK;
        assert_int_equal(kit_load(&engine, 1), PAT_OK); /* the journal goes on */
    }
    print_message("%u calls failed\n", failed);
    const pat_lsn lsn = engine.store->lsn;
    kit_close(&engine);
    assert_recovers(&disk, lsn, lsn);
    assert_int_equal(pat_mem_used_total(), used);
    sim_deinit(&disk);
}

/* ---- salvage ----------------------------------------------------------------------------------------------------- */

struct salvaged {
    bool seen[LSNS + 1];
};

/* It is the one that was acknowledged, not another one of its lsn. */
static void assert_acknowledged(const struct pat_entry *entry) {
    struct kit_batch kit;
    kit_batch_init(&kit, SEED, entry->lsn, ROWS);
    assert_int_equal(entry->kind, kit.entry.kind);
    if (entry->kind == PAT_ENTRY_BATCH) assert_true(pat_digest_equal(entry->batch->digest, kit.batch.digest));
    if (entry->kind == PAT_ENTRY_RFM_MAP) assert_string_equal(entry->map->name, kit.map.name);
    kit_batch_deinit(&kit);
}

static enum pat_status note_entry(void *context, const struct pat_entry *entry, struct pat_error *error) {
    struct salvaged *salvaged = context;
    (void)error;
    assert_false(salvaged->seen[entry->lsn]);
    assert_acknowledged(entry);
    salvaged->seen[entry->lsn] = true;
    return PAT_OK;
}

/* Recovers what is left; each lsn up to `last` was seen, or is in the snapshot, or is said to be lost. */
static struct pat_recovery salvage(struct sim_disk *disk, pat_lsn last, unsigned *lost) {
    struct pat_persist *persist;
    struct pat_settings settings = {.zone = "UTC", .base_currency = "EUR"};
    struct pat_persist_options options = {.fs = &disk->base, .stepped = true, .salvage = true};
    struct pat_recovery recovery;
    struct pat_error error = {0};
    struct salvaged salvaged = {0};
    struct pat_store *store = kit_store();
    const uint64_t calls = disk->calls;
    assert_int_equal(pat_persist_open(&persist, &options, &settings, &error), PAT_OK);
    const enum pat_status status = pat_persist_recover(persist, store, note_entry, &salvaged, &recovery, &error);
    if (status != PAT_OK) print_message("%s\n", error.message);
    assert_int_equal(status, PAT_OK);
    *lost = 0;
    assert_true(pat_digest_equal(kit_digest(store), digests[recovery.snapshot_lsn]));
    assert_true(recovery.losses > 0);
    assert_true(settings.epoch >= PAT_SALVAGE_EPOCH); /* of no server that took batches */
    for (pat_lsn lsn = recovery.snapshot_lsn + 1; lsn <= last; lsn++) {
        bool told = false;
        for (unsigned i = 0; i < recovery.losses; i++) {
            const pat_lsn to = recovery.loss[i].last != 0 ? recovery.loss[i].last : last;
            told |= lsn >= recovery.loss[i].first && lsn <= to;
        }
        assert_true(told != salvaged.seen[lsn]);
        *lost += told;
    }
    assert_int_equal(disk->calls, calls); /* nothing was written */
    pat_persist_close(&persist);
    pat_store_close(&store);
    return recovery;
}

/* Snapshot at 6, journal from 7 to 18, killed. */
static void make_directory(struct sim_disk *out) {
    struct sim_disk disk;
    struct kit_engine engine;
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    while (engine.store->lsn < 6) assert_int_equal(kit_load(&engine, 2), PAT_OK);
    assert_int_equal(kit_snapshot(&engine), PAT_OK);
    while (engine.store->lsn < 18) assert_int_equal(kit_load(&engine, 2), PAT_OK);
    sim_copy(out, &disk);
    kit_close(&engine);
    sim_deinit(&disk);
}

static void test_salvage_gives_all_but_what_it_says_is_lost_wherever_a_byte_changed(void **state) {
    (void)state;
    struct sim_disk origin;
    make_directory(&origin);
    unsigned most = 0, cases = 0;
    for (int i = 0; i < SIM_NAMES; i++) {
        if (origin.live[i].inode == NULL) continue;
        for (size_t at = 0; at < origin.live[i].inode->cache.length; at += 3 * KIT_STRIDE) {
            struct sim_disk disk;
            unsigned lost;
            sim_copy(&disk, &origin);
            sim_bytes_of(&disk, origin.live[i].name)->data[at] ^= (unsigned char)(1u << at % 8);
            (void)salvage(&disk, 18, &lost);
            if (lost > most) most = lost;
            cases++;
            sim_deinit(&disk);
        }
    }
    print_message("%u bytes flipped, at most %u batches lost\n", cases, most);
    assert_in_range(most, 1, 2); /* one, and with its header the one behind it */
    sim_deinit(&origin);
}

static void test_salvage_names_what_is_lost(void **state) {
    (void)state;
    struct sim_disk disk;
    unsigned lost;
    make_directory(&disk);
    struct sim_bytes *journal = sim_bytes_of(&disk, "journal-00000002.pj");
    journal->data[PAT_FILE_HEADER_BYTES + PAT_RECORD_HEADER_BYTES + 9] ^= 1;
    struct pat_recovery recovery = salvage(&disk, 18, &lost);
    assert_int_equal(recovery.losses, 1);
    assert_int_equal(recovery.loss[0].first, 7);
    assert_int_equal(recovery.loss[0].last, 7);
    assert_int_equal(recovery.loss[0].rows, kit_rows(SEED, 7, ROWS));
    assert_int_equal(recovery.loss[0].offset, PAT_FILE_HEADER_BYTES);
    assert_string_equal(recovery.loss[0].where, "journal-00000002.pj");
    /* A whole file, and the snapshot with it. */
    assert_int_equal(sim_remove(&disk.base, "journal-00000002.pj", NULL), PAT_OK);
    recovery = salvage(&disk, 18, &lost);
    assert_int_equal(recovery.losses, 1);
    assert_int_equal(recovery.loss[0].first, 7);
    assert_int_equal(recovery.loss[0].last, 0); /* nobody knows: it was killed */
    assert_string_equal(recovery.loss[0].where, "journal-00000002.pj");
    assert_int_equal(sim_remove(&disk.base, "snapshot-00000001.ps", NULL), PAT_OK);
    recovery = salvage(&disk, 6, &lost);
    assert_int_equal(lost, 0); /* the older journal is still there */
    assert_int_equal(sim_remove(&disk.base, "MANIFEST", NULL), PAT_OK);
    recovery = salvage(&disk, 6, &lost);
    assert_int_equal(recovery.losses, 1);
    assert_int_equal(recovery.loss[0].first, 7);
    assert_int_equal(recovery.loss[0].last, 0);
    sim_deinit(&disk);
}

/* A group whose sync fails, of other batches than those that are acknowledged under its lsns later; then the snapshot
 * that lets groups be taken again. */
static void refuse_group(struct sim_disk *disk, struct kit_engine *engine, bool resume) {
    engine->seed = SEED + 1;
    sim_fail_after(disk, 2);
    assert_int_equal(kit_load(engine, 2), PAT_ERR_IO);
    engine->seed = SEED;
    disk->failed = 0;
    if (resume) assert_int_equal(kit_snapshot(engine), PAT_OK);
}

static void test_salvage_without_a_manifest_takes_no_batch_that_was_refused(void **state) {
    (void)state;
    struct sim_disk disk, copy;
    struct kit_engine engine;
    unsigned lost;
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    while (engine.store->lsn < 3) assert_int_equal(kit_load(&engine, 1), PAT_OK);
    refuse_group(&disk, &engine, true);
    assert_int_equal(kit_load(&engine, 1), PAT_OK);
    for (unsigned without = 0; without < 8; without++) {
        sim_copy(&copy, &disk);
        assert_int_equal(sim_remove(&copy.base, "MANIFEST", NULL), PAT_OK);
        if ((without & 1) != 0) assert_int_equal(sim_remove(&copy.base, "snapshot-00000001.ps", NULL), PAT_OK);
        if ((without & 2) != 0) sim_bytes_of(&copy, "journal-00000002.pj")->data[20] ^= 1;
        if ((without & 4) != 0) sim_bytes_of(&copy, "journal-00000002.pj")->data[PAT_FILE_HEADER_BYTES + 30] ^= 1;
        const struct pat_recovery recovery = salvage(&copy, 4, &lost);
        assert_int_equal(lost, without >= 2);
        assert_int_equal(recovery.loss[recovery.losses - 1].last, 0);
        sim_deinit(&copy);
    }
    /* Without the file that came after, and without the snapshot as well only what was proven stands for itself. */
    sim_copy(&copy, &disk);
    assert_int_equal(sim_remove(&copy.base, "MANIFEST", NULL), PAT_OK);
    assert_int_equal(sim_remove(&copy.base, "journal-00000002.pj", NULL), PAT_OK);
    (void)salvage(&copy, 4, &lost);
    assert_int_equal(lost, 1);
    sim_deinit(&copy);
    kit_close(&engine);
    sim_deinit(&disk);
}

static void test_salvage_with_a_manifest_put_back_reads_what_it_does_not_know(void **state) {
    (void)state;
    struct sim_disk disk, earlier;
    struct kit_engine engine;
    unsigned lost;
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    assert_int_equal(kit_load(&engine, 2), PAT_OK);
    sim_copy(&earlier, &disk);
    assert_int_equal(kit_snapshot(&engine), PAT_OK);
    assert_int_equal(kit_load(&engine, 3), PAT_OK);
    sim_bytes_copy(sim_bytes_of(&disk, "MANIFEST"), sim_bytes_of(&earlier, "MANIFEST"));
    const struct pat_recovery recovery = salvage(&disk, 5, &lost);
    assert_int_equal(lost, 0);
    assert_int_equal(recovery.lsn, 5);
    assert_int_equal(recovery.loss[0].first, 6);
    assert_int_equal(recovery.loss[0].last, 0);
    disk.fail_on = true;
    sim_fail_after(&disk, 1);
    kit_close(&engine);
    sim_deinit(&disk);
    sim_deinit(&earlier);
}

/* ---- every kind of damage ---------------------------------------------------------------------------------------- */

#define TIMES       4u
#define DAMAGE_STEP 97u
#define HOLE_BYTES  300u

struct history {
    struct sim_disk last, earlier[TIMES];
};

/* Two snapshots, refused groups before each of them, batches up to 18. */
static void history_make(struct history *history, bool clean) {
    struct sim_disk disk;
    struct kit_engine engine;
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    for (unsigned i = 0; i < TIMES; i++) {
        for (unsigned groups = 0; groups < 2; groups++) assert_int_equal(kit_load(&engine, 2), PAT_OK);
        sim_copy(&history->earlier[i], &disk);
        if (i % 2 == 0) refuse_group(&disk, &engine, true);
    }
    assert_int_equal(kit_load(&engine, 2), PAT_OK);
    if (!clean) sim_copy(&history->last, &disk);
    kit_close(&engine);
    if (clean) sim_copy(&history->last, &disk);
    sim_deinit(&disk);
}

static void history_end(struct history *history) {
    for (unsigned i = 0; i < TIMES; i++) sim_deinit(&history->earlier[i]);
    sim_deinit(&history->last);
}

/* What a server without --salvage refuses, one with it serves: what is acknowledged, and the rest is named. */
static void judge(struct sim_disk *disk, unsigned *refused) {
    struct kit_engine engine;
    unsigned lost;
    const enum pat_status status = kit_recover(&engine, &disk->base, PAT_SYNC_ALWAYS, SEED, ROWS);
    kit_close(&engine);
    if (status == PAT_OK) return;
    assert_int_equal(status, PAT_ERR_CORRUPT);
    (*refused)++;
    (void)salvage(disk, 18, &lost);
}

/* Changes file `name`, whose inode the disk has for itself, in the way of this number; false when there are no more. */
static bool damage(struct sim_disk *disk, const struct history *history, const char *name, unsigned way) {
    struct sim_bytes *bytes = sim_bytes_of(disk, name);
    if (way == 0) return sim_remove(&disk->base, name, NULL) == PAT_OK;
    way -= 1;
    if (way < TIMES) { /* as it was */
        const struct sim_bytes *older = sim_bytes_of((struct sim_disk *)(uintptr_t)&history->earlier[way], name);
        if (older != NULL) sim_bytes_copy(bytes, older);
        return true;
    }
    way -= TIMES;
    if (way < SIM_NAMES) { /* swapped with another */
        const struct sim_inode *other = history->last.live[way].inode;
        struct sim_bytes *there = other != NULL ? sim_bytes_of(disk, history->last.live[way].name) : NULL;
        if (there == NULL) return true;
        sim_bytes_copy(there, bytes);
        sim_bytes_copy(bytes, &other->cache);
        return true;
    }
    way -= SIM_NAMES;
    const size_t at = (size_t)(way / 2) * DAMAGE_STEP;
    if (at >= bytes->length) return false;
    if (way % 2 == 0) { /* cut, or a hole in it */
        sim_bytes_resize(bytes, at);
    } else {
        memset(bytes->data + at, 0, bytes->length - at < HOLE_BYTES ? bytes->length - at : HOLE_BYTES);
    }
    return true;
}

/* One file in every way; `also` is another one that is not there, either. */
static void damage_in_every_way(const struct history *history, const char *name, const char *also, unsigned *refused) {
    bool more = true;
    for (unsigned way = 0; more; way += KIT_STEP) {
        struct sim_disk disk;
        sim_copy(&disk, (struct sim_disk *)(uintptr_t)&history->last);
        if (also != NULL) assert_int_equal(sim_remove(&disk.base, also, NULL), PAT_OK);
        more = damage(&disk, history, name, way);
        if (more) judge(&disk, refused);
        sim_deinit(&disk);
    }
}

static void test_salvage_serves_what_was_acknowledged_and_names_the_rest_whatever_happened(void **state) {
    (void)state;
    for (int clean = 0; clean < 2; clean++) {
        struct history history;
        unsigned refused = 0;
        history_make(&history, clean != 0);
        for (int i = 0; i < SIM_NAMES; i++) {
            const char *name = history.last.live[i].name;
            if (history.last.live[i].inode == NULL || pat_space__is_own(name)) continue;
            damage_in_every_way(&history, name, NULL, &refused);
            if (strcmp(name, PAT_MANIFEST_NAME) == 0) continue;
            damage_in_every_way(&history, name, PAT_MANIFEST_NAME, &refused);
        }
        print_message("%u refused and salvaged\n", refused);
        assert_true(refused > 100 / KIT_STEP);
        history_end(&history);
    }
}

/* Each sector of each file in turn: all comes back, or the start is refused and names the file, and what is left of
 * that is told from what is not. */
static void check_unreadable(bool clean) {
    struct history history;
    unsigned refused = 0, whole = 0;
    history_make(&history, clean);
    for (int i = 0; i < SIM_NAMES; i++) {
        const char *name = history.last.live[i].name;
        if (history.last.live[i].inode == NULL || pat_space__is_own(name)) continue;
        for (uint64_t at = 0; at < history.last.live[i].inode->cache.length; at += SIM_SECTOR) {
            struct sim_disk disk;
            struct kit_engine engine;
            unsigned lost;
            sim_copy(&disk, &history.last);
            disk.bad_name = name;
            disk.bad_from = at;
            disk.bad_to = at + SIM_SECTOR;
            const enum pat_status status = kit_recover(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS);
            if (status == PAT_OK) {
                assert_int_equal(engine.store->lsn, 18);
                assert_true(pat_digest_equal(kit_digest(engine.store), digests[18]));
                whole++;
            } else {
                assert_int_equal(status, PAT_ERR_CORRUPT);
                assert_non_null(strstr(engine.error.message, name));
                assert_non_null(strstr(engine.error.message, "offset"));
                (void)salvage(&disk, 18, &lost);
                refused++;
            }
            kit_close(&engine);
            sim_deinit(&disk);
        }
    }
    print_message("%u unreadable sectors refused, %u of no harm\n", refused, whole);
    assert_true(refused > 2 && whole > 8);
    history_end(&history);
}

static void test_a_sector_that_cannot_be_read_is_refused_by_its_offset_or_does_no_harm(void **state) {
    (void)state;
    check_unreadable(false);
    check_unreadable(true);
}

/* Nothing of what was acknowledged can be there: a start after a kill goes on, tells it, and writes it anew. */
static void test_a_bad_sector_in_the_room_behind_the_end_stops_no_start(void **state) {
    (void)state;
    struct sim_disk disk, killed;
    struct kit_engine engine;
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    assert_int_equal(kit_load(&engine, 1), PAT_OK);
    sim_copy(&killed, &disk);
    kit_close(&engine);
    sim_deinit(&disk);
    killed.bad_name = "journal-00000001.pj";
    killed.bad_from = KIT_JOURNAL_BYTES - SIM_SECTOR;
    killed.bad_to = KIT_JOURNAL_BYTES;
    assert_int_equal(kit_start(&engine, &killed.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    assert_int_equal(engine.store->lsn, 1);
    assert_non_null(
        strstr(engine.recovery.note, "journal-00000001.pj: the disk cannot read 512 bytes from offset 3584"));
    kit_close(&engine);
    sim_deinit(&killed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_crash_at_each_call_of_a_group),
        cmocka_unit_test(test_a_crash_at_each_call_of_a_rotation_and_a_snapshot),
        cmocka_unit_test(test_a_crash_at_each_call_of_a_first_start),
        cmocka_unit_test(test_a_full_disk_refuses_before_it_is_full_and_goes_on_by_itself),
        cmocka_unit_test(test_there_is_a_spare_file_before_the_first_snapshot),
        cmocka_unit_test(test_a_disk_without_any_room_is_stopped_cleanly_and_started_again),
        cmocka_unit_test(test_a_failed_file_finds_a_place_in_a_list_that_is_full),
        cmocka_unit_test(test_records_of_a_files_former_life_never_come_back),
        cmocka_unit_test(test_a_spare_file_is_on_disk_before_it_is_needed),
        cmocka_unit_test(test_with_an_interval_the_power_takes_nothing_that_is_older),
        cmocka_unit_test(test_a_full_disk_keeps_the_interval),
        cmocka_unit_test(test_the_interval_is_kept_while_groups_come),
        cmocka_unit_test(test_after_a_failure_a_snapshot_counts_only_when_it_was_read_back),
        cmocka_unit_test(test_memory_that_runs_out_at_each_call_costs_that_call_alone),
        cmocka_unit_test(test_salvage_gives_all_but_what_it_says_is_lost_wherever_a_byte_changed),
        cmocka_unit_test(test_salvage_names_what_is_lost),
        cmocka_unit_test(test_salvage_without_a_manifest_takes_no_batch_that_was_refused),
        cmocka_unit_test(test_salvage_with_a_manifest_put_back_reads_what_it_does_not_know),
        cmocka_unit_test(test_a_sector_that_cannot_be_read_is_refused_by_its_offset_or_does_no_harm),
        cmocka_unit_test(test_a_bad_sector_in_the_room_behind_the_end_stops_no_start),
        cmocka_unit_test(test_salvage_serves_what_was_acknowledged_and_names_the_rest_whatever_happened),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
