/* The disk fails, fills up, loses its power: what was acknowledged comes back, nothing comes back that was never sent.
 */
#include "kit.h"

#include <malloc.h>

#define SEED 23u
#define ROWS 3u
#define LSNS 48u

static struct pat_digest digests[LSNS + 1];

static int prepare(void **state) {
    (void)state;
    /* Stores come and go by the thousand: do not give their memory back each time. */
    (void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
    kit_digests(digests, SEED, LSNS, ROWS);
    return 0;
}

/* What a run did: all up to `acked` was acknowledged, nothing behind `sent` was handed over. */
struct ledger {
    pat_lsn acked, sent;
};

/* Opens, loads 4, 4, 4 with a snapshot after each and one more, stops. Goes on after each failure as an engine would.
 */
static struct ledger run(struct sim_disk *disk, enum pat_sync sync, struct ledger ledger) {
    struct kit_engine engine;
    /* Without threads, so that the n-th call is always the same. */
    if (kit_start(&engine, &disk->base, sync, SEED, ROWS) == PAT_OK) {
        /* What a server serves after its start is acknowledged, too: to whoever sends it again. */
        pat_lsn goal = ledger.acked = engine.store->lsn;
        for (unsigned part = 0; part < 3; part++) {
            goal += 4;
            for (unsigned tries = 0; tries < 6 && engine.store->lsn < goal; tries++) {
                unsigned count = tries % 2 + 1;
                if (engine.store->lsn + count > ledger.sent) ledger.sent = engine.store->lsn + count;
                if (kit_load(&engine, count) == PAT_OK) ledger.acked = engine.store->lsn;
                pat_persist__journal_idle(engine.persist);
            }
            if (kit_snapshot(&engine) != PAT_OK) (void)kit_snapshot(&engine);
        }
        ledger.sent = engine.store->lsn + 1 > ledger.sent ? engine.store->lsn + 1 : ledger.sent;
        if (kit_load(&engine, 1) == PAT_OK) ledger.acked = engine.store->lsn;
    }
    kit_close(&engine);
    return ledger;
}

static pat_lsn check(struct sim_disk *disk, struct ledger ledger) {
    struct kit_engine engine;
    enum pat_status status = kit_recover(&engine, &disk->base, PAT_SYNC_ALWAYS, SEED, ROWS);
    if (status != PAT_OK) print_message("%s\n", engine.error.message);
    assert_int_equal(status, PAT_OK);
    assert_in_range(engine.recovery.lsn, ledger.acked, ledger.sent);
    assert_int_equal(engine.store->lsn, engine.recovery.lsn);
    assert_true(pat_digest_equal(kit_digest(engine.store), digests[engine.recovery.lsn]));
    pat_lsn lsn = engine.recovery.lsn;
    kit_close(&engine);
    return lsn;
}

/* Kill, a power cut, and power cuts that tear, all from the same moment. The disk must have been left without a clean
 * stop or after one: both are fine. */
static void check_crashes(struct sim_disk *disk, struct ledger ledger, uint64_t *random) {
    struct sim_disk killed;
    sim_copy(&killed, disk);
    (void)check(&killed, ledger);
    sim_deinit(&killed);
    sim_power_cut(disk, random, sim_random(random) % 3 != 0);
    (void)check(disk, ledger);
}

static void each_call_fails(bool on, bool half, bool full) {
    uint64_t random = 1, failed = 0;
    for (uint64_t nth = 1;; nth++) {
        struct sim_disk disk;
        sim_init(&disk);
        disk.fail_at = nth;
        disk.fail_on = on;
        disk.fail_half = half;
        disk.fail_full = full;
        struct ledger ledger = run(&disk, PAT_SYNC_ALWAYS, (struct ledger){0, 0});
        bool hit = disk.failed > 0;
        failed += disk.failed;
        sim_faults_off(&disk);
        if (!hit) assert_int_equal(ledger.acked, 13);
        check_crashes(&disk, ledger, &random);
        sim_deinit(&disk);
        if (!hit) break;
        nth += KIT_STRIDE / 4;
    }
    print_message("%llu calls failed\n", (unsigned long long)failed);
}

static void test_one_failing_call_loses_nothing_wherever_it_is(void **state) {
    (void)state;
    each_call_fails(false, false, false);
    each_call_fails(false, true, true);
}

static void test_a_disk_that_goes_away_at_any_call_loses_nothing(void **state) {
    (void)state;
    each_call_fails(true, false, false);
    each_call_fails(true, true, false);
}

static void test_after_a_failed_sync_groups_are_refused_until_a_snapshot(void **state) {
    (void)state;
    struct sim_disk disk;
    struct kit_engine engine;
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS), PAT_OK);
    uint64_t calls = sim_calls(&disk);
    assert_int_equal(kit_load(&engine, 2), PAT_OK);
    assert_int_equal(sim_calls(&disk), calls + 3); /* write, sync, mark */
    sim_fail_after(&disk, 2);                      /* write, then sync */
    assert_int_equal(kit_load(&engine, 2), PAT_ERR_IO);
    assert_non_null(strstr(engine.error.message, "cannot sync"));
    calls = sim_calls(&disk);
    assert_int_equal(kit_load(&engine, 1), PAT_ERR_READONLY);
    assert_non_null(strstr(engine.error.message, "cannot sync"));
    pat_persist__journal_idle(engine.persist);
    assert_int_equal(sim_calls(&disk), calls); /* nothing more went to that file */
    assert_int_equal(kit_snapshot(&engine), PAT_OK);
    assert_int_equal(kit_load(&engine, 1), PAT_OK);
    assert_int_equal(engine.store->lsn, 3);
    /* The two that failed lie in the old file and must not come back in place of the one that replaced them. */
    struct sim_disk killed;
    sim_copy(&killed, &disk);
    kit_close(&engine);
    assert_int_equal(check(&killed, (struct ledger){3, 3}), 3);
    /* Nor when the snapshot is damaged and the old file is needed. */
    sim_bytes_of(&killed, "snapshot-00000001.ps")->data[500] ^= 1;
    assert_int_equal(check(&killed, (struct ledger){3, 3}), 3);
    sim_deinit(&killed);
    sim_deinit(&disk);
}

static void test_recovery_cut_short_again_and_again_gives_the_same(void **state) {
    (void)state;
    uint64_t random = 3;
    for (unsigned round = 0; round < 1500; round += KIT_STRIDE) {
        struct sim_disk disk;
        sim_init(&disk);
        disk.fail_at = sim_random(&random) % 120 + 1;
        disk.fail_on = disk.fail_half = round % 3 != 0;
        struct ledger ledger = run(&disk, PAT_SYNC_ALWAYS, (struct ledger){0, 0});
        for (unsigned depth = 0; depth < 3; depth++) {
            struct kit_engine engine;
            disk.calls = 0;
            disk.fail_at = sim_random(&random) % 12 + 1;
            disk.fail_on = true;
            disk.fail_half = round % 2 == 0;
            if (kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, ROWS) == PAT_OK) ledger.acked = engine.store->lsn;
            kit_close(&engine);
            sim_faults_off(&disk);
            if (sim_random(&random) % 2 == 0) sim_power_cut(&disk, &random, true);
        }
        sim_power_cut(&disk, &random, round % 2 == 0);
        (void)check(&disk, ledger);
        sim_deinit(&disk);
    }
}

static void test_reads_that_fail_give_an_error_or_everything(void **state) {
    (void)state;
    struct sim_disk disk;
    sim_init(&disk);
    struct ledger ledger = run(&disk, PAT_SYNC_ALWAYS, (struct ledger){0, 0});
    assert_int_equal(ledger.acked, 13);
    unsigned refused = 0, whole = 0;
    for (uint64_t nth = 1;; nth += KIT_STEP) {
        struct sim_disk copy;
        struct kit_engine engine;
        sim_copy(&copy, &disk);
        copy.fail_read = nth;
        enum pat_status status = kit_recover(&engine, &copy.base, PAT_SYNC_ALWAYS, SEED, ROWS);
        bool done = copy.reads < nth;
        if (status == PAT_OK) assert_true(pat_digest_equal(kit_digest(engine.store), digests[13]));
        refused += status != PAT_OK;
        whole += status == PAT_OK;
        kit_close(&engine);
        sim_deinit(&copy);
        if (done) break;
    }
    print_message("%u failing reads refused, %u recovered all the same\n", refused, whole);
    sim_deinit(&disk);
}

static void test_memory_that_runs_out_in_recovery_gives_an_error_or_everything(void **state) {
    (void)state;
    struct sim_disk disk;
    sim_init(&disk);
    struct ledger ledger = run(&disk, PAT_SYNC_ALWAYS, (struct ledger){0, 0});
    assert_int_equal(ledger.acked, 13);
    for (uint64_t nth = 1;; nth += KIT_STEP) {
        struct sim_disk copy;
        struct kit_engine engine;
        sim_copy(&copy, &disk);
        size_t used = pat_mem_used_total();
        struct pat_store *warm = kit_store(); /* opening a store is not what is tried here */
        (void)pat_mem_fail_at(0);
        pat_store_close(&warm);
        (void)pat_mem_fail_at(nth + 1); /* the first is the store itself */
        enum pat_status status = kit_recover(&engine, &copy.base, PAT_SYNC_ALWAYS, SEED, ROWS);
        bool done = pat_mem_fail_at(0) < nth + 1;
        if (status == PAT_OK) {
            assert_int_equal(engine.store->lsn, 13); /* applying goes on without memory for answers to repeat */
        } else {
            assert_int_equal(status, PAT_ERR_NO_MEMORY);
        }
        kit_close(&engine);
        assert_int_equal(pat_mem_used_total(), used);
        sim_deinit(&copy);
        if (done) break;
    }
    sim_deinit(&disk);
}

/* Random lives of a directory: loads, snapshots, failing calls, crashes, restarts, in all three modes of syncing. */
static void test_random_crashes_give_a_state_between_acknowledged_and_sent(void **state) {
    (void)state;
    for (unsigned life = 0; life < 1000; life += KIT_STRIDE) {
        uint64_t random = 1000 + life;
        enum pat_sync sync = life % 4 == 0 ? PAT_SYNC_NEVER : life % 4 == 1 ? PAT_SYNC_INTERVAL : PAT_SYNC_ALWAYS;
        struct sim_disk disk;
        struct ledger ledger = {0, 0};
        sim_init(&disk);
        for (unsigned crash = 0; crash < 3; crash++) {
            disk.calls = 0;
            disk.fail_at = sim_random(&random) % 120 + 1;
            disk.fail_on = sim_random(&random) % 2 == 0;
            disk.fail_half = sim_random(&random) % 2 == 0;
            ledger = run(&disk, sync, ledger);
            sim_faults_off(&disk);
            bool power = sim_random(&random) % 2 == 0;
            if (power) sim_power_cut(&disk, &random, true);
            /* A loose mode promises less: any prefix after a power cut, all of it after a kill. */
            if (power && sync != PAT_SYNC_ALWAYS) ledger.acked = 0;
            pat_lsn lsn = check(&disk, ledger);
            /* After a power cut what was found is on disk. After a kill it may be in the system's cache alone until a
             * start. */
            if (power) ledger = (struct ledger){lsn, lsn};
        }
        sim_deinit(&disk);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_failing_call_loses_nothing_wherever_it_is),
        cmocka_unit_test(test_a_disk_that_goes_away_at_any_call_loses_nothing),
        cmocka_unit_test(test_after_a_failed_sync_groups_are_refused_until_a_snapshot),
        cmocka_unit_test(test_recovery_cut_short_again_and_again_gives_the_same),
        cmocka_unit_test(test_reads_that_fail_give_an_error_or_everything),
        cmocka_unit_test(test_memory_that_runs_out_in_recovery_gives_an_error_or_everything),
        cmocka_unit_test(test_random_crashes_give_a_state_between_acknowledged_and_sent),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
