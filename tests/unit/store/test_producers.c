/* Which pairs were seen: any order of seqs, the last answers, and bytes from a file that nobody vouches for. */
#include "base/buf.h"
#include "base/mem.h"
#include "store/producers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct pat_hash_secret secret;

static void note(struct pat_producers *producers, const char *name, uint64_t seq, pat_lsn lsn) {
    struct pat_batch batch = {.producer = pat_text_of(name), .seq = seq, .digest = {seq, lsn}, .meta = PAT_TEXT("m")};
    struct pat_row_error error = {3, PAT_REJECT_BAD_ID, "order", PAT_TEXT("why")};
    struct pat_reject_count count = {"order", PAT_REJECT_BAD_ID, 1};
    if (seq % 3 == 0) {
        batch.error = &error;
        batch.errors = 1;
        batch.reject = &count;
        batch.rejects = 1;
    }
    struct pat_batch_outcome outcome = {.lsn = lsn, .rows = 10, .fresh = 7, .rejected = 3};
    pat_producers_note(producers, &batch, &outcome);
}

static enum pat_pair_state look(const struct pat_producers *producers, const char *name, uint64_t seq) {
    const struct pat_answer *answer = NULL;
    enum pat_pair_state state = pat_producers_look(producers, pat_text_of(name), seq, &answer);
    assert_int_equal(state == PAT_PAIR_KNOWN, answer != NULL);
    if (answer != NULL) assert_true(answer->seq == seq);
    return state;
}

static void start(struct pat_producers *producers) {
    pat_hash_secret_init(&secret, "seed", 4);
    pat_producers_init(producers, &secret);
}

static void finish(struct pat_producers *producers) {
    pat_producers_deinit(producers);
    assert_int_equal(pat_mem_used_total(), 0);
}

static void check_intervals(const struct pat_producer *producer) {
    for (uint32_t i = 0; i < producer->intervals; i++) {
        assert_true(producer->interval[i].first <= producer->interval[i].last);
        if (i > 0) assert_true(producer->interval[i].first - producer->interval[i - 1].last > 1);
    }
}

static void seqs_may_come_in_any_order(void **state) {
    (void)state;
    struct pat_producers producers;
    start(&producers);
    bool model[2000] = {false};
    uint32_t random = 7;
    for (unsigned step = 0; step < 1900; step++) {
        random = random * 1664525 + 1013904223;
        unsigned seq = (random >> 8) % 2000;
        assert_int_equal(look(&producers, "p", seq) == PAT_PAIR_NEW, !model[seq]);
        if (model[seq]) continue;
        model[seq] = true;
        note(&producers, "p", seq, step + 1);
        if (step % 50 == 0) check_intervals(pat_producers_find(&producers, PAT_TEXT("p")));
    }
    for (unsigned seq = 0; seq < 2000; seq++) assert_int_equal(look(&producers, "p", seq) == PAT_PAIR_NEW, !model[seq]);
    static const uint64_t ends[] = {UINT64_MAX, UINT64_MAX - 2, UINT64_MAX - 1, 1ull << 63};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(look(&producers, "q", ends[i]), PAT_PAIR_NEW);
        note(&producers, "q", ends[i], 5000 + i);
        assert_int_equal(look(&producers, "q", ends[i]), PAT_PAIR_KNOWN);
    }
    note(&producers, "q", 0, 6000);
    const struct pat_producer *q = pat_producers_find(&producers, PAT_TEXT("q"));
    check_intervals(q);
    assert_int_equal(q->intervals, 3);
    assert_int_equal(look(&producers, "q", 1), PAT_PAIR_NEW);
    finish(&producers);
}

static void the_last_1024_answers_are_kept(void **state) {
    (void)state;
    struct pat_producers producers;
    start(&producers);
    for (uint64_t seq = 1; seq <= 3000; seq++) note(&producers, "p", seq, seq);
    for (uint64_t seq = 1; seq <= 3000; seq++) {
        assert_int_equal(look(&producers, "p", seq), seq > 3000 - PAT_PRODUCER_ANSWERS ? PAT_PAIR_KNOWN : PAT_PAIR_OLD);
    }
    const struct pat_producer *producer = pat_producers_find(&producers, PAT_TEXT("p"));
    assert_int_equal(producer->intervals, 1);
    assert_int_equal(producer->last_lsn, 3000);
    assert_int_equal(producer->rows, 30000);
    assert_int_equal(producer->rejected, 9000);
    finish(&producers);
}

static void write_and_read_give_the_same(void **state) {
    (void)state;
    struct pat_producers producers, again;
    start(&producers);
    char name[32];
    for (unsigned p = 0; p < 40; p++) {
        (void)snprintf(name, sizeof name, "producer %u", p);
        for (uint64_t seq = 0; seq < 5; seq++) note(&producers, name, seq * (p % 3 + 1) * 1000003, p * 100 + seq);
    }
    for (uint64_t seq = 0; seq < 1500; seq++) note(&producers, "much", seq * 2, 10000 + seq);
    struct pat_buf once, twice;
    pat_buf_init(&once, PAT_MEM_OTHER);
    pat_buf_init(&twice, PAT_MEM_OTHER);
    assert_int_equal(pat_producers_write(&producers, &once), PAT_OK);
    pat_producers_init(&again, &secret);
    struct pat_reader reader = {.at = once.data, .end = once.data + once.length};
    assert_int_equal(pat_producers_read(&again, &reader), PAT_OK);
    assert_int_equal(pat_reader_left(&reader), 0);
    assert_int_equal(pat_producers_write(&again, &twice), PAT_OK);
    assert_int_equal(once.length, twice.length);
    assert_memory_equal(once.data, twice.data, once.length);
    assert_int_equal(look(&again, "much", 2), PAT_PAIR_OLD);
    assert_int_equal(look(&again, "much", 2998), PAT_PAIR_KNOWN);
    assert_int_equal(look(&again, "much", 2997), PAT_PAIR_NEW);
    /* The ring goes on where it stopped: the oldest goes first. */
    note(&again, "much", 9999, 20000);
    assert_int_equal(look(&again, "much", (1500 - PAT_PRODUCER_ANSWERS) * 2), PAT_PAIR_OLD);
    assert_int_equal(look(&again, "much", (1501 - PAT_PRODUCER_ANSWERS) * 2), PAT_PAIR_KNOWN);
    pat_buf_deinit(&once);
    pat_buf_deinit(&twice);
    pat_producers_deinit(&again);
    finish(&producers);
}

static enum pat_status read_bytes(const unsigned char *bytes, size_t count) {
    struct pat_producers producers;
    pat_producers_init(&producers, &secret);
    unsigned char *copy = malloc(count + 1); /* so that a sanitizer sees one byte too far */
    memcpy(copy, bytes, count);
    unsigned char *exact = realloc(copy, count > 0 ? count : 1);
    struct pat_reader reader = {.at = exact, .end = exact + count};
    enum pat_status status = pat_producers_read(&producers, &reader);
    if (status == PAT_OK) {
        for (uint32_t i = 0; i < producers.count; i++) check_intervals(producers.producer[i]);
    }
    pat_producers_deinit(&producers);
    free(exact);
    return status;
}

static void hostile_bytes_are_refused_or_make_sense(void **state) {
    (void)state;
    struct pat_producers producers;
    start(&producers);
    for (uint64_t seq = 0; seq < 6; seq++) note(&producers, seq % 2 == 0 ? "even" : "odd", seq * 10, seq);
    struct pat_buf buf;
    pat_buf_init(&buf, PAT_MEM_OTHER);
    assert_int_equal(pat_producers_write(&producers, &buf), PAT_OK);
    for (size_t cut = 0; cut < buf.length; cut++) assert_int_equal(read_bytes(buf.data, cut), PAT_ERR_CORRUPT);
    for (size_t at = 0; at < buf.length; at++) {
        unsigned char kept = buf.data[at];
        for (unsigned bit = 0; bit < 8; bit++) {
            buf.data[at] = (unsigned char)(kept ^ (1u << bit));
            (void)read_bytes(buf.data, buf.length);
        }
        buf.data[at] = 0xff;
        (void)read_bytes(buf.data, buf.length);
        buf.data[at] = kept;
    }
    assert_int_equal(read_bytes(buf.data, buf.length), PAT_OK);
    pat_buf_deinit(&buf);
    finish(&producers);
}

static void writing_without_memory_fails(void **state) {
    (void)state;
    struct pat_producers producers;
    start(&producers);
    for (uint64_t seq = 0; seq < 100; seq++) note(&producers, "p", seq * 2, seq);
    size_t used = pat_mem_used_total();
    enum pat_status status = PAT_ERR_NO_MEMORY;
    for (uint64_t n = 1; status != PAT_OK && n < 100; n++) {
        struct pat_buf buf;
        pat_buf_init(&buf, PAT_MEM_OTHER);
        (void)pat_mem_fail_at(n);
        status = pat_producers_write(&producers, &buf);
        (void)pat_mem_fail_at(0);
        assert_true(status == PAT_OK || status == PAT_ERR_NO_MEMORY);
        pat_buf_deinit(&buf);
        assert_int_equal(pat_mem_used_total(), used);
    }
    assert_int_equal(status, PAT_OK);
    finish(&producers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seqs_may_come_in_any_order),   cmocka_unit_test(the_last_1024_answers_are_kept),
        cmocka_unit_test(write_and_read_give_the_same), cmocka_unit_test(hostile_bytes_are_refused_or_make_sense),
        cmocka_unit_test(writing_without_memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
