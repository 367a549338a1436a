/* What the questions of a batch share: whatever depends on view, day and rfm alone is computed once. */
#ifndef PAT_ANALYTICS_MEMO_PRIVATE_H
#define PAT_ANALYTICS_MEMO_PRIVATE_H

#include "analytics/facts_private.h"

/* Filters remembered at once; a batch has no more. */
#define PAT_MEMO_FILTERS PAT_BATCH_CALLS_MAX

struct pat_memo {
    struct pat_arena arena; /* of everything below; given back when day or key change */
    const struct pat_view *view;
    pat_day day;
    struct pat_text key; /* pat_question_key, and what the question says of lifetime value */

    uint64_t *live; /* NULL until computed, as the rest */
    uint64_t live_count;
    const struct pat_kept *kept;
    struct pat_facts *facts;
    unsigned facts_have; /* bits of enum pat_fact */
    const uint8_t *lifecycle;
    struct pat_lifetime *lifetime;
    struct pat_scores *scores;
    struct {
        struct pat_text where; /* canonical */
        const uint64_t *bits;
    } filter[PAT_MEMO_FILTERS];
    unsigned filters;
};

/* Empties the memo unless it is of this run's view, day, rfm and terms. Does nothing without a memo. */
enum pat_status pat_memo__begin(struct pat_run *run) PAT_MUST_CHECK;
/* From here to pat_memo__leave arrays of the run are the memo's. Gives what to hand to pat_memo__leave. */
struct pat_arena *pat_memo__enter(struct pat_run *run);
void pat_memo__leave(struct pat_run *run, struct pat_arena *arena);
/* What a filter selects of the live customers, or NULL. */
const uint64_t *pat_memo__find(const struct pat_memo *memo, struct pat_text where);
void pat_memo__keep(struct pat_memo *memo, struct pat_text where, const uint64_t *bits);

#endif
