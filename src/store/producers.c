#include "store/producers.h"

#include "base/mem.h"

#include <string.h>

void pat_producers_init(struct pat_producers *producers, const struct pat_hash_secret *secret) {
    *producers = (struct pat_producers){.secret = secret};
    pat_index_init(&producers->index);
}

static void producer_free(struct pat_producer *producer) {
    for (uint32_t i = 0; i < producer->answers; i++) pat_mem_free(PAT_MEM_OTHER, producer->answer[i].errors);
    pat_mem_free(PAT_MEM_OTHER, producer->answer);
    pat_mem_free(PAT_MEM_OTHER, producer->interval);
    pat_mem_free(PAT_MEM_OTHER, producer->name);
    pat_mem_free(PAT_MEM_OTHER, producer);
}

void pat_producers_deinit(struct pat_producers *producers) {
    for (uint32_t i = 0; i < producers->count; i++) producer_free(producers->producer[i]);
    pat_mem_free(PAT_MEM_OTHER, producers->producer);
    pat_index_deinit(&producers->index);
    *producers = (struct pat_producers){0};
}

struct producer_key {
    const struct pat_producers *producers;
    struct pat_text name;
};

static struct pat_text producer_name(const struct pat_producer *producer) {
    return (struct pat_text){producer->name, producer->name_length};
}

static bool producer_match(const void *context, uint32_t at) {
    const struct producer_key *key = context;
    return pat_text_equal(producer_name(key->producers->producer[at]), key->name);
}

static uint64_t producer_hash(const struct pat_producers *producers, struct pat_text name) {
    return pat_hash_keyed(producers->secret, name.data, name.length);
}

struct pat_producer *pat_producers_find(const struct pat_producers *producers, struct pat_text name) {
    struct producer_key key = {producers, name};
    uint32_t at = pat_index_find(&producers->index, producer_hash(producers, name), producer_match, &key);
    return at == UINT32_MAX ? NULL : producers->producer[at];
}

/* Room for one more item in a growing array; must not fail, the batch is in the journal. */
static void *array_room(void *items, uint32_t count, uint32_t *capacity, size_t item_bytes) {
    if (count < *capacity) return items;
    uint32_t wanted = *capacity == 0 ? 4 : *capacity * 2;
    void *bigger = pat_mem_alloc_must(PAT_MEM_OTHER, wanted * item_bytes);
    if (count > 0) memcpy(bigger, items, count * item_bytes);
    pat_mem_free(PAT_MEM_OTHER, items);
    *capacity = wanted;
    return bigger;
}

static struct pat_producer *producer_add(struct pat_producers *producers, struct pat_text name) {
    struct pat_producer *producer = pat_mem_alloc_must(PAT_MEM_OTHER, sizeof *producer);
    producer->name = pat_mem_alloc_must(PAT_MEM_OTHER, name.length + 1);
    if (name.length > 0) memcpy(producer->name, name.data, name.length);
    producer->name_length = (uint32_t)name.length;
    producers->producer = array_room(producers->producer, producers->count, &producers->capacity, sizeof producer);
    producers->producer[producers->count] = producer;
    pat_index_add(&producers->index, producer_hash(producers, name), producers->count);
    producers->count++;
    return producer;
}

/* First interval whose last is at or above seq. */
static uint32_t interval_find(const struct pat_producer *producer, uint64_t seq) {
    uint32_t low = 0, high = producer->intervals;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (producer->interval[middle].last < seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool interval_has(const struct pat_producer *producer, uint64_t seq) {
    uint32_t at = interval_find(producer, seq);
    return at < producer->intervals && producer->interval[at].first <= seq;
}

static void interval_add(struct pat_producer *producer, uint64_t seq) {
    uint32_t at = interval_find(producer, seq);
    struct pat_seq_interval *interval = producer->interval;
    if (at < producer->intervals && interval[at].first <= seq) return;
    bool joins_before = at > 0 && interval[at - 1].last + 1 == seq;
    bool joins_after = at < producer->intervals && seq + 1 == interval[at].first;
    if (joins_before && joins_after) {
        interval[at - 1].last = interval[at].last;
        memmove(interval + at, interval + at + 1, (producer->intervals - at - 1) * sizeof *interval);
        producer->intervals--;
    } else if (joins_before) {
        interval[at - 1].last = seq;
    } else if (joins_after) {
        interval[at].first = seq;
    } else {
        interval = array_room(interval, producer->intervals, &producer->intervals_capacity, sizeof *interval);
        memmove(interval + at + 1, interval + at, (producer->intervals - at) * sizeof *interval);
        interval[at] = (struct pat_seq_interval){seq, seq};
        producer->interval = interval;
        producer->intervals++;
    }
}

enum pat_pair_state pat_producers_look(const struct pat_producers *producers, struct pat_text name, uint64_t seq,
                                       const struct pat_answer **answer) {
    const struct pat_producer *producer = pat_producers_find(producers, name);
    if (producer == NULL || !interval_has(producer, seq)) return PAT_PAIR_NEW;
    for (uint32_t i = 0; i < producer->answers; i++) {
        if (producer->answer[i].seq != seq) continue;
        *answer = &producer->answer[i];
        return PAT_PAIR_KNOWN;
    }
    return PAT_PAIR_OLD;
}

/* The slot for the next answer: a fresh one until there are PAT_PRODUCER_ANSWERS, then the oldest. */
static struct pat_answer *answer_slot(struct pat_producer *producer) {
    if (producer->answers < PAT_PRODUCER_ANSWERS) {
        producer->answer =
            array_room(producer->answer, producer->answers, &producer->answers_capacity, sizeof *producer->answer);
        return &producer->answer[producer->answers++];
    }
    struct pat_answer *oldest = &producer->answer[producer->answer_next];
    producer->answer_next = (producer->answer_next + 1) % PAT_PRODUCER_ANSWERS;
    pat_mem_free(PAT_MEM_OTHER, oldest->errors);
    return oldest;
}

void pat_producers_note(struct pat_producers *producers, const struct pat_batch *batch,
                        const struct pat_batch_outcome *outcome) {
    struct pat_producer *producer = pat_producers_find(producers, batch->producer);
    if (producer == NULL) producer = producer_add(producers, batch->producer);
    interval_add(producer, batch->seq);
    struct pat_answer *answer = answer_slot(producer);
    *answer = (struct pat_answer){.seq = batch->seq, .digest = batch->digest, .outcome = *outcome};
    struct pat_buf errors;
    pat_buf_init(&errors, PAT_MEM_OTHER);
    /* Errors are a courtesy of the repeated answer: without memory for them the counts still stand. */
    if ((batch->errors > 0 || batch->rejects > 0) && pat_batch_errors_write(batch, &errors) == PAT_OK) {
        answer->errors = errors.data;
        answer->errors_bytes = (uint32_t)errors.length;
    } else {
        pat_buf_deinit(&errors);
    }
    producer->last_seq = batch->seq;
    producer->last_lsn = outcome->lsn;
    producer->meta_length = (uint32_t)batch->meta.length;
    if (batch->meta.length > 0) memcpy(producer->meta, batch->meta.data, batch->meta.length);
    producer->rows += outcome->rows;
    producer->rejected += outcome->rejected;
}

/* ---- snapshot --------------------------------------------------------------------------------------------------- */

static enum pat_status outcome_write(const struct pat_batch_outcome *outcome, struct pat_buf *out) {
    PAT_TRY(pat_buf_append_u64(out, outcome->lsn));
    const uint32_t counts[] = {outcome->rows,  outcome->fresh,    outcome->updated, outcome->duplicate,
                               outcome->stale, outcome->rejected, outcome->orders,  outcome->refunds};
    return pat_buf_append(out, counts, sizeof counts);
}

static struct pat_batch_outcome outcome_read(struct pat_reader *reader) {
    struct pat_batch_outcome outcome = {.lsn = pat_read_u64(reader)};
    outcome.rows = pat_read_u32(reader);
    outcome.fresh = pat_read_u32(reader);
    outcome.updated = pat_read_u32(reader);
    outcome.duplicate = pat_read_u32(reader);
    outcome.stale = pat_read_u32(reader);
    outcome.rejected = pat_read_u32(reader);
    outcome.orders = pat_read_u32(reader);
    outcome.refunds = pat_read_u32(reader);
    return outcome;
}

static enum pat_status answer_write(const struct pat_answer *answer, struct pat_buf *out) {
    PAT_TRY(pat_buf_append_u64(out, answer->seq));
    PAT_TRY(pat_buf_append_u64(out, answer->digest.low));
    PAT_TRY(pat_buf_append_u64(out, answer->digest.high));
    PAT_TRY(outcome_write(&answer->outcome, out));
    PAT_TRY(pat_buf_append_u32(out, answer->errors_bytes));
    return pat_buf_append(out, answer->errors, answer->errors_bytes);
}

static enum pat_status producer_write(const struct pat_producer *producer, struct pat_buf *out) {
    PAT_TRY(pat_buf_append_u32(out, producer->name_length));
    PAT_TRY(pat_buf_append(out, producer->name, producer->name_length));
    PAT_TRY(pat_buf_append_u64(out, producer->last_seq));
    PAT_TRY(pat_buf_append_u64(out, producer->last_lsn));
    PAT_TRY(pat_buf_append_u64(out, producer->rows));
    PAT_TRY(pat_buf_append_u64(out, producer->rejected));
    PAT_TRY(pat_buf_append_u32(out, producer->meta_length));
    PAT_TRY(pat_buf_append(out, producer->meta, producer->meta_length));
    PAT_TRY(pat_buf_append_u32(out, producer->intervals));
    for (uint32_t i = 0; i < producer->intervals; i++) {
        PAT_TRY(pat_buf_append_u64(out, producer->interval[i].first));
        PAT_TRY(pat_buf_append_u64(out, producer->interval[i].last));
    }
    PAT_TRY(pat_buf_append_u32(out, producer->answers));
    for (uint32_t i = 0; i < producer->answers; i++) {
        PAT_TRY(answer_write(&producer->answer[(producer->answer_next + i) % producer->answers], out));
    }
    return PAT_OK;
}

enum pat_status pat_producers_write(const struct pat_producers *producers, struct pat_buf *out) {
    PAT_TRY(pat_buf_append_u32(out, producers->count));
    for (uint32_t i = 0; i < producers->count; i++) PAT_TRY(producer_write(producers->producer[i], out));
    return PAT_OK;
}

static bool answer_read(struct pat_answer *answer, struct pat_reader *reader) {
    answer->seq = pat_read_u64(reader);
    answer->digest.low = pat_read_u64(reader);
    answer->digest.high = pat_read_u64(reader);
    answer->outcome = outcome_read(reader);
    uint32_t bytes = pat_read_u32(reader);
    const unsigned char *errors = pat_read_bytes(reader, bytes);
    if (errors == NULL) return false;
    if (bytes == 0) return true;
    answer->errors = pat_mem_alloc_must(PAT_MEM_OTHER, bytes);
    memcpy(answer->errors, errors, bytes);
    answer->errors_bytes = bytes;
    return true;
}

static bool producer_read(struct pat_producers *producers, struct pat_reader *reader) {
    uint32_t length = pat_read_u32(reader);
    const unsigned char *name = pat_read_bytes(reader, length);
    if (name == NULL || length == 0 || length > PAT_PRODUCER_BYTES_MAX) return false;
    struct pat_text text = {(const char *)name, length};
    if (pat_producers_find(producers, text) != NULL) return false;
    struct pat_producer *producer = producer_add(producers, text);
    producer->last_seq = pat_read_u64(reader);
    producer->last_lsn = pat_read_u64(reader);
    producer->rows = pat_read_u64(reader);
    producer->rejected = pat_read_u64(reader);
    producer->meta_length = pat_read_u32(reader);
    if (producer->meta_length > PAT_META_BYTES_MAX) return false;
    const unsigned char *meta = pat_read_bytes(reader, producer->meta_length);
    if (meta == NULL) return false;
    memcpy(producer->meta, meta, producer->meta_length);
    uint32_t intervals = pat_read_u32(reader);
    uint64_t before = 0;
    for (uint32_t i = 0; i < intervals && !reader->bad; i++) {
        struct pat_seq_interval interval = {pat_read_u64(reader), 0};
        interval.last = pat_read_u64(reader);
        if (interval.last < interval.first) return false;
        /* Sorted and apart, or the search for a seq would miss some. */
        if (i > 0 && (interval.first <= before || interval.first - before == 1)) return false;
        before = interval.last;
        producer->interval =
            array_room(producer->interval, producer->intervals, &producer->intervals_capacity, sizeof interval);
        producer->interval[producer->intervals++] = interval;
    }
    uint32_t answers = pat_read_u32(reader);
    if (answers > PAT_PRODUCER_ANSWERS) return false;
    for (uint32_t i = 0; i < answers && !reader->bad; i++) {
        struct pat_answer *answer = answer_slot(producer);
        *answer = (struct pat_answer){0};
        if (!answer_read(answer, reader) || !interval_has(producer, answer->seq)) return false;
    }
    return !reader->bad;
}

enum pat_status pat_producers_read(struct pat_producers *producers, struct pat_reader *reader) {
    uint32_t count = pat_read_u32(reader);
    if (reader->bad || count > PAT_PRODUCERS_MAX) return PAT_ERR_CORRUPT;
    for (uint32_t i = 0; i < count; i++) {
        if (!producer_read(producers, reader)) return PAT_ERR_CORRUPT;
    }
    return PAT_OK;
}
