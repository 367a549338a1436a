/* Answers that are given again: to a question asked before of the same version on the same day. */
#include "engine/engine_private.h"

#include <inttypes.h>

/* ---- what a question is ------------------------------------------------------------------------------------------ */

static bool repeatable(const struct pat_request *request) {
    switch (request->method) {
    case PAT_METHOD_COUNT:
    case PAT_METHOD_ROWS:
    case PAT_METHOD_GROUP:
    case PAT_METHOD_COHORT:
    case PAT_METHOD_RFM_GRID:
    case PAT_METHOD_RFM_GROUPS: break;
    default: return false;
    }
    /* Pages belong to their cursors, and who asks for a plan wants to see it carried out. */
    return !request->cursor_given && !request->question.explain_plan;
}

/* Texts with their lengths, so that no two lists read the same. */
static void add_text(struct pat_arena *arena, struct pat_text *key, const char *mark, struct pat_text text) {
    if (key->data == NULL) return;
    *key = pat_arena_printf(arena, "%.*s%s%zu:%.*s", (int)key->length, key->data, mark, text.length, (int)text.length,
                            text.length > 0 ? text.data : "");
}

static struct pat_text numbers_of(const struct pat_request *request, pat_day today, struct pat_arena *arena) {
    const struct pat_question *question = &request->question;
    const struct pat_day_param *between = request->between;
    return pat_arena_printf(
        arena, "%d %d %d %" PRId32 " %" PRId32 " %" PRIu32 " %d %d %" PRId32 " %d %d %" PRId32 " %d %d %" PRIu32,
        (int)request->method, (int)request->from, (int)question->as_of,
        question->as_of == PAT_AS_OF_DAY ? question->as_of_day : 0, today, request->limit, between[0].given,
        between[0].relative, between[0].days, between[1].given, between[1].relative, between[1].days,
        request->cohort_created, (int)request->cohort_metric, request->cohort_periods);
}

/* Equal for equal questions, however they were written; data NULL without memory. */
static struct pat_text key_of(const struct pat_request *request, pat_day today, struct pat_arena *arena) {
    struct pat_text key = numbers_of(request, today, arena);
    const struct pat_text where = pat_filter_print(request->question.where, arena);
    const struct pat_text question = pat_question_key(&request->question, arena);
    if (where.data == NULL || question.data == NULL) return (struct pat_text){NULL, 0};
    add_text(arena, &key, " w", where);
    add_text(arena, &key, " q", question);
    for (uint32_t i = 0; i < request->names_count; i++) add_text(arena, &key, " n", request->names[i]);
    for (uint32_t i = 0; i < request->metrics; i++) add_text(arena, &key, " m", request->metric[i].text);
    for (uint32_t i = 0; i < request->order_bys; i++) {
        add_text(arena, &key, request->order_by[i].descending ? " -" : " +", request->order_by[i].text);
    }
    return key;
}

/* ---- answers at hand --------------------------------------------------------------------------------------------- */

void pat_engine__forget_answers(struct pat_engine *engine) {
    struct known_answers *known = &engine->answers;
    for (unsigned i = 0; i < known->count; i++) pat_arena_deinit(&known->answer[i].arena);
    known->count = 0;
}

static struct known_answer *find(struct known_answers *known, struct pat_text key) {
    for (unsigned i = 0; i < known->count; i++) {
        if (pat_text_equal(known->answer[i].key, key)) return &known->answer[i];
    }
    return NULL;
}

void pat_engine__recall(struct pat_engine *engine, struct pat_inquiry *inquiry) {
    struct known_answers *known = &engine->answers;
    if (!repeatable(inquiry->request) || inquiry->pinned->view->lsn < known->lsn) return;
    if (known->lsn != inquiry->pinned->view->lsn) {
        pat_engine__forget_answers(engine);
        known->lsn = inquiry->pinned->view->lsn;
    }
    struct pat_recall *recall = pat_arena_alloc(inquiry->arena, sizeof *recall);
    if (recall == NULL) return;
    recall->key = key_of(inquiry->request, inquiry->today, inquiry->arena);
    if (recall->key.data == NULL) return;
    inquiry->recall = recall;
    struct known_answer *answer = find(known, recall->key);
    if (answer == NULL) return;
    struct pat_builder builder = {.arena = inquiry->arena};
    recall->answer = pat_build_copy(&builder, &answer->value);
    recall->last = answer->last;
    recall->known = !builder.failed;
    if (!recall->known) return;
    known->hits++;
    answer->used = ++known->uses;
}

/* A place for one more: the one unused for longest. */
static struct known_answer *place_for(struct known_answers *known) {
    if (known->count < PAT_ANSWERS_MAX) return &known->answer[known->count++];
    struct known_answer *oldest = &known->answer[0];
    for (unsigned i = 1; i < known->count; i++) {
        if (known->answer[i].used < oldest->used) oldest = &known->answer[i];
    }
    pat_arena_deinit(&oldest->arena);
    return oldest;
}

void pat_engine__remember(struct pat_engine *engine, const struct pat_inquiry *inquiry) {
    struct known_answers *known = &engine->answers;
    const struct pat_recall *recall = inquiry->recall;
    if (recall == NULL || recall->known || !recall->fresh) return;
    known->misses++;
    if (known->lsn != inquiry->pinned->view->lsn || find(known, recall->key) != NULL) return;
    struct known_answer fresh = {.last = recall->last, .used = ++known->uses};
    pat_arena_init(&fresh.arena, PAT_ANSWER_BYTES_MAX);
    struct pat_builder builder = {.arena = &fresh.arena};
    fresh.key = pat_arena_text(&fresh.arena, recall->key);
    fresh.value = pat_build_copy(&builder, &recall->answer);
    if (builder.failed || fresh.key.data == NULL) {
        pat_arena_deinit(&fresh.arena);
        return;
    }
    *place_for(known) = fresh;
}

struct pat_value pat_engine__answers_status(const struct pat_engine *engine, struct pat_builder *builder) {
    const struct known_answers *known = &engine->answers;
    struct pat_value map = pat_build_map(builder, 4);
    uint64_t bytes = 0;
    for (unsigned i = 0; i < known->count; i++) bytes += known->answer[i].arena.bytes_used;
    pat_build_put(builder, &map, "answers", pat_value_uint(known->count));
    pat_build_put(builder, &map, "bytes", pat_value_uint(bytes));
    pat_build_put(builder, &map, "hits", pat_value_uint(known->hits));
    pat_build_put(builder, &map, "misses", pat_value_uint(known->misses));
    return map;
}
