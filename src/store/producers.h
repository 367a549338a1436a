/* What each producer has sent: which seqs (as intervals, so that any order of u64 is fine), the last answers, the last
 * meta. Thread: loop. */
#ifndef PAT_STORE_PRODUCERS_H
#define PAT_STORE_PRODUCERS_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/text.h"
#include "model/batch.h"
#include "store/index.h"

#include <stdbool.h>
#include <stdint.h>

struct pat_answer {
    uint64_t seq;
    struct pat_digest digest;
    struct pat_batch_outcome outcome;
    unsigned char *errors; /* serialized row errors and reject counts (pat_batch_errors_write), may be NULL */
    uint32_t errors_bytes;
};

struct pat_seq_interval {
    uint64_t first, last;
};

struct pat_producer {
    char *name;
    uint32_t name_length;
    struct pat_seq_interval *interval; /* sorted, apart from each other */
    uint32_t intervals, intervals_capacity;
    struct pat_answer *answer; /* ring of the newest ones */
    uint32_t answers, answers_capacity, answer_next;
    uint64_t last_seq; /* of the newest batch, not the greatest */
    pat_lsn last_lsn;
    unsigned char meta[PAT_META_BYTES_MAX];
    uint32_t meta_length;
    uint64_t rows, rejected;
};

struct pat_producers {
    struct pat_producer **producer;
    uint32_t count, capacity;
    struct pat_index index; /* name -> place in producer[] */
    const struct pat_hash_secret *secret;
};

void pat_producers_init(struct pat_producers *producers, const struct pat_hash_secret *secret);
void pat_producers_deinit(struct pat_producers *producers);
struct pat_producer *pat_producers_find(const struct pat_producers *producers, struct pat_text name);

enum pat_pair_state { PAT_PAIR_NEW, PAT_PAIR_KNOWN /* *answer set */, PAT_PAIR_OLD /* seen, answer gone */ };
enum pat_pair_state pat_producers_look(const struct pat_producers *producers, struct pat_text name, uint64_t seq,
                                       const struct pat_answer **answer);
/* Notes an applied batch. Never fails (memory was reserved). */
void pat_producers_note(struct pat_producers *producers, const struct pat_batch *batch,
                        const struct pat_batch_outcome *outcome);
/* For snapshots: the whole state as bytes, and back. */
enum pat_status pat_producers_write(const struct pat_producers *producers, struct pat_buf *out) PAT_MUST_CHECK;
/* PAT_ERR_CORRUPT when the bytes make no sense. Into an empty one. */
enum pat_status pat_producers_read(struct pat_producers *producers, struct pat_reader *reader) PAT_MUST_CHECK;

#endif
