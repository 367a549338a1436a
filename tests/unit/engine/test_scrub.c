/* verify and the scrub: what changes on disk or in memory while a server runs is named, and what is on disk is
 * replaced. */
#include "world.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>

/* ---- a shop with every kind of file ------------------------------------------------------------------------------ */

static void snapshot_done(void *context, const struct pat_value *result, const struct pat_error *error) {
    unsigned *saved = context;
    (void)result;
    assert_null(error);
    ++*saved;
}

static void save(void) {
    unsigned saved = 0;
    struct pat_error error;
    assert_int_equal(pat_engine_snapshot(world.engine, snapshot_done, &saved, &error), PAT_OK);
    turn_until_idle();
    assert_int_equal(saved, 1);
}

/* Two generations, the journal file between them, and the open one. */
static void fill_files(void) {
    load_orders(0, 100, 1);
    save();
    load_orders(50, 100, 2);
    save();
    load_orders(200, 50, 3);
}

/* Changes a byte of the file, `from_end` bytes before its end or, when that is 0, `at`. */
static void flip(const char *name, off_t at, off_t from_end) {
    char path[400];
    unsigned char byte;
    (void)snprintf(path, sizeof path, "%s/%s", world.dir, name);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    if (from_end > 0) at = lseek(fd, 0, SEEK_END) - from_end;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    (void)close(fd);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

struct question {
    struct call call;
    struct pat_inquiry inquiry;
    struct pat_value result;
    struct pat_error error;
    enum pat_status status;
};

static void question_begin(struct question *question, const char *text) {
    call_make(&question->call, text);
    question->error = (struct pat_error){.message = ""};
    question->inquiry = (struct pat_inquiry){.request = &question->call.request, .arena = &question->call.arena};
    assert_int_equal(pat_engine_pin(world.engine, &question->inquiry, &question->error), PAT_OK);
}

static void *question_answer(void *argument) {
    struct question *question = argument;
    question->status = pat_engine_answer(world.engine, &question->inquiry, &question->result, &question->error);
    return NULL;
}

static void question_end(struct question *question) {
    pat_engine_unpin(world.engine, &question->inquiry);
    call_free(&question->call);
}

static void ask(struct question *question, const char *text) {
    question_begin(question, text);
    (void)question_answer(question);
    if (question->status != PAT_OK) fail_msg("%s: %s", text, question->error.message);
}

static bool is_true(const struct pat_value *map, const char *key) {
    const struct pat_value *value = pat_value_get(map, key);
    assert_non_null(value);
    assert_int_equal(value->type, PAT_VALUE_BOOL);
    return value->as.boolean;
}

static const struct pat_value *check_called(const struct pat_value *result, const char *name) {
    const struct pat_value *checks = pat_value_get(result, "checks");
    for (uint32_t i = 0; i < checks->count; i++) {
        if (pat_value_is_text(pat_value_get(&checks->as.items[i], "name"), name)) return &checks->as.items[i];
    }
    fail_msg("there is no check %s", name);
    return NULL;
}

static void assert_good(void) {
    struct question question;
    ask(&question, "verify {}");
    const struct pat_value *checks = pat_value_get(&question.result, "checks");
    for (uint32_t i = 0; i < checks->count; i++) {
        const struct pat_value *detail = pat_value_get(&checks->as.items[i], "detail");
        if (detail != NULL) fail_msg("%.*s", (int)detail->count, detail->as.text);
    }
    assert_true(is_true(&question.result, "ok"));
    question_end(&question);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static const struct damage {
    const char *name;
    off_t at, from_end;
    bool lsns; /* batches stand there */
} damages[] = {
    {"snapshot-00000001.ps", 500, 0, true},
    {"snapshot-00000002.ps", 0, 1, true},
    {"snapshot-00000002.ps", 20, 0, true},
    {"journal-00000002.pj", 200, 0, true},
    {"journal-00000002.pj", 30, 0, true},
    {"journal-00000003.pj", 200, 0, true},
    {"MANIFEST", 300, 0, false},
};
#define DAMAGES (sizeof damages / sizeof damages[0])

static void assert_named(const struct pat_value *damaged, const struct damage *damage) {
    assert_non_null(damaged);
    assert_int_equal(damaged->count, 1);
    const struct pat_value *one = &damaged->as.items[0];
    assert_true(pat_value_is_text(pat_value_get(one, "file"), damage->name));
    assert_true(number(one, "offset") >= 0);
    if (!damage->lsns) return;
    assert_true(number(one, "first_lsn") >= 1);
    assert_true(number(one, "last_lsn") >= number(one, "first_lsn"));
    assert_true(number(one, "last_lsn") <= (int64_t)world.engine->store->lsn);
}

/* As the loop does until nothing is damaged any more, without the waits in between. */
static void mend(void) {
    const uint64_t give_up = pat_clock_monotonic_ns() + UINT64_C(20000000000);
    do {
        world.engine->mend_next_ns = 0;
        pat_engine_turn(world.engine);
        turn_until_idle();
        pat_engine_turn(world.engine);
        assert_true(pat_clock_monotonic_ns() < give_up);
    } while (world.engine->damaged > 0);
}

static void assert_whole(struct pat_digest before) {
    assert_good();
    world_close(&world, false);
    world_open(&world);
    assert_true(pat_digest_equal(before, store_digest()));
    assert_false(world.engine->recovery.fell_back);
    assert_string_equal(world.engine->recovery.note, "");
}

static void verify_names_each_file_and_new_ones_take_its_place(void **state) {
    for (size_t i = 0; i < DAMAGES; i++) {
        struct question question;
        fill_files();
        assert_good();
        const struct pat_digest before = store_digest();
        flip(damages[i].name, damages[i].at, damages[i].from_end);
        ask(&question, "verify {}");
        assert_false(is_true(&question.result, "ok"));
        assert_false(is_true(check_called(&question.result, "files"), "ok"));
        assert_named(pat_value_get(&question.result, "damaged"), &damages[i]);
        question_end(&question);
        load_orders(300, 10, 4); /* the server goes on */
        const struct pat_digest after = store_digest();
        assert_false(pat_digest_equal(before, after));
        mend();
        assert_whole(after);
        (void)stop(state);
        (void)start(state);
    }
}

static void all_files_that_are_damaged_are_named_at_once(void **state) {
    (void)state;
    struct question question;
    fill_files();
    const struct pat_digest before = store_digest();
    flip("snapshot-00000001.ps", 500, 0);
    flip("snapshot-00000002.ps", 500, 0);
    flip("journal-00000002.pj", 200, 0);
    flip("journal-00000003.pj", 200, 0);
    ask(&question, "verify {}");
    assert_int_equal(pat_value_get(&question.result, "damaged")->count, 4);
    assert_int_equal(number(check_called(&question.result, "files"), "wrong"), 4);
    question_end(&question);
    mend();
    assert_whole(before);
}

static void a_file_that_is_gone_is_missed(void **state) {
    (void)state;
    struct question question;
    char path[400];
    fill_files();
    const struct pat_digest before = store_digest();
    (void)snprintf(path, sizeof path, "%s/snapshot-00000002.ps", world.dir);
    assert_int_equal(unlink(path), 0);
    ask(&question, "verify {}");
    const struct pat_value *damaged = pat_value_get(&question.result, "damaged");
    assert_non_null(damaged);
    assert_true(pat_value_is_text(pat_value_get(&damaged->as.items[0], "file"), "snapshot-00000002.ps"));
    question_end(&question);
    mend();
    assert_whole(before);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void assert_wrong(const char *name, int64_t ordinal) {
    struct question question;
    ask(&question, "verify {}");
    assert_false(is_true(&question.result, "ok"));
    const struct pat_value *check = check_called(&question.result, name);
    assert_false(is_true(check, "ok"));
    assert_int_equal(number(check, "wrong"), 1);
    assert_int_equal(pat_value_get(check, "ordinals")->as.items[0].as.integer, ordinal);
    question_end(&question);
}

static void assert_wrong_count(const char *name) {
    struct question question;
    ask(&question, "verify {}");
    assert_false(is_true(&question.result, "ok"));
    assert_false(is_true(check_called(&question.result, name), "ok"));
    question_end(&question);
}

static void do_runs(void) {
    struct pat_chore *chore;
    world.engine->chore_next_ns = 0;
    while ((chore = pat_engine_chore(world.engine)) != NULL) {
        pat_chore_run(chore, NULL, NULL);
        pat_engine_chore_done(world.engine, chore);
    }
}

/* Each kept value of a customer in turn, then what a run says of him. */
static void load_refunds(void) {
    (void)load("load.refunds {producer: 'r', seq: 1, columns: {refund: ['x', 'y'], order: [60, 61], time: "
               "['2024-01-06', '2024-01-07'], "
               "amount: ['1', '0.50'], currency: ['EUR', 'EUR']}}");
}

static void aggregates_that_facts_do_not_give_are_named(void **state) {
    static const struct {
        const char *name;
        unsigned column;
    } kept[] = {
        {"customers.orders", PAT_CUSTOMER_ORDERS_N},       {"customers.net", PAT_CUSTOMER_NET},
        {"customers.unpriced", PAT_CUSTOMER_UNPRICED_N},   {"customers.first_order", PAT_CUSTOMER_FIRST_ORDER},
        {"customers.last_order", PAT_CUSTOMER_LAST_ORDER}, {"customers.first_fact", PAT_CUSTOMER_FIRST_FACT},
        {"customers.settled", PAT_CUSTOMER_SETTLED},       {"customers.fact_country", PAT_CUSTOMER_FACT_COUNTRY},
    };
    (void)state;
    fill_files();
    load_refunds();
    do_runs();
    struct pat_table *customers = &world.engine->store->table[PAT_CUSTOMERS];
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        const int64_t was = pat_table_get(customers, kept[i].column, 17);
        assert_good();
        pat_table_set(customers, kept[i].column, 17, was == PAT_NULL ? 1 : was + 1);
        assert_wrong(kept[i].name, 17);
        pat_table_set(customers, kept[i].column, 17, was);
    }
    assert_true(world.engine->store->runs.count > 0);
    int32_t *const net = (int32_t *)(uintptr_t)world.engine->store->runs.run[0]->net; /* a bit that flips in memory */
    ++*net;
    assert_wrong("runs.net", 0);
    --*net;
    const struct pat_fact_run *run = world.engine->store->runs.run[0];
    uint32_t *const end = (uint32_t *)(uintptr_t)&run->offset[run->customers];
    assert_true(end[0] > end[-1]);
    --*end;
    assert_wrong("runs.orders", run->customers - 1);
    ++*end;
    assert_good();
    const int64_t base = pat_table_get(&world.engine->store->table[PAT_ORDERS], PAT_ORDER_BASE, 3);
    pat_table_set(&world.engine->store->table[PAT_ORDERS], PAT_ORDER_BASE, 3, 5);
    assert_wrong("orders.base", 3);
    pat_table_set(&world.engine->store->table[PAT_ORDERS], PAT_ORDER_BASE, 3, base);
    pat_table_set(&world.engine->store->table[PAT_REFUNDS], PAT_REFUND_BASE, 1, 5);
    assert_wrong("refunds.base", 1);
}

static void counts_that_facts_do_not_give_are_named(void **state) {
    (void)state;
    fill_files();
    struct pat_counts *counts = &world.engine->store->counts;
    const struct {
        const char *name;
        uint64_t *count;
    } kept[] = {
        {"counts.customers", &counts->customers},
        {"counts.orders", &counts->orders},
        {"counts.lines", &counts->lines},
        {"counts.refunds", &counts->refunds},
        {"counts.unpriced", &counts->unpriced},
        {"counts.pending_refunds", &counts->pending_refunds},
        {"counts.fx", &counts->fx},
    };
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        assert_good();
        ++*kept[i].count;
        assert_wrong_count(kept[i].name);
        --*kept[i].count;
    }
    ++counts->newest_fact;
    assert_wrong_count("counts.newest_fact");
    --counts->newest_fact;
    assert_good();
}

/* ---- the scrub --------------------------------------------------------------------------------------------------- */

static struct pat_value status_scrub(struct call *call) {
    struct pat_value result;
    struct pat_error error = {.message = ""};
    call_make(call, "status {}");
    assert_int_equal(pat_engine_look(world.engine, &call->request, &call->arena, &result, &error), PAT_OK);
    return *pat_value_get(&result, "scrub");
}

/* Does chores until a scrub has ended; gives what it found. */
static int64_t scrub(void) {
    struct call call;
    const uint64_t give_up = pat_clock_monotonic_ns() + UINT64_C(20000000000);
    pat_engine_set_verify_every(world.engine, 1);
    world.engine->scrub.finished_ms = 0;
    while (world.engine->scrub.finished_ms == 0) {
        world.engine->scrub.next_ns = 0;
        pat_engine_turn(world.engine);
        do_runs();
        assert_true(pat_clock_monotonic_ns() < give_up);
    }
    pat_engine_set_verify_every(world.engine, 0);
    const struct pat_value status = status_scrub(&call);
    assert_false(is_true(&status, "running"));
    assert_true(number(&status, "bytes") > 0);
    assert_true(number(&status, "rows") > 0);
    assert_true(number(&status, "lsn") > 0);
    const int64_t findings = number(&status, "findings");
    call_free(&call);
    return findings;
}

static void a_scrub_finds_the_same_by_itself(void **state) {
    for (size_t i = 0; i < DAMAGES; i++) {
        fill_files();
        const struct pat_digest before = store_digest();
        assert_int_equal(scrub(), 0);
        flip(damages[i].name, damages[i].at, damages[i].from_end);
        assert_int_equal(scrub(), 1);
        mend();
        assert_int_equal(scrub(), 0);
        assert_whole(before);
        (void)stop(state);
        (void)start(state);
    }
    fill_files();
    pat_table_set(&world.engine->store->table[PAT_CUSTOMERS], PAT_CUSTOMER_NET, 3, 17);
    pat_table_set(&world.engine->store->table[PAT_CUSTOMERS], PAT_CUSTOMER_NET, 4, 17);
    assert_int_equal(scrub(), 1);
}

static void a_scrub_stands_back_and_can_be_turned_off(void **state) {
    (void)state;
    fill_files();
    do_runs();
    pat_engine_set_verify_every(world.engine, 1);
    pat_clock_sleep_ms(2);
    world.engine->snapshot_wanted = true;
    assert_null(pat_engine_chore(world.engine));
    world.engine->snapshot_wanted = false;
    struct pat_chore *chore = pat_engine_chore(world.engine);
    assert_non_null(chore);
    assert_int_equal(chore->kind, PAT_CHORE_SCRUB);
    pat_engine_chore_done(world.engine, chore); /* not done at all: soon it is */
    assert_true(world.engine->scrub.next_ns > pat_clock_monotonic_ns());
    assert_true(world.engine->scrub.next_ns < pat_clock_monotonic_ns() + UINT64_C(120000000000));
    world.engine->scrub.next_ns = 0;
    chore = pat_engine_chore(world.engine);
    assert_non_null(chore);
    pat_chore_run(chore, NULL, NULL);
    pat_engine_chore_done(world.engine, chore);
    assert_int_not_equal(world.engine->scrub.stage, PAT_SCRUB_REST);
    pat_engine_set_verify_every(world.engine, 0);
    assert_null(pat_engine_chore(world.engine));
    assert_int_equal(world.engine->scrub.stage, PAT_SCRUB_REST);
}

/* A batch that needs the room stops whatever chore there is: at each step once, which is then done again. */
static void a_scrub_that_is_stopped_goes_on_where_it_was(void **state) {
    (void)state;
    unsigned stopped = 0;
    fill_files();
    load_refunds();
    do_runs();
    const uint64_t a_day_ms = UINT64_C(86400000);
    pat_engine_set_verify_every(world.engine, a_day_ms);
    world.engine->scrub.since_ns -= a_day_ms * UINT64_C(1000000);
    pat_table_set(&world.engine->store->table[PAT_CUSTOMERS], PAT_CUSTOMER_NET, 4, 17);
    for (bool stop_it = true; world.engine->scrub.finished_ms == 0; stop_it = !stop_it) {
        world.engine->scrub.next_ns = 0;
        struct pat_chore *chore = pat_engine_chore(world.engine);
        assert_non_null(chore);
        assert_int_equal(chore->kind, PAT_CHORE_SCRUB);
        const enum pat_scrub_stage stage = world.engine->scrub.stage;
        if (stop_it) pat_chore_stop(chore);
        pat_chore_run(chore, NULL, NULL);
        pat_engine_chore_done(world.engine, chore);
        if (!stop_it) continue;
        assert_int_equal(world.engine->scrub.stage, stage);
        stopped++;
    }
    assert_int_equal(stopped, 3);
    assert_int_equal(world.engine->scrub.findings, 1);
    const uint64_t rows = world.engine->scrub.rows;
    assert_int_equal(scrub(), 1);
    assert_int_equal(world.engine->scrub.rows, rows); /* nothing was counted twice */
}

/* Batches that come while verify reads files find no version open that would have them copy what they change. */
static void verify_reads_files_without_its_version(void **state) {
    (void)state;
    struct question question;
    fill_files();
    const pat_lsn lsn = world.engine->store->lsn;
    question_begin(&question, "verify {}");
    assert_int_equal(world.engine->store->pins.open_count, 1);
    const unsigned wakes = atomic_load(&world.wakes);
    (void)question_answer(&question);
    assert_int_equal(question.status, PAT_OK);
    assert_true(atomic_load(&world.wakes) > wakes);
    pat_engine_turn(world.engine); /* before the answer is taken */
    assert_int_equal(world.engine->store->pins.open_count, 0);
    load_orders(300, 10, 4);
    assert_int_equal(number(&question.result, "lsn"), (int64_t)lsn);
    question_end(&question);
    question_begin(&question, "batch {calls: [['verify', {}], ['count', {}]]}"); /* one version for all */
    (void)question_answer(&question);
    pat_engine_turn(world.engine);
    assert_int_equal(world.engine->store->pins.open_count, 1);
    question_end(&question);
    assert_int_equal(world.engine->store->pins.open_count, 0);
}

/* ---- when the system has nothing left ---------------------------------------------------------------------------- */

/* No file can be opened until it is called with false. */
static void take_descriptors(bool all) {
    static struct rlimit before;
    if (all) {
        const int next = dup(STDIN_FILENO);
        assert_true(next >= 0);
        (void)close(next);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        const struct rlimit none = {(rlim_t)next, before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    } else {
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    }
}

static void without_descriptors_nothing_is_damaged(void **state) {
    (void)state;
    struct question question;
    fill_files();
    question_begin(&question, "verify {}");
    take_descriptors(true);
    (void)question_answer(&question);
    take_descriptors(false);
    assert_int_equal(question.status, PAT_ERR_BUSY);
    assert_non_null(strstr(question.error.message, "Too many open files"));
    question_end(&question);
    assert_int_equal(pat_persist_damaged(world.engine->persist), 0);
    assert_good();
}

/* Piece by piece, each tried without descriptors first: it goes on where it was. */
static void what_could_not_be_opened_is_read_later(void **state) {
    (void)state;
    struct pat_verify *verify;
    struct pat_error error = {.message = ""};
    unsigned refused = 0;
    fill_files();
    assert_int_equal(pat_verify_open(&verify, world.engine->persist, &error), PAT_OK);
    for (bool done = false; !done;) {
        take_descriptors(true);
        const enum pat_status status = pat_verify_some(verify, 1, &done, &error);
        take_descriptors(false);
        if (status == PAT_OK) continue;
        assert_int_equal(status, PAT_ERR_BUSY);
        refused++;
        if (pat_verify_some(verify, 1, &done, &error) != PAT_OK) fail_msg("%s", error.message);
    }
    const struct pat_verified *found = pat_verify_found(verify);
    assert_true(refused > 1);
    assert_int_equal(found->findings, 0);
    assert_int_equal(found->files, 5);
    pat_verify_close(&verify);
}

static void a_scrub_without_descriptors_goes_on_later(void **state) {
    (void)state;
    fill_files();
    do_runs();
    pat_engine_set_verify_every(world.engine, 1);
    pat_clock_sleep_ms(2);
    struct pat_chore *chore = pat_engine_chore(world.engine);
    assert_non_null(chore);
    take_descriptors(true);
    pat_chore_run(chore, NULL, NULL);
    take_descriptors(false);
    pat_engine_chore_done(world.engine, chore);
    assert_int_equal(world.engine->scrub.stage, PAT_SCRUB_FILES);
    assert_true(world.engine->scrub.next_ns > pat_clock_monotonic_ns());
    assert_int_equal(scrub(), 0);
}

/* ---- beside everything else -------------------------------------------------------------------------------------- */

/* Loads and snapshots go on while another thread verifies: nothing is wrong, ever. */
static void there_is_no_false_alarm(void **state) {
    (void)state;
    unsigned saved = 0, begun = 0;
    struct pat_error error;
    fill_files();
    for (unsigned i = 0; i < 25; i++) {
        struct question question;
        pthread_t thread;
        question_begin(&question, "verify {}");
        assert_int_equal(pthread_create(&thread, NULL, question_answer, &question), 0);
        for (unsigned k = 0; k < 4; k++) {
            load_orders(1000 + i * 7 % 50 * 10, 50, 1 + (i + k) % 5);
            if (k == i % 4 && pat_engine_snapshot(world.engine, snapshot_done, &saved, &error) == PAT_OK) begun++;
        }
        do_runs();
        assert_int_equal(pthread_join(thread, NULL), 0);
        if (question.status != PAT_OK) fail_msg("%s", question.error.message);
        assert_true(is_true(&question.result, "ok"));
        question_end(&question);
    }
    turn_until_idle();
    assert_true(begun > 10);
    assert_int_equal(saved, begun);
    assert_int_equal(world.engine->damaged, 0);
}

static void verify_can_be_stopped(void **state) {
    (void)state;
    struct question question;
    const bool cancelled = true;
    fill_files();
    question_begin(&question, "verify {}");
    question.inquiry.cancelled = &cancelled;
    (void)question_answer(&question);
    assert_int_equal(question.status, PAT_ERR_CANCELLED);
    question_end(&question);
    question_begin(&question, "verify {deadline_ms: 1}");
    question.inquiry.started_ns -= UINT64_C(1000000000);
    (void)question_answer(&question);
    assert_int_equal(question.status, PAT_ERR_DEADLINE);
    assert_non_null(strstr(question.error.message, "not done after 1 ms"));
    question_end(&question);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(verify_names_each_file_and_new_ones_take_its_place, start, stop),
        cmocka_unit_test_setup_teardown(all_files_that_are_damaged_are_named_at_once, start, stop),
        cmocka_unit_test_setup_teardown(a_file_that_is_gone_is_missed, start, stop),
        cmocka_unit_test_setup_teardown(aggregates_that_facts_do_not_give_are_named, start, stop),
        cmocka_unit_test_setup_teardown(counts_that_facts_do_not_give_are_named, start, stop),
        cmocka_unit_test_setup_teardown(a_scrub_finds_the_same_by_itself, start, stop),
        cmocka_unit_test_setup_teardown(a_scrub_stands_back_and_can_be_turned_off, start, stop),
        cmocka_unit_test_setup_teardown(verify_reads_files_without_its_version, start, stop),
        cmocka_unit_test_setup_teardown(a_scrub_that_is_stopped_goes_on_where_it_was, start, stop),
        cmocka_unit_test_setup_teardown(without_descriptors_nothing_is_damaged, start, stop),
        cmocka_unit_test_setup_teardown(what_could_not_be_opened_is_read_later, start, stop),
        cmocka_unit_test_setup_teardown(a_scrub_without_descriptors_goes_on_later, start, stop),
        cmocka_unit_test_setup_teardown(there_is_no_false_alarm, start, stop),
        cmocka_unit_test_setup_teardown(verify_can_be_stopped, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
