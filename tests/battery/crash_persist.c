/* Lives of data directories on a simulated disk: loads, snapshots, clean stops, failing calls, a disk that fills up and
 * gets room again, and crashes at any call, within recovery too. Everything runs on one thread and comes from the seed,
 * so that a life can be lived again:
 *
 *     crash_persist [--cycles N] [--seconds N] [--seed N] [--life N]
 *
 * A cycle is a crash with the recovery after it. After each: the state is that after some batch, none acknowledged is
 * missing, none stands in it that was not sent or was given up, counts are equal to a recount. A crash alone is never
 * an excuse to refuse. Damage on top of it may be refused, or recovered from exactly. */
#include "../unit/persist/kit.h"

#include "persist/file_private.h"
#include "persist/persist_private.h"

#include <inttypes.h>
#include <malloc.h>

#define CONTENT_SEED 41u
#define ROWS         3u
#define LSNS         96u
#define CRASHES_MAX  12u /* of one life */
#define GROUP_MAX    3u
#define DEPTH_MAX    3u
#define CYCLES_SHORT (KIT_STRIDE == 1 ? 4000u : 200u)

static struct pat_digest digests[LSNS + 1];

/* What there is to hold a directory against. */
struct life {
    uint64_t number, random;
    enum pat_sync sync;
    struct sim_disk disk;
    pat_lsn acked; /* all up to here was acknowledged */
    pat_lsn sent;  /* nothing behind it can be on disk */
    pat_lsn group; /* the last group acknowledged began behind this */
    bool unproven; /* the proof of that group may be lost: the power failed, or its write did */
};

static struct {
    uint64_t cycles, power_cuts, kills, deep, clean, snapshots, faults, full, damaged, refused, gaps;
} count;

static const struct life *living; /* for the message when something is wrong */

static void say_how_to_replay(void) {
    if (living != NULL) {
        (void)fflush(stdout);
        (void)fprintf(stderr, "VIOLATION in life %" PRIu64 " (cycle %" PRIu64 "): replay with --life %" PRIu64 "\n",
                      living->number, count.cycles, living->number);
    }
}

static uint64_t chance(struct life *life, uint64_t of) {
    return sim_random(&life->random) % of;
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

/* The n-th call from now on never happens, nor does any after it: the power is gone, or the process. */
static void crash_soon(struct life *life, uint64_t within) {
    life->disk.fail_at = life->disk.calls + 1 + chance(life, within);
    life->disk.fail_on = true;
    life->disk.fail_half = chance(life, 2) == 0;
    life->disk.fail_full = false;
}

static void fault_soon(struct life *life, uint64_t within) {
    life->disk.fail_at = life->disk.calls + 1 + chance(life, within);
    life->disk.fail_on = false;
    life->disk.fail_half = chance(life, 2) == 0;
    life->disk.fail_full = chance(life, 3) == 0;
    count.faults++;
}

static bool is_gone(const struct life *life) {
    return life->disk.fail_on && life->disk.calls >= life->disk.fail_at;
}

/* ---- living ------------------------------------------------------------------------------------------------------ */

static void load(struct life *life, struct kit_engine *engine) {
    const unsigned n = 1 + (unsigned)chance(life, GROUP_MAX);
    const pat_lsn before = engine->store->lsn;
    if (before + n > LSNS) return;
    if (before + n > life->sent) life->sent = before + n;
    if (kit_load(engine, n) != PAT_OK || is_gone(life)) return; /* the dead acknowledge nothing */
    life->group = before;
    life->acked = engine->store->lsn;
}

static void snapshot(struct life *life, struct kit_engine *engine) {
    if (kit_snapshot(engine) != PAT_OK) return;
    count.snapshots++;
    /* What failed before it lies in a file that is closed before it: it cannot come back any more. */
    if (life->sync == PAT_SYNC_ALWAYS || life->sent == life->acked) life->sent = engine->store->lsn;
}

static void live(struct life *life, struct kit_engine *engine) {
    const unsigned acts = 2 + (unsigned)chance(life, 14);
    for (unsigned i = 0; i < acts && !is_gone(life); i++) {
        switch (chance(life, 8)) {
        case 0: snapshot(life, engine); break;
        case 1: pat_persist__journal_idle(engine->persist); break;
        case 2: pat_space__keep(engine->persist); break;
        default: load(life, engine); break;
        }
    }
}

static enum pat_status begin(struct life *life, struct kit_engine *engine) {
    enum pat_status status = kit_start(engine, &life->disk.base, life->sync, CONTENT_SEED, ROWS);
    if (status != PAT_OK) return status;
    /* Whoever serves from now on never saw what was behind: it must not come back. */
    life->acked = life->sent = life->group = engine->store->lsn;
    life->unproven = false; /* the manifest says it from now on */
    return PAT_OK;
}

/* ---- crashing and looking ---------------------------------------------------------------------------------------- */

/* A call that failed while its process went on: it may have been the mark of the last group. */
static void note_failures(struct life *life) {
    life->unproven |= !life->disk.fail_on && life->disk.failed > 0; /* until a recovery succeeds */
}

static void settle(struct life *life, bool power) {
    note_failures(life);
    life->unproven |= power;
    life->disk.failed = 0;
    sim_faults_off(&life->disk);
    if (!power) {
        count.kills++;
        return;
    }
    count.power_cuts++;
    sim_power_cut(&life->disk, &life->random, chance(life, 4) != 0);
    if (life->sync != PAT_SYNC_ALWAYS) life->acked = 0; /* a loose mode promises a prefix */
}

static void assert_state(const struct life *life, const struct kit_engine *engine) {
    const pat_lsn lsn = engine->store->lsn;
    assert_int_equal(engine->recovery.lsn, lsn);
    assert_in_range(lsn, life->acked, life->sent);
    assert_true(pat_digest_equal(kit_digest(engine->store), digests[lsn]));
    assert_false(engine->recovery.fell_back); /* a crash damages no snapshot that a manifest names */
    struct pat_counts counted = engine->store->counts;
    pat_store_recount(engine->store, &counted, NULL);
    assert_memory_equal(&counted, &engine->store->counts, sizeof counted);
}

/* Recovers, up to three times cut short by another crash. */
static void recover_deep(struct life *life) {
    for (unsigned depth = 0; depth < DEPTH_MAX && chance(life, 3) == 0; depth++) {
        struct kit_engine engine;
        crash_soon(life, 12);
        if (begin(life, &engine) == PAT_OK) assert_state(life, &engine);
        kit_close(&engine);
        settle(life, chance(life, 2) == 0);
        count.deep++;
        count.cycles++;
    }
}

static void check(struct life *life) {
    struct kit_engine engine;
    const enum pat_status status = kit_recover(&engine, &life->disk.base, life->sync, CONTENT_SEED, ROWS);
    if (status != PAT_OK) print_message("%s\n", engine.error.message);
    assert_int_equal(status, PAT_OK);
    assert_state(life, &engine);
    kit_close(&engine);
}

/* One byte of one file changes in a copy: noticed, or of no consequence. */
static void check_damaged(struct life *life) {
    struct sim_disk copy;
    struct kit_engine engine;
    sim_copy(&copy, &life->disk);
    struct sim_name *slot = &copy.live[chance(life, SIM_NAMES)];
    while (slot->inode == NULL) slot = &copy.live[chance(life, SIM_NAMES)];
    struct sim_bytes *bytes = &slot->inode->cache;
    if (bytes->length > 0) {
        bytes->data[chance(life, bytes->length)] ^= (unsigned char)(1u << chance(life, 8));
        count.damaged++;
        if (kit_recover(&engine, &copy.base, life->sync, CONTENT_SEED, ROWS) != PAT_OK) {
            assert_int_equal(engine.error.status, PAT_ERR_CORRUPT);
            count.refused++;
        } else {
            const pat_lsn lsn = engine.store->lsn;
            assert_true(pat_digest_equal(kit_digest(engine.store), digests[lsn]));
            /* The gap that the README names: the power fails before the proof of the last group is on disk, and that
             * group is damaged, too. Loose modes prove nothing. */
            const bool always = life->sync == PAT_SYNC_ALWAYS;
            const bool gap = lsn < life->acked && (!always || (life->unproven && lsn >= life->group));
            if (!gap) assert_in_range(lsn, life->acked, life->sent);
            count.gaps += gap;
        }
        kit_close(&engine);
    }
    sim_deinit(&copy);
}

static void crash_once(struct life *life) {
    struct kit_engine engine;
    const bool clean = chance(life, 8) == 0;
    if (chance(life, 4) == 0) {
        fault_soon(life, 40);
    } else if (!clean) {
        crash_soon(life, 50);
    }
    if (begin(life, &engine) == PAT_OK) {
        live(life, &engine);
        note_failures(life);
        if (!clean && !is_gone(life)) crash_soon(life, 1); /* now, at the latest */
    }
    kit_close(&engine);
    count.clean += clean;
    settle(life, chance(life, 3) != 0);
    recover_deep(life);
    check(life);
    if (chance(life, 4) == 0) check_damaged(life);
    count.cycles++;
}

static void live_and_die(uint64_t number) {
    struct life life = {.number = number, .random = number * 0x2545f4914f6cdd1du + 1};
    living = &life;
    life.sync = chance(&life, 5) != 0 ? PAT_SYNC_ALWAYS : chance(&life, 2) == 0 ? PAT_SYNC_INTERVAL : PAT_SYNC_NEVER;
    sim_init(&life.disk);
    const unsigned crashes = 1 + (unsigned)chance(&life, CRASHES_MAX);
    for (unsigned i = 0; i < crashes; i++) crash_once(&life);
    sim_deinit(&life.disk);
    living = NULL;
}

/* ---- the program ------------------------------------------------------------------------------------------------- */

static double seconds_now(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t argument(int argc, char **argv, const char *name, uint64_t otherwise) {
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], name) == 0) return strtoull(argv[i + 1], NULL, 10);
    }
    return otherwise;
}

int main(int argc, char **argv) {
    const uint64_t seconds = argument(argc, argv, "--seconds", 0), seed = argument(argc, argv, "--seed", 1);
    const uint64_t cycles = argument(argc, argv, "--cycles", seconds > 0 ? UINT64_MAX : CYCLES_SHORT);
    const uint64_t only = argument(argc, argv, "--life", 0);
    /* Stores come and go by the thousand: do not give their memory back each time. */
    (void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
    (void)atexit(say_how_to_replay);
    kit_digests(digests, CONTENT_SEED, LSNS, ROWS);
    const double start = seconds_now();
    (void)printf("seed %" PRIu64 "\n", seed);
    uint64_t random = seed;
    while (count.cycles < cycles && (seconds == 0 || seconds_now() - start < (double)seconds)) {
        live_and_die(only != 0 ? only : sim_random(&random) >> 16);
        if (only != 0) break;
    }
    const double took = seconds_now() - start;
    (void)printf("%" PRIu64 " crashes (%" PRIu64 " power cuts, %" PRIu64 " kills, %" PRIu64
                 " of them within recovery), %" PRIu64 " snapshots, %" PRIu64 " faults planned, %" PRIu64
                 " bytes flipped (%" PRIu64 " refused, %" PRIu64 " in the gap), 0 violations; %.0f a second\n",
                 count.cycles, count.power_cuts, count.kills, count.deep, count.snapshots, count.faults, count.damaged,
                 count.refused, count.gaps, (double)count.cycles / took);
    return 0;
}
