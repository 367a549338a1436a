#include "store/spans.h"

#include "base/mem.h"
#include "base/status.h"

#include <string.h>

/* Spans of a slab: as many as there are already, so that a small table takes little; from 2 MiB on in huge pages. */
#define SLAB_SPANS_PAGED 128u
#define SLAB_SPANS_MAX   512u
#define PLACES_FIRST     16u
/* Ids of the hash index to a tally: eight times as many tallies as there can be dense spans. */
#define TALLY_IDS     (PAT_SPAN_DENSE / 8)
#define TALLIES_FIRST 256u
#define TALLY_COUNT   (PAT_SPAN_IDS - 1) /* mask of the count */

_Static_assert(PAT_SPAN_DENSE <= TALLY_COUNT, "a tally counts as far as it has to");

struct pat_span_slab {
    struct pat_span_slab *before;
    struct pat_id_span *span;
    uint32_t room, used; /* spans */
};

void pat_spans_init(struct pat_spans *spans) {
    *spans = (struct pat_spans){0};
}

/* ---- slabs ------------------------------------------------------------------------------------------------------- */

static bool slab_is_paged(const struct pat_span_slab *slab) {
    return slab->room >= SLAB_SPANS_PAGED;
}

static uint32_t slab_room(uint32_t count) {
    uint32_t room = 1;
    while (room < count && room < SLAB_SPANS_MAX) room *= 2;
    return room;
}

static struct pat_span_slab *slab_add(struct pat_spans *spans) {
    struct pat_span_slab *slab = pat_mem_alloc_must(PAT_MEM_INDEX, sizeof *slab);
    *slab = (struct pat_span_slab){.before = spans->slab, .room = slab_room(spans->count)};
    const size_t bytes = slab->room * sizeof(struct pat_id_span);
    slab->span = slab_is_paged(slab) ? pat_mem_reserve_must(bytes) : pat_mem_alloc_must(PAT_MEM_INDEX, bytes);
    return spans->slab = slab;
}

static struct pat_id_span *span_take(struct pat_spans *spans) {
    struct pat_span_slab *slab = spans->slab;
    if (slab == NULL || slab->used == slab->room) slab = slab_add(spans);
    if (slab_is_paged(slab)) pat_mem_use_pages(PAT_MEM_INDEX, sizeof(struct pat_id_span));
    return &slab->span[slab->used++];
}

static void slab_free(struct pat_span_slab *slab) {
    const size_t bytes = slab->room * sizeof(struct pat_id_span);
    if (slab_is_paged(slab)) {
        pat_mem_drop_pages(PAT_MEM_INDEX, slab->span, bytes, slab->used * sizeof(struct pat_id_span));
        pat_mem_unreserve(slab->span, bytes);
    } else {
        pat_mem_free(PAT_MEM_INDEX, slab->span);
    }
    pat_mem_free(PAT_MEM_INDEX, slab);
}

void pat_spans_deinit(struct pat_spans *spans) {
    while (spans->slab != NULL) {
        struct pat_span_slab *slab = spans->slab;
        spans->slab = slab->before;
        slab_free(slab);
    }
    pat_mem_free(PAT_MEM_INDEX, spans->place);
    pat_mem_free(PAT_MEM_INDEX, spans->tally);
    pat_spans_init(spans);
}

/* ---- the directory ----------------------------------------------------------------------------------------------- */

static struct pat_span_place *place_free(struct pat_span_place *place, uint32_t places, uint64_t hash) {
    uint32_t at = (uint32_t)hash & (places - 1);
    while (place[at].span != NULL) at = (at + 1) & (places - 1);
    return &place[at];
}

static void directory_grow(struct pat_spans *spans, const struct pat_hash_secret *secret) {
    const uint32_t places = spans->places == 0 ? PLACES_FIRST : spans->places * 2;
    struct pat_span_place *place = pat_mem_alloc_must(PAT_MEM_INDEX, places * sizeof *place);
    for (uint32_t i = 0; i < spans->places; i++) {
        const struct pat_span_place *old = &spans->place[i];
        if (old->span != NULL) *place_free(place, places, pat_hash_word(secret, old->number)) = *old;
    }
    pat_mem_free(PAT_MEM_INDEX, spans->place);
    spans->place = place;
    spans->places = places;
}

struct pat_id_span *pat_spans_begin(struct pat_spans *spans, const struct pat_hash_secret *secret, uint64_t number) {
    if (spans->count * 2 >= spans->places) directory_grow(spans, secret);
    struct pat_span_place *place = place_free(spans->place, spans->places, pat_hash_word(secret, number));
    *place = (struct pat_span_place){number, span_take(spans)};
    spans->count++;
    return place->span;
}

static bool is_dense(const struct pat_spans *spans, const struct pat_hash_secret *secret, uint64_t number) {
    const struct pat_id_span *span = pat_spans_find(spans, secret, number);
    return span != NULL && span->used >= PAT_SPAN_DENSE;
}

bool pat_spans_goes_on(const struct pat_spans *spans, const struct pat_hash_secret *secret, uint64_t number) {
    if (spans->count == 0) return false;
    return is_dense(spans, secret, number + 1) || (number > 0 && is_dense(spans, secret, number - 1));
}

/* ---- tallies ----------------------------------------------------------------------------------------------------- */

static uint32_t tallies_for(uint32_t tallies, uint64_t known) {
    if (tallies == 0) tallies = TALLIES_FIRST;
    while (known / TALLY_IDS > tallies) tallies *= 2;
    return tallies;
}

/* As many as the ids ask for; what had been counted is counted anew. */
static void tallies_ready(struct pat_spans *spans, uint64_t known) {
    const uint32_t tallies = tallies_for(spans->tallies, known);
    if (tallies == spans->tallies) return;
    pat_mem_free(PAT_MEM_INDEX, spans->tally);
    spans->tally = pat_mem_alloc_must(PAT_MEM_INDEX, tallies * sizeof *spans->tally);
    spans->tallies = tallies;
}

bool pat_spans_note(struct pat_spans *spans, const struct pat_hash_secret *secret, uint64_t number, uint32_t ids,
                    uint64_t known) {
    if (known < PAT_SPAN_DENSE) return false; /* too few for a dense span at all */
    tallies_ready(spans, known);
    uint64_t *tally = &spans->tally[pat_hash_word(secret, number) & (spans->tallies - 1)];
    const uint32_t count = (uint32_t)(*tally & TALLY_COUNT);
    if (count == 0 || *tally >> PAT_SPAN_SHIFT == number) {
        const uint32_t sum = ids < TALLY_COUNT - count ? count + ids : TALLY_COUNT;
        *tally = number << PAT_SPAN_SHIFT | sum;
        return sum >= PAT_SPAN_DENSE;
    }
    *tally -= ids < count ? ids : count;
    return false;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

size_t pat_spans_growth(const struct pat_spans *spans, size_t begun, uint64_t known) {
    const uint32_t tallies = tallies_for(spans->tallies, known);
    size_t bytes = tallies == spans->tallies ? 0 : tallies * sizeof *spans->tally;
    if (begun == 0) return bytes;
    size_t places = spans->places == 0 ? PLACES_FIRST : spans->places;
    while (places < (spans->count + begun) * 2) places *= 2;
    if (places != spans->places) bytes += 2 * places * sizeof *spans->place;
    /* A slab of small ones is taken whole; a larger one page by page. */
    size_t whole = spans->count + begun < SLAB_SPANS_PAGED ? spans->count + begun : SLAB_SPANS_PAGED;
    if (spans->count > SLAB_SPANS_PAGED / 2) whole = 0;
    return bytes + (begun + whole) * (sizeof(struct pat_id_span) + sizeof(struct pat_span_slab) + PAT_MEM_ALIGN);
}
