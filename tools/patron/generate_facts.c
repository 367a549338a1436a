#include "generate_facts.h"

#include "generate_shop.h"

static enum pat_status no_memory(struct pat_error *error) {
    return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for a batch: try a smaller --batch-rows");
}

void pat_gen_facts_init(struct pat_gen_facts *facts, const struct pat_gen_world *world, struct pat_gen_pool *pool,
                        bool csv) {
    *facts = (struct pat_gen_facts){.world = world, .pool = pool, .csv = csv};
    facts->last = &facts->first;
}

void pat_gen_facts_deinit(struct pat_gen_facts *facts) {
    for (int table = 0; table < PAT_GEN_TABLES; table++) {
        pat_gen_pool_give(facts->pool, facts->batch[table]);
        facts->batch[table] = NULL;
    }
    while (facts->first != NULL) {
        struct pat_gen_batch *batch = facts->first;
        facts->first = batch->next;
        pat_gen_pool_give(facts->pool, batch);
    }
}

static struct pat_gen_batch *filling(struct pat_gen_facts *facts, enum pat_gen_table table) {
    if (facts->batch[table] == NULL) facts->batch[table] = pat_gen_pool_take(facts->pool, table);
    return facts->batch[table];
}

enum pat_status pat_gen_facts_flush(struct pat_gen_facts *facts, struct pat_error *error) {
    /* An order goes before its lines and its refunds. */
    static const enum pat_gen_table order[] = {PAT_GEN_FX, PAT_GEN_CUSTOMERS, PAT_GEN_ORDERS, PAT_GEN_LINES,
                                               PAT_GEN_REFUNDS};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        struct pat_gen_batch *batch = facts->batch[order[i]];
        if (batch == NULL) continue;
        const enum pat_status status = facts->csv ? pat_gen_batch_csv(batch) : pat_gen_batch_values(batch);
        if (status != PAT_OK) return no_memory(error);
        facts->batch[order[i]] = NULL;
        *facts->last = batch;
        facts->last = &batch->next;
    }
    facts->events = 0;
    return PAT_OK;
}

static enum pat_status add_order(struct pat_gen_facts *facts, const struct pat_gen_event *event,
                                 const struct pat_gen_order *order, struct pat_error *error) {
    const struct pat_gen_plan *plan = facts->world->plan;
    if (pat_gen_wants(plan, PAT_GEN_ORDERS)) {
        struct pat_gen_batch *batch = filling(facts, PAT_GEN_ORDERS);
        if (batch == NULL) return no_memory(error);
        pat_gen_batch_add_order(batch, order);
    }
    /* Lines come once, with the order as it is right. */
    if (!pat_gen_wants(plan, PAT_GEN_LINES) || event->kind == PAT_GEN_WRONG_ORDER) return PAT_OK;
    struct pat_gen_batch *batch = filling(facts, PAT_GEN_LINES);
    if (batch == NULL) return no_memory(error);
    struct pat_gen_line line[PAT_GEN_LINES_MAX];
    const unsigned lines = pat_gen_lines(facts->world, event, line);
    for (unsigned i = 0; i < lines; i++) pat_gen_batch_add_line(batch, order, &line[i], i + 1);
    return PAT_OK;
}

enum pat_status pat_gen_facts_add(struct pat_gen_facts *facts, const struct pat_gen_event *event,
                                  struct pat_error *error) {
    struct pat_gen_order order;
    pat_gen_order_dress(facts->world, event, &order);
    if (event->kind < PAT_GEN_FIRST_REFUND) {
        PAT_TRY(add_order(facts, event, &order, error));
    } else {
        struct pat_gen_batch *batch = filling(facts, PAT_GEN_REFUNDS);
        if (batch == NULL) return no_memory(error);
        pat_gen_batch_add_refund(batch, &order, (unsigned)event->kind - PAT_GEN_FIRST_REFUND);
    }
    return ++facts->events < facts->world->plan->batch_rows ? PAT_OK : pat_gen_facts_flush(facts, error);
}

/* Before the facts and behind them: which of its two versions a rate sends. 1 is wrong, 2 is right, 0 is none. */
struct rate_fate {
    int64_t early, late;
};

/* As with orders: one in four of the wrong ones is so late that the right one is there already. */
static struct rate_fate rate_fate(const struct pat_gen_world *world, uint64_t row) {
    const double corrections = world->plan->rate_corrections;
    if (corrections <= 0) return (struct rate_fate){2, 0};
    struct pat_random random = pat_random_of(world->key[PAT_GEN_STREAM_RATE_FATE], row);
    if (pat_random_chance(&random, corrections)) {
        return pat_random_below(&random, 4) == 0 ? (struct rate_fate){2, 1} : (struct rate_fate){1, 2};
    }
    return pat_random_chance(&random, corrections / 2) ? (struct rate_fate){0, 2} : (struct rate_fate){2, 0};
}

enum pat_status pat_gen_facts_add_fx(struct pat_gen_facts *facts, uint64_t first, uint32_t rows, bool late,
                                     struct pat_error *error) {
    const struct pat_gen_world *world = facts->world;
    /* Day by day, every currency but the base. */
    const unsigned others = world->plan->currencies - 1;
    for (uint64_t row = first; row < first + rows; row++) {
        const struct rate_fate fate = rate_fate(world, row);
        const int64_t version = late ? fate.late : fate.early;
        if (version == 0) continue;
        struct pat_gen_batch *batch = filling(facts, PAT_GEN_FX);
        if (batch == NULL) return no_memory(error);
        const uint32_t day = (uint32_t)(row / others);
        const unsigned currency = 1 + (unsigned)(row % others);
        /* A wrong rate is that of half a calendar away. */
        const uint32_t of = version == 1 ? (day + world->days / 2) % world->days : day;
        pat_gen_batch_add_fx(batch, day, currency, world->currency[currency].decimal[of], version);
    }
    return PAT_OK;
}

enum pat_status pat_gen_facts_add_customers(struct pat_gen_facts *facts, uint32_t first, uint32_t count,
                                            struct pat_error *error) {
    struct pat_gen_batch *batch = filling(facts, PAT_GEN_CUSTOMERS);
    if (batch == NULL) return no_memory(error);
    struct pat_gen_profile profile;
    for (uint32_t number = first; number < first + count; number++) {
        pat_gen_profile_draw(facts->world, number, &profile);
        if (profile.corrected) pat_gen_profile_spoil(&profile);
        pat_gen_batch_add_customer(batch, &profile, profile.corrected ? 1 : 2);
    }
    if (facts->world->plan->corrections <= 0) return PAT_OK;
    for (uint32_t number = first; number < first + count; number++) {
        pat_gen_profile_draw(facts->world, number, &profile);
        if (profile.corrected) pat_gen_batch_add_customer(batch, &profile, 2);
    }
    return PAT_OK;
}
