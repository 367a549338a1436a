/* The write road: queue, groups, journal, apply. */
#include "engine/engine_private.h"

#include "base/clock.h"
#include "base/heap_ahead.h"
#include "base/log.h"
#include "ingest/ingest.h"

#include <inttypes.h>
#include <string.h>

/* One group is one sync of the journal. Larger groups would make the first of them wait for the last; at these sizes a
 * group is some 20 ms of applying and 10 MB of journal. */
#define GROUP_TICKETS_MAX 1024u
#define GROUP_ROWS_MAX    262144u
/* While somebody asks, who would wait for a large one to be judged and encoded. */
#define GROUP_ROWS_ASKED_MAX 65536u
/* Orders that are applied together: some three milliseconds, behind which the loop looks at what else there is. */
#define APPLY_ROWS 16384u

enum pat_status pat_engine_prepare(struct pat_engine *engine, const struct pat_load *load, struct pat_arena *arena,
                                   struct pat_batch **out, struct pat_error *error) {
    struct pat_load typed = *load;
    typed.schema = pat_store_schema(engine->store, load->table);
    typed.kernels = engine->kernels;
    return pat_ingest_prepare(out, &typed, engine->zone, &engine->store->secret, pat_clock_wall_ms(), arena, error);
}

unsigned pat_engine_queued(const struct pat_engine *engine) {
    return engine->queued;
}

pat_lsn pat_engine_lsn(const struct pat_engine *engine) {
    return engine->store->lsn;
}

void pat_engine_submit(struct pat_engine *engine, struct pat_ticket *ticket) {
    ticket->next = NULL;
    if (engine->queue_tail != NULL) {
        engine->queue_tail->next = ticket;
    } else {
        engine->queue_head = ticket;
    }
    engine->queue_tail = ticket;
    engine->queued++;
    if (engine->group_head == NULL) pat_engine_turn(engine);
}

/* ---- answers
 * ---------------------------------------------------------------------------------------------------------------- */

/* Batches that are applied and not yet answered: the next group is on its way to the disk before they are. */
struct pat_applied {
    struct pat_ticket *ticket; /* `count` of them, in a row */
    unsigned count;
    const struct pat_batch *const *batch;
    const struct pat_batch_outcome *outcome;
};
static void answer_applied(struct pat_engine *engine);

static void reply_error(struct pat_engine *engine, struct pat_ticket *ticket, const struct pat_error *error) {
    answer_applied(engine);
    engine->queued--;
    ticket->reply_cb(ticket, NULL, error);
}

static void reply(struct pat_engine *engine, struct pat_ticket *ticket, const struct pat_builder *builder,
                  const struct pat_value *result) {
    struct pat_error error;
    (void)pat_error_set(&error, PAT_ERR_NO_MEMORY, "the batch was taken, but there is no memory for the answer");
    answer_applied(engine);
    engine->queued--;
    ticket->reply_cb(ticket, result, builder->failed ? &error : NULL);
}

/* The answer stands where the one before it stood, not behind the batch, whose memory was last looked at thousands of
 * batches ago; but for one that is given from within another's reply. */
static void reply_outcome(struct pat_engine *engine, struct pat_ticket *ticket, const struct pat_batch_outcome *outcome,
                          const struct pat_batch *errors_of) {
    const bool outer = !engine->replying;
    struct pat_builder builder = {.arena = outer ? &engine->reply_arena : ticket->arena};
    struct pat_value result =
        pat_engine__load_answer(engine, ticket->request->load.table, outcome, errors_of, &builder);
    engine->replying = true;
    reply(engine, ticket, &builder, &result);
    if (!outer) return;
    engine->replying = false;
    pat_arena_reset(&engine->reply_arena);
}

/* Before anybody else is answered, so that answers come in the order of batches. */
static void answer_applied(struct pat_engine *engine) {
    struct pat_applied *applied = engine->applied;
    engine->applied = NULL;
    for (unsigned i = 0; applied != NULL && i < applied->count; i++) {
        struct pat_ticket *ticket = applied->ticket;
        applied->ticket = ticket->next;
        reply_outcome(engine, ticket, &applied->outcome[i], applied->batch[i]);
    }
}

/* A pair that was applied before: the first answer, or a short one when it is too old, or a conflict. */
static void reply_known(struct pat_engine *engine, struct pat_ticket *ticket, enum pat_pair_state state,
                        const struct pat_answer *answer) {
    const struct pat_batch *batch = ticket->batch;
    struct pat_error error;
    if (state == PAT_PAIR_OLD) {
        struct pat_builder builder = {.arena = ticket->arena};
        struct pat_value result = pat_build_map(&builder, 2);
        const struct pat_producer *producer = pat_producers_find(&engine->store->producers, batch->producer);
        pat_build_put(&builder, &result, "lsn", pat_value_uint(producer->last_lsn));
        pat_build_put(&builder, &result, "repeated", pat_value_bool(true));
        reply(engine, ticket, &builder, &result);
        return;
    }
    if (!pat_digest_equal(answer->digest, batch->digest)) {
        char shown[PAT_PRODUCER_BYTES_MAX + 1];
        (void)pat_error_set_at(&error, PAT_ERR_CONFLICT, "seq", -1, -1,
                               "producer \"%s\" has sent seq %" PRIu64
                               " before with other content; give new rows a new seq",
                               pat_text_printable(batch->producer, shown, sizeof shown), batch->seq);
        reply_error(engine, ticket, &error);
        return;
    }
    struct pat_batch errors_of = {0};
    struct pat_reader reader = {.at = answer->errors, .end = answer->errors + answer->errors_bytes};
    if (answer->errors_bytes > 0 && pat_batch_errors_read(&errors_of, &reader, ticket->arena) != PAT_OK) {
        errors_of = (struct pat_batch){0}; /* without memory for the texts the counts still stand */
    }
    reply_outcome(engine, ticket, &answer->outcome, &errors_of);
}

/* ---- a group
 * ------------------------------------------------------------------------------------------------------------------ */

/* Pairs of a group that were seen: a bit clear says that a pair was not. Sixteen bits for each of 256 batches that
 * wait. */
#define SEEN_BITS 4096u

struct group {
    struct pat_entry entry[GROUP_TICKETS_MAX];
    struct pat_ticket *head, *tail;
    unsigned count;
    uint64_t rows, rows_max;
    size_t bytes;                    /* of memory, promised for applying */
    const struct pat_ticket *before; /* batches that are durable and not applied yet */
    pat_lsn lsn;                     /* of the last one before the group */
    uint64_t seen[SEEN_BITS / 64];
};

/* All but the entries, which are written before they are read: there are many, and mostly few are used. */
static void group_init(struct group *group, const struct pat_engine *engine) {
    group->head = group->tail = NULL;
    group->count = 0;
    group->rows = 0;
    group->rows_max = pat_engine__is_asked(engine) ? GROUP_ROWS_ASKED_MAX : GROUP_ROWS_MAX;
    group->before = engine->group_head;
    group->bytes = 0;
    group->lsn = engine->store->lsn;
    for (const struct pat_ticket *ticket = group->before; ticket != NULL; ticket = ticket->next)
        group->lsn = ticket->lsn;
    memset(group->seen, 0, sizeof group->seen);
}

/* Nothing is on its way before the next one of the group: it may lean on all that is in the store. */
static bool is_first(const struct group *group) {
    return group->count == 0 && group->before == NULL;
}

static uint64_t *seen_word(struct group *group, uint64_t seq, uint64_t *bit) {
    const uint64_t hash = seq * UINT64_C(0x9E3779B97F4A7C15) >> 52; /* seqs count up: the top bits spread best */
    _Static_assert(SEEN_BITS == 1u << (64 - 52), "the hash numbers the bits");
    *bit = UINT64_C(1) << (hash % 64);
    return &group->seen[hash / 64];
}

static bool have_pair(const struct pat_ticket *ticket, const struct pat_batch *batch) {
    for (; ticket != NULL; ticket = ticket->next) {
        if (ticket->batch != NULL && ticket->batch->seq == batch->seq &&
            pat_text_equal(ticket->batch->producer, batch->producer)) {
            return true;
        }
    }
    return false;
}

static bool group_has_pair(struct group *group, const struct pat_batch *batch) {
    uint64_t bit;
    if (have_pair(group->before, batch)) return true;
    return (*seen_word(group, batch->seq, &bit) & bit) != 0 && have_pair(group->head, batch);
}

enum admission { ADMITTED, ANSWERED, NEXT_GROUP };

static enum admission refuse(struct pat_engine *engine, struct pat_ticket *ticket, const struct pat_error *error) {
    reply_error(engine, ticket, error);
    return ANSWERED;
}

/* Beside what waiting orders are still to take. */
static bool fits(const struct pat_engine *engine, size_t bytes) {
    return pat_mem_would_fit(bytes + pat_ingest_waiting_bytes(engine->store));
}

/* Pages that somebody may come back for are worth less than what comes now. So is a run that is being made; its memory
 * is there when the batch is sent again. */
static void make_room(struct pat_engine *engine, size_t bytes) {
    if (fits(engine, bytes)) return;
    pat_ingest_settle(engine->store, engine->spread);
    if (pat_mem_would_fit(bytes)) return;
    pat_engine__release_held(engine, true);
    pat_engine__end_rest(engine);
    if (!pat_mem_would_fit(bytes)) pat_chore_stop(&engine->chore);
}

/* The memory that applying takes is promised to the group from here on, so that no question takes it meanwhile. */
static bool reserve(struct pat_engine *engine, struct group *group, size_t bytes) {
    make_room(engine, bytes);
    if (!fits(engine, bytes) || !pat_mem_promise(bytes)) return false;
    group->bytes += bytes;
    return true;
}

static enum admission admit_batch(struct pat_engine *engine, struct group *group, struct pat_ticket *ticket) {
    struct pat_batch *batch = ticket->batch;
    const struct pat_producers *producers = &engine->store->producers;
    const struct pat_answer *answer = NULL;
    struct pat_error error;
    enum pat_pair_state state = pat_producers_look(producers, batch->producer, batch->seq, &answer);
    if (state != PAT_PAIR_NEW) {
        reply_known(engine, ticket, state, answer);
        return ANSWERED;
    }
    if (group->rows + batch->rows > group->rows_max && group->count > 0) return NEXT_GROUP;
    if (group_has_pair(group, batch)) return NEXT_GROUP;
    /* Each of many small batches may be the one that makes the index grow: how much all take is known when those before
     * are applied. Asked before it is judged, which is done once. */
    size_t bytes = pat_ingest_bytes(batch, engine->store);
    if (!is_first(group) && !fits(engine, bytes)) return NEXT_GROUP;
    const uint32_t rows = batch->rows;
    enum pat_status status = pat_ingest_validate(batch, &ticket->request->load, engine->store, is_first(group), &error);
    if (status == PAT_ERR_MORE) return NEXT_GROUP;
    if (status != PAT_OK) return refuse(engine, ticket, &error);
    if (producers->count + group->count >= PAT_PRODUCERS_MAX &&
        pat_producers_find(producers, batch->producer) == NULL) {
        (void)pat_error_set_at(&error, PAT_ERR_TOO_LARGE, "producer", -1, -1,
                               "there are %u producers already; use an existing name with new seqs", producers->count);
        return refuse(engine, ticket, &error);
    }
    if (batch->rows != rows) bytes = pat_ingest_bytes(batch, engine->store);
    if (!reserve(engine, group, bytes)) {
        (void)pat_error_set(
            &error, PAT_ERR_NO_MEMORY,
            "the batch may need %zu MiB more than the memory limit of %zu MiB allows; nothing was taken (see "
            "--memory)",
            bytes >> 20, pat_mem_limit() >> 20);
        return refuse(engine, ticket, &error);
    }
    uint64_t bit;
    *seen_word(group, batch->seq, &bit) |= bit;
    group->rows += batch->rows;
    group->entry[group->count] = (struct pat_entry){.kind = PAT_ENTRY_BATCH, .batch = batch};
    return ADMITTED;
}

static enum admission admit_map(struct pat_engine *engine, struct group *group, struct pat_ticket *ticket) {
    struct pat_error error;
    if (engine->store->maps->count + group->count >= PAT_RFM_MAPS_MAX) {
        (void)pat_error_set(&error, PAT_ERR_TOO_LARGE, "there are %u RFM maps already", engine->store->maps->count);
        return refuse(engine, ticket, &error);
    }
    group->entry[group->count] = (struct pat_entry){.kind = PAT_ENTRY_RFM_MAP, .map = ticket->request->map};
    return ADMITTED;
}

static void reply_attribute(struct pat_engine *engine, struct pat_ticket *ticket, bool added) {
    const struct pat_attribute *attribute = ticket->request->attribute;
    struct pat_builder builder = {.arena = ticket->arena};
    struct pat_value result = pat_build_map(&builder, 6);
    pat_build_put(&builder, &result, "lsn", pat_value_uint(engine->store->lsn));
    pat_build_put(&builder, &result, "table", pat_value_string(pat_schema[attribute->table].name));
    pat_build_put(&builder, &result, "name", pat_value_string(pat_attribute_word(attribute)));
    pat_build_put(&builder, &result, "field", pat_value_string(attribute->name));
    pat_build_put(&builder, &result, "type", pat_value_string(pat_attribute_type_name(attribute->type)));
    pat_build_put(&builder, &result, "added", pat_value_bool(added));
    reply(engine, ticket, &builder, &result);
}

/* One that is there already is answered at once. Each group has one attribute at the most, so that it is judged against
 * all that came before. */
static enum admission admit_attribute(struct pat_engine *engine, struct group *group, struct pat_ticket *ticket) {
    const struct pat_attribute *attribute = ticket->request->attribute;
    struct pat_error error;
    bool known;
    for (unsigned i = 0; i < group->count; i++) {
        if (group->entry[i].kind == PAT_ENTRY_ATTRIBUTE) return NEXT_GROUP;
    }
    if (pat_store_judge_attribute(engine->store, attribute, &known, &error) != PAT_OK)
        return refuse(engine, ticket, &error);
    if (known) {
        reply_attribute(engine, ticket, false);
        return ANSWERED;
    }
    const size_t bytes = pat_store_attribute_bytes(engine->store, attribute->table);
    if (!reserve(engine, group, bytes)) {
        (void)pat_error_set(&error, PAT_ERR_NO_MEMORY, "no memory for another attribute (see --memory)");
        return refuse(engine, ticket, &error);
    }
    group->entry[group->count] = (struct pat_entry){.kind = PAT_ENTRY_ATTRIBUTE, .attribute = attribute};
    return ADMITTED;
}

static bool is_fit_change(const struct pat_ticket *ticket) {
    return ticket->request->method == PAT_METHOD_CLV_FIT || ticket->request->method == PAT_METHOD_CLV_USE;
}

/* One to a group, so that each is judged against all fits before it. */
static enum admission admit_fit_change(struct pat_engine *engine, struct group *group, struct pat_ticket *ticket) {
    struct pat_error error;
    for (unsigned i = 0; i < group->count; i++) {
        if (group->entry[i].fit != NULL) return NEXT_GROUP;
    }
    if (pat_engine__fit_entry(engine, ticket, &group->entry[group->count], &error) == PAT_OK) return ADMITTED;
    return refuse(engine, ticket, &error);
}

static enum admission admit(struct pat_engine *engine, struct group *group, struct pat_ticket *ticket) {
    if (engine->damage.status != PAT_OK) return refuse(engine, ticket, &engine->damage);
    if (engine->journal_failed) return refuse(engine, ticket, &engine->journal_error);
    if (group->count == GROUP_TICKETS_MAX) return NEXT_GROUP;
    if (ticket->batch != NULL) return admit_batch(engine, group, ticket);
    if (group->before != NULL) return NEXT_GROUP;
    if (is_fit_change(ticket)) return admit_fit_change(engine, group, ticket);
    return ticket->request->method == PAT_METHOD_SCHEMA_ADD ? admit_attribute(engine, group, ticket)
                                                            : admit_map(engine, group, ticket);
}

static struct pat_ticket *queue_pop(struct pat_engine *engine) {
    struct pat_ticket *ticket = engine->queue_head;
    engine->queue_head = ticket->next;
    if (engine->queue_head == NULL) engine->queue_tail = NULL;
    ticket->next = NULL;
    return ticket;
}

static void queue_push_back(struct pat_engine *engine, struct pat_ticket *ticket) {
    ticket->next = engine->queue_head;
    engine->queue_head = ticket;
    if (engine->queue_tail == NULL) engine->queue_tail = ticket;
}

static void group_push(struct group *group, struct pat_ticket *ticket) {
    ticket->lsn = group->lsn + group->count + 1;
    group->entry[group->count].lsn = ticket->lsn;
    group->count++;
    if (group->tail != NULL) {
        group->tail->next = ticket;
    } else {
        group->head = ticket;
    }
    group->tail = ticket;
}

static void fail_group(struct pat_engine *engine, struct pat_ticket *ticket, const struct pat_error *error) {
    while (ticket != NULL) {
        struct pat_ticket *next = ticket->next;
        reply_error(engine, ticket, error);
        ticket = next;
    }
}

/* Groups of more batches are of small ones, and applied in no time. */
#define FOLLOWED_TICKETS_MAX 16u

/* The disk need not wait until large batches are applied: others that stand alone, so that it does not matter what is
 * before them, are written meanwhile. */
static bool may_follow(const struct pat_engine *engine) {
    unsigned count = 0;
    uint64_t rows = 0;
    if (!engine->group_durable || engine->behind_head != NULL || engine->journal_failed) return false;
    for (const struct pat_ticket *ticket = engine->group_head; ticket != NULL; ticket = ticket->next) {
        if (ticket->batch == NULL || ++count > FOLLOWED_TICKETS_MAX) return false;
        rows += ticket->batch->rows;
    }
    return rows > APPLY_ROWS && !pat_engine__snapshot_comes(engine);
}

/* The group that so many bytes were promised to is not applied. */
static void break_promise(size_t bytes) {
    const size_t promised = pat_mem_promised();
    pat_mem_promise_keep(promised > bytes ? promised - bytes : 0);
}

static void group_fill(struct pat_engine *engine, struct group *group) {
    while (engine->queue_head != NULL) {
        /* Taken off before it is judged: an answer may give its memory back, and may submit again. */
        struct pat_ticket *ticket = queue_pop(engine);
        const enum admission admission = admit(engine, group, ticket);
        if (admission == NEXT_GROUP) {
            queue_push_back(engine, ticket);
            return;
        }
        if (admission == ADMITTED) group_push(group, ticket);
    }
}

void pat_engine__group_start(struct pat_engine *engine) {
    if (engine->queue_head == NULL || engine->snapshot_waits) return;
    if (engine->group_head != NULL && !may_follow(engine)) return;
    if (engine->store->unsettled && engine->damage.status == PAT_OK) return; /* ids cannot be found yet */
    struct group group;
    group_init(&group, engine);
    group_fill(engine, &group);
    if (group.count == 0) return;
    struct pat_error error;
    enum pat_status status = pat_persist_write(engine->persist, group.entry, group.count, &error);
    if (status != PAT_OK) {
        break_promise(group.bytes);
        fail_group(engine, group.head, &error);
        return;
    }
    if (group.before == NULL) {
        engine->group_head = group.head;
    } else {
        engine->behind_head = group.head;
        engine->behind_bytes = group.bytes;
    }
    engine->groups.under_way = group.count;
    engine->groups.started_ns = pat_clock_monotonic_ns();
}

/* The group is applied. The disk has the next one before the last of it are answered: what it waits for is short then.
 */
static void group_end(struct pat_engine *engine) {
    pat_mem_promise_keep(engine->behind_bytes);
    engine->group_durable = engine->behind_durable;
    engine->group_head = engine->behind_head;
    engine->behind_head = NULL;
    engine->behind_durable = false;
    engine->behind_bytes = 0;
    if (!pat_engine__snapshot_comes(engine)) pat_engine__group_start(engine);
}

/* Orders that are applied together: those of a group that stand side by side. */
static bool is_orders(const struct pat_ticket *ticket) {
    return ticket->batch != NULL && ticket->batch->table == PAT_ORDERS;
}

/* Applies and answers the first batches of the group, as many as are applied together; one of another table alone. */
static void apply_batches(struct pat_engine *engine) {
    struct pat_ticket *ticket = engine->group_head;
    const struct pat_batch *batch[GROUP_TICKETS_MAX];
    struct pat_batch_outcome outcome[GROUP_TICKETS_MAX];
    unsigned count = 1;
    uint64_t rows = ticket->batch->rows;
    PAT_ASSERT(ticket->lsn == engine->store->lsn + 1);
    batch[0] = ticket->batch;
    for (struct pat_ticket *at = ticket->next; at != NULL && is_orders(ticket) && is_orders(at); at = at->next) {
        rows += at->batch->rows;
        if (rows > APPLY_ROWS || pat_ingest_settles_first(engine->store, PAT_ORDERS, rows)) break;
        batch[count++] = at->batch;
    }
    pat_mem_redeem(true);
    pat_ingest_apply_all(engine->store, batch, count, outcome, pat_engine__crew(engine));
    pat_mem_redeem(false);
    pat_heap_ahead_look();
    struct pat_applied applied = {ticket, count, batch, outcome};
    engine->applied = &applied;
    for (unsigned i = 0; i < count; i++) engine->group_head = engine->group_head->next;
    if (engine->group_head == NULL) group_end(engine);
    answer_applied(engine);
}

static void apply_ticket(struct pat_engine *engine, struct pat_ticket *ticket) {
    if (ticket->request->method == PAT_METHOD_SCHEMA_ADD) {
        pat_mem_redeem(true);
        pat_store_add_attribute(engine->store, ticket->request->attribute);
        pat_mem_redeem(false);
        engine->store->lsn = ticket->lsn;
        reply_attribute(engine, ticket, true);
        return;
    }
    if (is_fit_change(ticket)) {
        struct pat_builder builder = {.arena = ticket->arena};
        const struct pat_value result = pat_engine__fit_apply(engine, ticket, &builder);
        reply(engine, ticket, &builder, &result);
        return;
    }
    struct pat_error error;
    enum pat_status status = pat_store_save_map(engine->store, ticket->request->map, &error);
    PAT_ASSERT(status == PAT_OK); /* admit_map looked */
    engine->store->lsn = ticket->lsn;
    struct pat_builder builder = {.arena = ticket->arena};
    struct pat_value result = pat_build_map(&builder, 3);
    pat_build_put(&builder, &result, "lsn", pat_value_uint(ticket->lsn));
    pat_build_put(&builder, &result, "name", pat_value_string(ticket->request->map->name));
    pat_build_put(&builder, &result, "groups", pat_value_int(ticket->request->map->groups));
    reply(engine, ticket, &builder, &result);
}

static void note_group(struct pat_groups *groups) {
    groups->count++;
    groups->batches += groups->under_way;
    groups->ns += pat_clock_monotonic_ns() - groups->started_ns;
}

void pat_engine__group_finish(struct pat_engine *engine, const struct pat_event *event) {
    const bool behind = engine->behind_head != NULL; /* the one before it is durable */
    struct pat_ticket **const head = behind ? &engine->behind_head : &engine->group_head;
    struct pat_ticket *const ticket = *head;
    if (event->status != PAT_OK) {
        *head = NULL;
        if (event->untouched) {
            pat_log(PAT_LOG_WARN, "disk-full", "message=\"%s\"", event->error.message);
        } else {
            pat_engine__journal_failed(engine, event->error.message);
        }
        if (behind) break_promise(engine->behind_bytes);
        if (behind) engine->behind_bytes = 0;
        if (!behind) pat_mem_promise_keep(0);
        fail_group(engine, ticket, event->untouched ? &event->error : &engine->journal_error);
        return;
    }
    note_group(&engine->groups);
    *(behind ? &engine->behind_durable : &engine->group_durable) = true;
}

bool pat_engine__must_fold(const struct pat_engine *engine) {
    const struct pat_ticket *ticket = engine->group_head;
    return engine->group_durable && ticket->batch != NULL &&
           pat_ingest_settles_first(engine->store, ticket->batch->table, ticket->batch->rows);
}

bool pat_engine__apply_some(struct pat_engine *engine) {
    if (!engine->group_durable) return false;
    struct pat_ticket *ticket = engine->group_head;
    pat_engine__store_changes(engine);
    if (ticket->batch != NULL) {
        apply_batches(engine);
    } else {
        engine->group_head = ticket->next;
        if (engine->group_head == NULL) engine->group_durable = false;
        apply_ticket(engine, ticket);
        if (engine->group_head == NULL) pat_mem_promise_keep(0);
    }
    return true;
}
