/* A whole directory: what was acknowledged comes back, and damage is noticed. */
#include "kit.h"

#include "persist/file_private.h"
#include "persist/inspect.h"
#include "persist/verify.h"

#include <malloc.h>

#define SEED 11u
#define ROWS 3u
#define LSNS 16u

/* Batches that a test sends after all of these. */
#define LSNS_MORE 2u
static struct pat_digest digests[LSNS + LSNS_MORE + 1];

static int prepare(void **state) {
    (void)state;
    /* Stores come and go by the thousand: do not give their memory back each time. */
    (void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
    kit_digests(digests, SEED, LSNS + LSNS_MORE, ROWS);
    return 0;
}

static void load_to(struct kit_engine *engine, pat_lsn last) {
    while (engine->store->lsn < last) {
        unsigned count = engine->store->lsn + 2 <= last && engine->store->lsn % 3 == 0 ? 2 : 1;
        assert_int_equal(kit_load(engine, count), PAT_OK);
    }
}

/* Bytes of the record or mark at `at`, 0 when there is none any more. */
static size_t record_bytes(const struct sim_bytes *bytes, size_t at) {
    uint32_t payload;
    if (at + PAT_RECORD_HEADER_BYTES > bytes->length || !pat_journal__is_magic(bytes->data + at)) return 0;
    memcpy(&payload, bytes->data + at + 4, sizeof payload);
    return PAT_RECORD_HEADER_BYTES + payload;
}

/* Where the records of a journal file end. */
static size_t records_end(const struct sim_bytes *bytes) {
    size_t at = PAT_FILE_HEADER_BYTES;
    while (record_bytes(bytes, at) > 0) at += record_bytes(bytes, at);
    return at;
}

/* Two snapshots, journals between and behind them, up to LSNS. `clean`: closed in order; otherwise as kill -9 leaves
 * it. */
static void make_directory(struct sim_disk *out, bool clean) {
    struct sim_disk disk;
    struct kit_engine engine;
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    load_to(&engine, 4);
    assert_int_equal(kit_snapshot(&engine), PAT_OK);
    load_to(&engine, 8);
    assert_int_equal(kit_snapshot(&engine), PAT_OK);
    load_to(&engine, LSNS);
    if (!clean) sim_copy(out, &disk);
    kit_close(&engine);
    if (clean) sim_copy(out, &disk);
    sim_deinit(&disk);
}

static void assert_state(const struct kit_engine *engine, pat_lsn lsn) {
    assert_int_equal(engine->recovery.lsn, lsn);
    assert_int_equal(engine->store->lsn, lsn);
    assert_true(pat_digest_equal(kit_digest(engine->store), digests[lsn]));
}

static void test_a_clean_restart_goes_on_where_it_was(void **state) {
    (void)state;
    struct sim_disk disk;
    sim_init(&disk);
    for (pat_lsn lsn = 0; lsn < LSNS; lsn += 4) {
        struct kit_engine engine;
        assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
        assert_state(&engine, lsn);
        assert_string_equal(engine.recovery.note, "");
        load_to(&engine, lsn + 4);
        if (lsn % 8 == 4) assert_int_equal(kit_snapshot(&engine), PAT_OK);
        kit_close(&engine);
    }
    struct kit_engine engine;
    assert_int_equal(kit_recover(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    assert_state(&engine, LSNS);
    assert_true(engine.recovery.generation > 0);
    assert_false(engine.recovery.fell_back);
    kit_close(&engine);
    sim_deinit(&disk);
}

static void test_two_generations_and_the_journal_back_to_the_older_are_kept(void **state) {
    (void)state;
    struct sim_disk disk;
    struct kit_engine engine;
    struct pat_generation generation[4];
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    for (pat_lsn lsn = 4; lsn <= 16; lsn += 4) {
        load_to(&engine, lsn);
        assert_int_equal(kit_snapshot(&engine), PAT_OK);
    }
    assert_int_equal(pat_persist_generations(engine.persist, generation, 4), 2);
    assert_int_equal(generation[0].number, 4);
    assert_int_equal(generation[0].lsn, 16);
    assert_int_equal(generation[0].saved_ms >= 1700000000000, 1);
    assert_int_equal(generation[1].lsn, 12);
    assert_int_equal(pat_persist_journal_bytes(engine.persist), 0);
    load_to(&engine, 17);
    assert_true(pat_persist_journal_bytes(engine.persist) > 0);
    assert_null(sim_bytes_of(&disk, "snapshot-00000002.ps"));
    assert_null(sim_bytes_of(&disk, "journal-00000003.pj"));
    assert_non_null(sim_bytes_of(&disk, "journal-00000004.pj"));
    assert_non_null(sim_bytes_of(&disk, "journal-00000005.pj"));
    /* A snapshot of the same state again begins no new journal file. */
    assert_int_equal(kit_snapshot(&engine), PAT_OK);
    assert_int_equal(kit_snapshot(&engine), PAT_OK);
    assert_non_null(sim_bytes_of(&disk, "journal-00000006.pj"));
    assert_null(sim_bytes_of(&disk, "journal-00000007.pj"));
    kit_close(&engine);
    sim_deinit(&disk);
}

static void test_settings_belong_to_the_directory(void **state) {
    (void)state;
    struct sim_disk disk;
    struct pat_persist *persist;
    struct pat_error error;
    sim_init(&disk);
    struct pat_persist_options options = {.fs = &disk.base};
    struct pat_settings settings = {.zone = "Europe/London", .base_currency = "GBP", .epoch = 77};
    assert_int_equal(pat_persist_open(&persist, &options, &settings, &error), PAT_OK);
    pat_persist_close(&persist);
    struct pat_settings empty = {0};
    assert_int_equal(pat_persist_open(&persist, &options, &empty, &error), PAT_OK);
    assert_string_equal(empty.zone, "Europe/London");
    assert_string_equal(empty.base_currency, "GBP");
    assert_int_equal(empty.epoch, 77);
    pat_persist_close(&persist);
    struct pat_settings other = {.base_currency = "USD"};
    assert_int_equal(pat_persist_open(&persist, &options, &other, &error), PAT_ERR_CONFLICT);
    assert_non_null(strstr(error.message, "GBP"));
    assert_non_null(strstr(error.message, "USD"));
    other = (struct pat_settings){.zone = "UTC"};
    assert_int_equal(pat_persist_open(&persist, &options, &other, &error), PAT_ERR_CONFLICT);
    sim_deinit(&disk);
}

/* Whatever was done to the directory: all comes back, or the start is refused with the name of a file. */
static bool assert_noticed_or_whole(struct sim_disk *disk) {
    struct kit_engine engine;
    enum pat_status status = kit_recover(&engine, &disk->base, PAT_SYNC_ALWAYS, SEED, ROWS);
    if (status == PAT_OK) {
        assert_state(&engine, LSNS);
    } else {
        assert_int_equal(status, PAT_ERR_CORRUPT);
        assert_true(strstr(engine.error.message, "MANIFEST") != NULL || strstr(engine.error.message, ".pj") != NULL);
    }
    kit_close(&engine);
    return status == PAT_OK;
}

/* Bytes that mean something: behind them is room, of which every so many are enough. */
#define ROOM_STRIDE (61u * KIT_STEP)

static size_t meaning_end(const struct sim_name *slot) {
    enum pat_file_kind kind;
    uint64_t number;
    const bool ours = pat_file__name_parse(slot->name, &kind, &number);
    if (ours && kind == PAT_FILE_JOURNAL) return records_end(&slot->inode->cache);
    return ours || strcmp(slot->name, "MANIFEST") == 0 ? slot->inode->cache.length : 0;
}

static void check_flips(bool clean, bool recovers_snapshots) {
    struct sim_disk origin;
    make_directory(&origin, clean);
    unsigned flips = 0, whole = 0;
    for (int i = 0; i < SIM_NAMES; i++) {
        if (origin.live[i].inode == NULL) continue;
        bool snapshot = strncmp(origin.live[i].name, "snapshot", 8) == 0;
        const size_t end = meaning_end(&origin.live[i]);
        for (size_t at = 0; at < origin.live[i].inode->cache.length; at += at < end ? KIT_STRIDE : ROOM_STRIDE) {
            struct sim_disk disk;
            sim_copy(&disk, &origin);
            sim_bytes_of(&disk, origin.live[i].name)->data[at] ^= (unsigned char)(1u << (at % 8));
            bool recovered = assert_noticed_or_whole(&disk);
            if (snapshot) assert_int_equal(recovered, recovers_snapshots);
            whole += recovered;
            flips++;
            sim_deinit(&disk);
        }
    }
    print_message("%u bytes flipped, %u of them recovered exactly, the rest refused\n", flips, whole);
    sim_deinit(&origin);
}

static void test_each_flipped_byte_is_noticed_or_recovered_after_kill(void **state) {
    (void)state;
    check_flips(false, true);
}

static void test_each_flipped_byte_is_noticed_or_recovered_after_a_clean_stop(void **state) {
    (void)state;
    check_flips(true, true);
}

static void test_what_happened_to_a_snapshot_is_said(void **state) {
    (void)state;
    struct sim_disk origin, disk;
    struct kit_engine engine;
    make_directory(&origin, true);
    sim_copy(&disk, &origin);
    sim_bytes_of(&disk, "snapshot-00000002.ps")->data[1000] ^= 4;
    assert_int_equal(kit_recover(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    assert_true(engine.recovery.fell_back);
    assert_int_equal(engine.recovery.generation, 1);
    assert_int_equal(engine.recovery.snapshot_lsn, 4);
    assert_int_equal(engine.recovery.records, LSNS - 4);
    assert_non_null(strstr(engine.recovery.note, "snapshot-00000002.ps: block at offset"));
    /* The next snapshot drops the damaged one, not the older good one. */
    assert_int_equal(pat_persist_start(engine.persist, &engine.error), PAT_OK);
    assert_int_equal(kit_snapshot(&engine), PAT_OK);
    struct pat_generation generation[4];
    assert_int_equal(pat_persist_generations(engine.persist, generation, 4), 2);
    assert_int_equal(generation[0].number, 3);
    assert_int_equal(generation[1].number, 1);
    kit_close(&engine);
    sim_deinit(&disk);

    sim_copy(&disk, &origin);
    sim_bytes_of(&disk, "snapshot-00000001.ps")->data[1000] ^= 4;
    assert_int_equal(kit_recover(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    assert_false(engine.recovery.fell_back);
    assert_int_equal(engine.recovery.generation, 2);
    assert_non_null(strstr(engine.recovery.note, "snapshot-00000001.ps"));
    assert_non_null(strstr(engine.recovery.note, "not needed"));
    kit_close(&engine);
    sim_deinit(&disk);

    /* Both gone: the journal does not reach back, and nothing is served. */
    sim_copy(&disk, &origin);
    sim_bytes_of(&disk, "snapshot-00000001.ps")->data[1000] ^= 4;
    sim_bytes_of(&disk, "snapshot-00000002.ps")->data[1000] ^= 4;
    assert_int_equal(kit_recover(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_ERR_CORRUPT);
    assert_non_null(strstr(engine.error.message, "lsns 1 to 4"));
    kit_close(&engine);
    sim_deinit(&disk);
    sim_deinit(&origin);
}

static void test_damage_to_an_acknowledged_record_names_file_offset_and_lsns(void **state) {
    (void)state;
    struct sim_disk disk;
    struct kit_engine engine;
    make_directory(&disk, false);
    struct sim_bytes *journal = sim_bytes_of(&disk, "journal-00000003.pj");
    journal->data[PAT_FILE_HEADER_BYTES + PAT_RECORD_HEADER_BYTES + 20] ^= 1;
    assert_int_equal(kit_recover(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_ERR_CORRUPT);
    assert_non_null(
        strstr(engine.error.message, "journal-00000003.pj: record at offset 64 (lsn 9): checksum does not match"));
    uint64_t rows = 0;
    for (pat_lsn lsn = 9; lsn <= 16; lsn++) rows += kit_rows(SEED, lsn, ROWS);
    char lost[64];
    (void)snprintf(lost, sizeof lost, "lsns 9 to 16 (%llu rows)", (unsigned long long)rows);
    assert_non_null(strstr(engine.error.message, lost));
    assert_int_equal(engine.error.offset, 64);
    kit_close(&engine);
    sim_deinit(&disk);
}

static void test_files_of_every_other_length_are_noticed_or_lose_nothing(void **state) {
    (void)state;
    struct sim_disk origin;
    make_directory(&origin, true); /* the manifest knows how far the journal goes */
    for (int i = 0; i < SIM_NAMES; i++) {
        if (origin.live[i].inode == NULL) continue;
        const size_t end = meaning_end(&origin.live[i]);
        for (size_t length = 0; length < origin.live[i].inode->cache.length;
             length += length < end ? KIT_STRIDE : ROOM_STRIDE) {
            struct sim_disk disk;
            sim_copy(&disk, &origin);
            sim_bytes_resize(sim_bytes_of(&disk, origin.live[i].name), length);
            (void)assert_noticed_or_whole(&disk);
            sim_deinit(&disk);
        }
        for (size_t more = 1; more < 200; more += 13) {
            struct sim_disk disk;
            sim_copy(&disk, &origin);
            struct sim_bytes *bytes = sim_bytes_of(&disk, origin.live[i].name);
            size_t length = bytes->length;
            sim_bytes_resize(bytes, length + more);
            memset(bytes->data + length, 0x5a, more);
            (void)assert_noticed_or_whole(&disk);
            sim_deinit(&disk);
        }
    }
    sim_deinit(&origin);
}

static void test_a_journal_that_became_shorter_is_refused(void **state) {
    (void)state;
    struct sim_disk origin;
    make_directory(&origin, false);
    const char *name = "journal-00000003.pj";
    assert_true(records_end(sim_bytes_of(&origin, name)) <= KIT_JOURNAL_BYTES); /* it did not have to grow */
    for (size_t length = 0; length < KIT_JOURNAL_BYTES; length += 7 * KIT_STRIDE) {
        struct sim_disk disk;
        struct kit_engine engine;
        sim_copy(&disk, &origin);
        sim_bytes_resize(sim_bytes_of(&disk, name), length);
        assert_int_equal(kit_recover(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_ERR_CORRUPT);
        assert_non_null(strstr(engine.error.message, name));
        kit_close(&engine);
        sim_deinit(&disk);
    }
    sim_deinit(&origin);
}

/* Zeros from anywhere on, as if nothing had ever been written there: the mark behind the last group is the last thing
 * that says otherwise. */
static void test_a_journal_emptied_from_anywhere_on_gives_a_prefix_or_is_refused(void **state) {
    (void)state;
    struct sim_disk origin;
    make_directory(&origin, false);
    const char *name = "journal-00000003.pj";
    const size_t end = records_end(sim_bytes_of(&origin, name));
    unsigned refused = 0, prefixes = 0;
    for (size_t from = PAT_FILE_HEADER_BYTES; from < end; from += KIT_STRIDE) {
        struct sim_disk disk;
        struct kit_engine engine;
        sim_copy(&disk, &origin);
        struct sim_bytes *bytes = sim_bytes_of(&disk, name);
        memset(bytes->data + from, 0, bytes->length - from);
        if (kit_recover(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS) == PAT_OK) {
            assert_in_range(engine.recovery.lsn, 8, LSNS);
            assert_state(&engine, engine.recovery.lsn);
            assert_int_equal(pat_persist_start(engine.persist, &engine.error), PAT_OK);
            assert_int_equal(kit_load(&engine, 1), PAT_OK);
            prefixes++;
        } else {
            refused++;
        }
        kit_close(&engine);
        sim_deinit(&disk);
    }
    print_message("%u refused, %u a prefix\n", refused, prefixes);
    sim_deinit(&origin);
}

/* One damaged byte anywhere in the last group of a killed process: its mark says that it was acknowledged. */
static void test_damage_to_the_last_group_after_a_kill_is_refused(void **state) {
    (void)state;
    struct sim_disk origin;
    make_directory(&origin, false);
    const char *name = "journal-00000003.pj";
    const size_t end = records_end(sim_bytes_of(&origin, name)) - PAT_RECORD_HEADER_BYTES;
    size_t last = PAT_FILE_HEADER_BYTES;
    for (size_t at = last; at < end; at += record_bytes(sim_bytes_of(&origin, name), at)) last = at;
    for (size_t at = last; at < end; at += KIT_STEP) {
        struct sim_disk disk;
        struct kit_engine engine;
        sim_copy(&disk, &origin);
        sim_bytes_of(&disk, name)->data[at] ^= (unsigned char)(1u << at % 8);
        assert_int_equal(kit_recover(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_ERR_CORRUPT);
        kit_close(&engine);
        sim_deinit(&disk);
    }
    sim_deinit(&origin);
}

static void test_missing_swapped_and_foreign_files_are_noticed(void **state) {
    (void)state;
    struct sim_disk origin;
    make_directory(&origin, true);
    for (int i = 0; i < SIM_NAMES; i++) {
        for (int k = 0; k < SIM_NAMES; k++) {
            if (origin.live[i].inode == NULL || origin.live[k].inode == NULL) continue;
            struct sim_disk disk;
            sim_copy(&disk, &origin);
            if (i == k) {
                assert_int_equal(sim_remove(&disk.base, origin.live[i].name, NULL), PAT_OK);
            } else {
                sim_bytes_copy(sim_bytes_of(&disk, origin.live[i].name), &origin.live[k].inode->cache);
            }
            (void)assert_noticed_or_whole(&disk);
            sim_deinit(&disk);
        }
    }
    sim_deinit(&origin);
}

static void test_a_manifest_that_is_missing_beside_files_is_damage(void **state) {
    (void)state;
    struct sim_disk disk;
    struct kit_engine engine;
    make_directory(&disk, true);
    assert_int_equal(sim_remove(&disk.base, "MANIFEST", NULL), PAT_OK);
    assert_int_equal(kit_recover(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_ERR_CORRUPT);
    assert_non_null(strstr(engine.error.message, "MANIFEST is missing"));
    kit_close(&engine);
    sim_deinit(&disk);
}

static void test_files_put_back_to_an_earlier_time_are_noticed_or_lose_nothing(void **state) {
    (void)state;
    struct sim_disk disk, earlier[3];
    struct kit_engine engine;
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    for (unsigned i = 0; i < 3; i++) {
        load_to(&engine, (i + 1) * 5);
        sim_copy(&earlier[i], &disk);
        if (i < 2) assert_int_equal(kit_snapshot(&engine), PAT_OK);
    }
    load_to(&engine, LSNS);
    kit_close(&engine);
    for (unsigned i = 0; i < 3; i++) {
        for (int k = 0; k < SIM_NAMES; k++) {
            if (earlier[i].live[k].inode == NULL || sim_bytes_of(&disk, earlier[i].live[k].name) == NULL) continue;
            struct sim_disk mixed;
            sim_copy(&mixed, &disk);
            sim_bytes_copy(sim_bytes_of(&mixed, earlier[i].live[k].name), &earlier[i].live[k].inode->cache);
            (void)assert_noticed_or_whole(&mixed);
            sim_deinit(&mixed);
        }
        sim_deinit(&earlier[i]);
    }
    sim_deinit(&disk);
}

/* Offsets of the records (not marks) of a journal file. */
static unsigned records_of(const struct sim_bytes *bytes, size_t offset[], size_t length[]) {
    unsigned count = 0;
    for (size_t at = PAT_FILE_HEADER_BYTES; record_bytes(bytes, at) > 0; at += record_bytes(bytes, at)) {
        if (record_bytes(bytes, at) == PAT_RECORD_HEADER_BYTES) continue; /* a mark */
        offset[count] = at;
        length[count++] = record_bytes(bytes, at);
    }
    return count;
}

static void test_records_dropped_repeated_or_brought_from_elsewhere_are_refused(void **state) {
    (void)state;
    struct sim_disk origin;
    make_directory(&origin, false);
    const char *name = "journal-00000003.pj";
    size_t offset[64], length[64];
    unsigned count = records_of(sim_bytes_of(&origin, name), offset, length);
    assert_int_equal(count, LSNS - 8);
    const struct sim_bytes *foreign = sim_bytes_of(&origin, "journal-00000002.pj");
    for (unsigned i = 0; i + 1 < count; i++) {
        for (unsigned what = 0; what < 3; what++) {
            struct sim_disk disk;
            sim_copy(&disk, &origin);
            struct sim_bytes *bytes = sim_bytes_of(&disk, name);
            size_t rest = bytes->length - offset[i] - length[i];
            if (what == 0) { /* dropped */
                memmove(bytes->data + offset[i], bytes->data + offset[i] + length[i], rest);
                memset(bytes->data + bytes->length - length[i], 0, length[i]);
            } else if (what == 1) { /* repeated */
                const size_t behind = bytes->length - offset[i + 1];
                sim_bytes_resize(bytes, bytes->length + length[i]);
                memmove(bytes->data + offset[i + 1] + length[i], bytes->data + offset[i + 1], behind);
                memcpy(bytes->data + offset[i + 1], bytes->data + offset[i], length[i]);
            } else { /* another file's first bytes in its place */
                memcpy(bytes->data + offset[i], foreign->data + PAT_FILE_HEADER_BYTES, PAT_RECORD_HEADER_BYTES);
            }
            assert_false(assert_noticed_or_whole(&disk));
            sim_deinit(&disk);
        }
    }
    sim_deinit(&origin);
}

/* A start on the directory tells the damaged mark and makes it good; then the process is gone, or with `power` the
 * power, and it stays good. */
static void check_mark_made_good(struct sim_disk *disk, const char *name, size_t mark, const unsigned char *good,
                                 bool power) {
    uint64_t random = 1;
    struct kit_engine engine;
    assert_int_equal(kit_start(&engine, &disk->base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    assert_state(&engine, 3);
    assert_non_null(strstr(engine.recovery.note, "damaged mark"));
    disk->fail_on = power;
    if (power) sim_fail_after(disk, 1);
    kit_close(&engine);
    sim_faults_off(disk);
    if (power) sim_power_cut(disk, &random, false);
    assert_memory_equal(sim_bytes_of(disk, name)->data + mark, good, PAT_RECORD_HEADER_BYTES);
    assert_int_equal(kit_recover(&engine, &disk->base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    assert_state(&engine, 3);
    assert_string_equal(engine.recovery.note, "");
    kit_close(&engine);
}

/* Each byte of the mark at `mark` changes: it is told, no batch is lost, and a start makes it good. */
static void check_mark(struct sim_disk *origin, const char *name, size_t mark) {
    for (size_t at = mark; at < mark + PAT_RECORD_HEADER_BYTES; at += KIT_STEP) {
        for (unsigned power = 0; power < 2; power++) {
            struct sim_disk disk;
            sim_copy(&disk, origin);
            struct sim_inode *inode = sim_find(disk.live, name)->inode;
            inode->cache.data[at] ^= (unsigned char)(1u << at % 8);
            inode->durable.data[at] = inode->cache.data[at];
            check_mark_made_good(&disk, name, mark, sim_bytes_of(origin, name)->data + mark, power != 0);
            sim_deinit(&disk);
        }
    }
}

static void test_a_damaged_mark_hides_no_batch(void **state) {
    (void)state;
    const char *name = "journal-00000001.pj";
    struct sim_disk disk, killed, stopped;
    struct kit_engine engine;
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    load_to(&engine, 2);
    const size_t between = records_end(sim_bytes_of(&disk, name)) - PAT_RECORD_HEADER_BYTES;
    load_to(&engine, 3);
    const size_t last = records_end(sim_bytes_of(&disk, name)) - PAT_RECORD_HEADER_BYTES;
    sim_copy(&killed, &disk);
    kit_close(&engine);
    sim_copy(&stopped, &disk);
    sim_deinit(&disk);
    check_mark(&killed, name, between);
    check_mark(&killed, name, last);
    check_mark(&stopped, name, between);
    check_mark(&stopped, name, last);
    sim_deinit(&killed);
    sim_deinit(&stopped);
}

/* The power goes when a group of two has been written and not synced, and its first record is torn. It is wiped; then
 * the power goes while that record is written again. The second one must not come back behind it: whoever served
 * meanwhile never saw it. */
static void cut_twice(uint64_t seed) {
    const char *name = "journal-00000001.pj";
    const pat_lsn before = 1 + seed % 12;
    uint64_t random = seed;
    struct sim_disk disk, torn;
    struct kit_engine engine;
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    load_to(&engine, before);
    const size_t at = records_end(sim_bytes_of(&disk, name));
    disk.fail_at = disk.calls + 2; /* written, not synced */
    disk.fail_on = true;
    assert_int_equal(kit_load(&engine, 2), PAT_ERR_IO);
    kit_close(&engine);
    sim_copy(&torn, &disk);
    sim_deinit(&disk);
    sim_bytes_of(&torn, name)->data[at] ^= 1;
    sim_find(torn.live, name)->inode->durable.data[at] ^= 1;

    assert_int_equal(kit_start(&engine, &torn.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    assert_state(&engine, before);
    torn.fail_at = torn.calls + 2;
    torn.fail_on = true;
    assert_int_equal(kit_load(&engine, 1), PAT_ERR_IO);
    kit_close(&engine);
    sim_faults_off(&torn);
    sim_power_cut(&torn, &random, true);
    assert_int_equal(kit_recover(&engine, &torn.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    assert_in_range(engine.recovery.lsn, before, before + 1);
    assert_state(&engine, engine.recovery.lsn);
    kit_close(&engine);
    sim_deinit(&torn);
}

static void test_what_was_wiped_stays_wiped_when_the_power_goes_again(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 120; seed += KIT_STEP) cut_twice(seed);
}

/* A directory is copied whole, or has no manifest yet, whenever the power goes. */
static void test_a_copy_is_whole_or_not_there_wherever_the_power_goes(void **state) {
    (void)state;
    struct sim_disk origin;
    make_directory(&origin, true);
    uint64_t random = 1;
    bool done = false;
    for (uint64_t way = 0; !done; way += KIT_STEP) {
        const uint64_t nth = 1 + way / 8; /* each call in eight ways to lose the power */
        struct sim_disk copy;
        struct kit_engine engine;
        sim_init(&copy);
        copy.fail_at = nth;
        copy.fail_on = true;
        assert_int_equal(kit_recover(&engine, &origin.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
        done = pat_persist_copy(engine.persist, &copy.base, 2, NULL, NULL, &engine.error) == PAT_OK;
        kit_close(&engine);
        sim_faults_off(&copy);
        sim_power_cut(&copy, &random, !done);
        if (done || sim_bytes_of(&copy, "MANIFEST") != NULL) {
            assert_int_equal(kit_recover(&engine, &copy.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
            assert_state(&engine, LSNS);
            assert_string_equal(engine.recovery.note, "");
            kit_close(&engine);
        }
        sim_deinit(&copy);
    }
    sim_deinit(&origin);
}

static void test_epoch_changes_at_each_start_that_may_have_gone_back(void **state) {
    (void)state;
    for (int sync = PAT_SYNC_ALWAYS; sync <= PAT_SYNC_NEVER; sync++) {
        struct sim_disk disk, killed;
        struct kit_engine engine;
        sim_init(&disk);
        assert_int_equal(kit_start(&engine, &disk.base, (enum pat_sync)sync, SEED, ROWS), PAT_OK);
        load_to(&engine, 3);
        sim_copy(&killed, &disk);
        kit_close(&engine);
        assert_int_equal(kit_recover(&engine, &disk.base, (enum pat_sync)sync, SEED, ROWS), PAT_OK);
        assert_int_equal(engine.settings.epoch, 1);
        kit_close(&engine);
        for (unsigned start = 0; start < 2; start++) {
            assert_int_equal(kit_start(&engine, &killed.base, (enum pat_sync)sync, SEED, ROWS), PAT_OK);
            assert_state(&engine, 3); /* killed only: the system kept what was written */
            assert_int_equal(engine.settings.epoch, 2);
            kit_close(&engine); /* in order */
        }
        sim_deinit(&killed);
        sim_deinit(&disk);
    }
}

/* The gap that the README names: the last group and its mark are gone. Another batch gets the lsn, under another epoch.
 */
static void test_epoch_changes_when_the_last_group_is_gone_without_a_trace(void **state) {
    (void)state;
    struct sim_disk disk, killed;
    struct kit_engine engine;
    const char *name = "journal-00000001.pj";
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    load_to(&engine, 2);
    const size_t end = records_end(sim_bytes_of(&disk, name));
    load_to(&engine, 3);
    sim_copy(&killed, &disk);
    kit_close(&engine);
    sim_deinit(&disk);
    struct sim_bytes *bytes = sim_bytes_of(&killed, name);
    memset(bytes->data + end, 0, bytes->length - end);
    assert_int_equal(kit_start(&engine, &killed.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    assert_state(&engine, 2);
    assert_int_equal(engine.settings.epoch, 2);
    kit_close(&engine);
    sim_deinit(&killed);
}

static void test_verify_reads_everything_and_names_what_is_damaged(void **state) {
    (void)state;
    struct sim_disk disk;
    struct kit_engine engine;
    uint64_t checks;
    make_directory(&disk, false);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    assert_int_equal(pat_persist_verify(engine.persist, &checks, &engine.error), PAT_OK);
    assert_true(checks >= 2 * 9 + LSNS - 4);
    static const char *const names[] = {"snapshot-00000001.ps", "snapshot-00000002.ps", "journal-00000002.pj",
                                        "journal-00000003.pj"};
    for (unsigned i = 0; i < 4; i++) {
        struct sim_bytes *bytes = sim_bytes_of(&disk, names[i]);
        bytes->data[400] ^= 1;
        assert_int_equal(pat_persist_verify(engine.persist, &checks, &engine.error), PAT_ERR_CORRUPT);
        assert_non_null(strstr(engine.error.message, names[i]));
        bytes->data[400] ^= 1;
    }
    kit_close(&engine);
    sim_deinit(&disk);
}

/* A loose mode, batches that all reached the disk but for the first: the start that wipes them is killed at call `at`,
 * the next one finds zeros. Then half of the same batches come again, and the power goes: what stood behind them must
 * not. */
static void wipe_killed_at(unsigned at, uint64_t seed) {
    static const char name[] = "journal-00000001.pj";
    struct sim_disk disk, killed;
    struct kit_engine engine;
    uint64_t random = seed;
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_NEVER, SEED, ROWS), PAT_OK);
    load_to(&engine, 2);
    kit_close(&engine);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_NEVER, SEED, ROWS), PAT_OK); /* these two are proven */
    const size_t begin = records_end(sim_bytes_of(&disk, name));
    load_to(&engine, 3);
    const size_t end = records_end(sim_bytes_of(&disk, name));
    load_to(&engine, LSNS);
    sim_copy(&killed, &disk);
    kit_close(&engine);
    sim_deinit(&disk);
    struct sim_inode *inode = sim_find(killed.live, name)->inode;
    memset(inode->cache.data + begin, 0, end - begin);
    assert_int_equal(inode->durable.length, inode->cache.length);
    memcpy(inode->durable.data, inode->cache.data, inode->cache.length);

    killed.fail_at = killed.calls + at;
    killed.fail_on = true;
    if (kit_start(&engine, &killed.base, PAT_SYNC_NEVER, SEED, ROWS) == PAT_OK) assert_state(&engine, 2);
    kit_close(&engine);
    sim_faults_off(&killed);
    assert_int_equal(kit_start(&engine, &killed.base, PAT_SYNC_NEVER, SEED, ROWS), PAT_OK);
    assert_state(&engine, 2);
    load_to(&engine, LSNS / 2);
    killed.fail_at = killed.calls + 1;
    killed.fail_on = true;
    kit_close(&engine);
    sim_faults_off(&killed);
    sim_power_cut(&killed, &random, true);
    assert_int_equal(kit_recover(&engine, &killed.base, PAT_SYNC_NEVER, SEED, ROWS), PAT_OK);
    assert_in_range(engine.recovery.lsn, 2, LSNS / 2);
    assert_state(&engine, engine.recovery.lsn);
    kit_close(&engine);
    sim_deinit(&killed);
}

static void test_what_a_killed_start_wiped_stays_wiped(void **state) {
    (void)state;
    for (unsigned at = 1; at <= 8; at++) {
        for (uint64_t seed = 1; seed <= 40; seed++) wipe_killed_at(at, seed);
    }
}

/* Whatever file it is, and whether the journal's open one has a record or none yet. */
static void mend(const char *name, size_t at, bool empty) {
    struct sim_disk disk, killed;
    struct kit_engine engine;
    uint64_t checks;
    make_directory(&disk, false);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    if (empty) assert_int_equal(kit_snapshot(&engine), PAT_OK);
    const pat_lsn lsn = engine.store->lsn;
    assert_int_equal(pat_persist_damaged(engine.persist), 0);
    sim_bytes_of(&disk, name)->data[at] ^= 1;
    assert_int_equal(pat_persist_verify(engine.persist, &checks, &engine.error), PAT_ERR_CORRUPT);
    assert_non_null(strstr(engine.error.message, name));
    assert_int_equal(pat_persist_damaged(engine.persist), 1);
    assert_int_equal(kit_snapshot(&engine), PAT_OK);
    if (pat_persist_damaged(engine.persist) > 0) assert_int_equal(kit_snapshot(&engine), PAT_OK);
    assert_int_equal(pat_persist_damaged(engine.persist), 0);
    assert_int_equal(pat_persist_verify(engine.persist, &checks, &engine.error), PAT_OK);
    load_to(&engine, lsn + LSNS_MORE);
    sim_copy(&killed, &disk);
    kit_close(&engine);
    assert_int_equal(kit_recover(&engine, &killed.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    assert_state(&engine, lsn + LSNS_MORE);
    assert_false(engine.recovery.fell_back);
    assert_string_equal(engine.recovery.note, "");
    kit_close(&engine);
    sim_deinit(&killed);
    sim_deinit(&disk);
}

static void test_what_was_found_damaged_is_gone_after_snapshots(void **state) {
    (void)state;
    static const char *const names[] = {"snapshot-00000001.ps", "snapshot-00000002.ps", "journal-00000002.pj",
                                        "journal-00000003.pj", PAT_MANIFEST_NAME};
    for (unsigned i = 0; i < 5; i++) {
        mend(names[i], 20, false);
        mend(names[i], 300, false);
    }
    mend("journal-00000004.pj", 20, true);
}

/* A damaged generation is not the one that the next snapshot keeps beside itself: with both damaged it is the last. */
static void test_the_older_generation_is_a_good_one(void **state) {
    (void)state;
    struct sim_disk disk;
    struct kit_engine engine;
    struct pat_generation generation[4];
    uint64_t checks;
    make_directory(&disk, false);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    sim_bytes_of(&disk, "snapshot-00000002.ps")->data[300] ^= 1;
    assert_int_equal(pat_persist_verify(engine.persist, &checks, &engine.error), PAT_ERR_CORRUPT);
    assert_int_equal(kit_snapshot(&engine), PAT_OK);
    assert_int_equal(pat_persist_generations(engine.persist, generation, 4), 2);
    assert_int_equal(generation[0].number, 3);
    assert_int_equal(generation[1].number, 1);
    assert_null(sim_bytes_of(&disk, "snapshot-00000002.ps"));
    assert_non_null(sim_bytes_of(&disk, "journal-00000002.pj")); /* what the older one goes on with */
    kit_close(&engine);
    sim_deinit(&disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_clean_restart_goes_on_where_it_was),
        cmocka_unit_test(test_two_generations_and_the_journal_back_to_the_older_are_kept),
        cmocka_unit_test(test_settings_belong_to_the_directory),
        cmocka_unit_test(test_each_flipped_byte_is_noticed_or_recovered_after_kill),
        cmocka_unit_test(test_each_flipped_byte_is_noticed_or_recovered_after_a_clean_stop),
        cmocka_unit_test(test_what_happened_to_a_snapshot_is_said),
        cmocka_unit_test(test_damage_to_an_acknowledged_record_names_file_offset_and_lsns),
        cmocka_unit_test(test_files_of_every_other_length_are_noticed_or_lose_nothing),
        cmocka_unit_test(test_a_journal_that_became_shorter_is_refused),
        cmocka_unit_test(test_a_journal_emptied_from_anywhere_on_gives_a_prefix_or_is_refused),
        cmocka_unit_test(test_damage_to_the_last_group_after_a_kill_is_refused),
        cmocka_unit_test(test_missing_swapped_and_foreign_files_are_noticed),
        cmocka_unit_test(test_a_manifest_that_is_missing_beside_files_is_damage),
        cmocka_unit_test(test_files_put_back_to_an_earlier_time_are_noticed_or_lose_nothing),
        cmocka_unit_test(test_records_dropped_repeated_or_brought_from_elsewhere_are_refused),
        cmocka_unit_test(test_a_damaged_mark_hides_no_batch),
        cmocka_unit_test(test_what_was_wiped_stays_wiped_when_the_power_goes_again),
        cmocka_unit_test(test_what_a_killed_start_wiped_stays_wiped),
        cmocka_unit_test(test_a_copy_is_whole_or_not_there_wherever_the_power_goes),
        cmocka_unit_test(test_epoch_changes_at_each_start_that_may_have_gone_back),
        cmocka_unit_test(test_epoch_changes_when_the_last_group_is_gone_without_a_trace),
        cmocka_unit_test(test_verify_reads_everything_and_names_what_is_damaged),
        cmocka_unit_test(test_what_was_found_damaged_is_gone_after_snapshots),
        cmocka_unit_test(test_the_older_generation_is_a_good_one),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
