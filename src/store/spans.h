/* Rows of decimal ids that stand close together, as those do that a shop counts up: found by their place, without a
 * hash and without a look at the id itself.
 *
 *   id ──► span number id / 4,096 ──► directory {number, span} ──► row[id % 4,096]: the row + 1; 0: not there
 *
 * Four bytes an id where all of a span are there, read and written in order by whoever counts up; the hash index takes
 * eleven, and a miss each. An id belongs to its span as soon as that has begun, whatever the hash index still says of
 * it; all other ids, and texts, are the hash index's. A span begins when a quarter of its ids are known or come at
 * once, or when a neighbour has as many: so no ids, chosen by whomever, make spans take more than 48 bytes each.
 *
 * Owner's thread only, but for looking. */
#ifndef PAT_STORE_SPANS_H
#define PAT_STORE_SPANS_H

#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAT_SPAN_SHIFT 12u
#define PAT_SPAN_IDS   (1u << PAT_SPAN_SHIFT)
/* Ids of a span from which on it is worth its array: 16 bytes each at the most, four when it fills up. */
#define PAT_SPAN_DENSE (PAT_SPAN_IDS / 4)
/* Spans that wait for the next claim of ids to begin; more of them are noted again with the next new id of theirs. */
#define PAT_SPANS_DUE_MAX 16u

/* What a span has; it does not move. */
struct pat_id_span {
    uint32_t used; /* of the rows */
    uint32_t row[PAT_SPAN_IDS];
};

struct pat_span_slab;

struct pat_spans {
    struct pat_span_place {
        uint64_t number;
        struct pat_id_span *span; /* NULL: free */
    } * place;                    /* the directory: open addressing, at most half full */
    uint32_t places, count;
    struct pat_span_slab *slab; /* where the arrays lie, the newest first */
    uint64_t *tally;            /* number << 12 | how many of its ids the hash index got, roughly */
    uint32_t tallies;
    uint32_t dues;
    uint64_t due[PAT_SPANS_DUE_MAX]; /* numbers of spans that have got dense meanwhile */
};

static inline uint64_t pat_span_of(int64_t id) {
    return (uint64_t)id >> PAT_SPAN_SHIFT;
}

void pat_spans_init(struct pat_spans *spans);
void pat_spans_deinit(struct pat_spans *spans);

/* NULL when it has not begun. Thread: any, while nobody writes. */
static inline struct pat_id_span *pat_spans_find(const struct pat_spans *spans, const struct pat_hash_secret *secret,
                                                 uint64_t number) {
    if (spans->count == 0) return NULL;
    const uint32_t mask = spans->places - 1;
    for (uint32_t at = (uint32_t)pat_hash_word(secret, number) & mask;; at = (at + 1) & mask) {
        const struct pat_span_place *place = &spans->place[at];
        if (place->span == NULL || place->number == number) return place->span;
    }
}
/* Where the row of an id stands; NULL when its span has not begun. */
static inline uint32_t *pat_spans_at(const struct pat_spans *spans, const struct pat_hash_secret *secret, int64_t id) {
    struct pat_id_span *span = pat_spans_find(spans, secret, pat_span_of(id));
    return span == NULL ? NULL : &span->row[(uint64_t)id % PAT_SPAN_IDS];
}

/* True when one beside it has many ids: who counts up or down comes here next. */
bool pat_spans_goes_on(const struct pat_spans *spans, const struct pat_hash_secret *secret, uint64_t number);
/* Begins a span that has not: empty. */
struct pat_id_span *pat_spans_begin(struct pat_spans *spans, const struct pat_hash_secret *secret, uint64_t number);
/* Counts `ids` new ids of a span that has not begun; `known` is how many ids the hash index has. True when it has got
 * dense by it. A rough count: of spans that share a place only the one with more ids is counted. */
bool pat_spans_note(struct pat_spans *spans, const struct pat_hash_secret *secret, uint64_t number, uint32_t ids,
                    uint64_t known);

/* Asks for what pat_spans_note is going to count in. */
static inline void pat_spans_note_prefetch(const struct pat_spans *spans, const struct pat_hash_secret *secret,
                                           uint64_t number) {
    if (spans->tallies > 0) __builtin_prefetch(&spans->tally[pat_hash_word(secret, number) & (spans->tallies - 1)]);
}

/* Bytes that `begun` spans more may take, and notes while the hash index has up to `known` ids. */
size_t pat_spans_growth(const struct pat_spans *spans, size_t begun, uint64_t known);

#endif
