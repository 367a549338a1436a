/* What the engine says of itself: status, schema, load.state, snapshot.list, filter.parse. On the loop, at once. */
#include "engine/engine_private.h"

#include "analytics/analytics.h"
#include "base/clock.h"
#include "base/machine.h"
#include "base/mem.h"
#include "ingest/ingest.h"

#include <stdio.h>

#define NS_PER_MS UINT64_C(1000000)
/* Twice as many as a manifest can list. */
#define GENERATIONS_SHOWN 16u

/* ---- status
 * ---------------------------------------------------------------------------------------------------------------- */

static struct pat_value status_rows(const struct pat_counts *counts, struct pat_builder *builder) {
    struct pat_value map = pat_build_map(builder, PAT_TABLES);
    pat_build_put(builder, &map, "customers", pat_value_uint(counts->customers));
    pat_build_put(builder, &map, "orders", pat_value_uint(counts->orders));
    pat_build_put(builder, &map, "lines", pat_value_uint(counts->lines));
    pat_build_put(builder, &map, "refunds", pat_value_uint(counts->refunds));
    pat_build_put(builder, &map, "fx", pat_value_uint(counts->fx));
    return map;
}

static struct pat_value status_memory(struct pat_builder *builder) {
    const uint64_t resident = pat_machine_resident(), used = pat_mem_used_total();
    struct pat_value map = pat_build_map(builder, PAT_MEM_PURPOSES + 6);
    pat_build_put(builder, &map, "used", pat_value_uint(used));
    /* What the process takes, and how much more (below zero: less) than what is accounted for: code, stacks, what the
     * allocator keeps, pages that were taken and not yet touched. */
    pat_build_put(builder, &map, "resident", pat_value_uint(resident));
    pat_build_put(builder, &map, "resident_max", pat_value_uint(pat_machine_resident_max()));
    pat_build_put(builder, &map, "overhead", pat_value_int((int64_t)resident - (int64_t)used));
    pat_build_put(builder, &map, "limit", pat_value_uint(pat_mem_limit()));
    pat_build_put(builder, &map, "budget", pat_value_uint(pat_mem_budget()));
    for (int purpose = 0; purpose < PAT_MEM_PURPOSES; purpose++) {
        pat_build_put(builder, &map, pat_mem_purpose_name((enum pat_mem_purpose)purpose),
                      pat_value_uint(pat_mem_used((enum pat_mem_purpose)purpose)));
    }
    return map;
}

static struct pat_value generation_value(const struct pat_generation *generation, struct pat_builder *builder) {
    struct pat_value map = pat_build_map(builder, 3);
    pat_build_put(builder, &map, "generation", pat_value_uint(generation->number));
    pat_build_put(builder, &map, "lsn", pat_value_uint(generation->lsn));
    pat_build_put(builder, &map, "bytes", pat_value_uint(generation->bytes));
    return map;
}

static struct pat_value status_snapshot(const struct pat_engine *engine, struct pat_builder *builder) {
    struct pat_generation newest;
    if (pat_persist_generations(engine->persist, &newest, 1) == 0) return pat_value_nil();
    struct pat_value map = generation_value(&newest, builder);
    if (engine->snapshot_wall_ms != 0)
        pat_build_put(builder, &map, "saved_ms", pat_value_int(engine->snapshot_wall_ms));
    pat_build_put(builder, &map, "writing", pat_value_bool(engine->snapshot_view != NULL));
    return map;
}

static struct pat_value status_recovery(const struct pat_engine *engine, struct pat_builder *builder) {
    const struct pat_recovery *recovery = &engine->recovery;
    struct pat_value map = pat_build_map(builder, 6);
    pat_build_put(builder, &map, "snapshot_lsn", pat_value_uint(recovery->snapshot_lsn));
    pat_build_put(builder, &map, "lsn", pat_value_uint(recovery->lsn));
    pat_build_put(builder, &map, "records", pat_value_uint(recovery->records));
    pat_build_put(builder, &map, "torn_bytes", pat_value_uint(recovery->torn_bytes));
    pat_build_put(builder, &map, "fell_back", pat_value_bool(recovery->fell_back));
    if (recovery->note[0] != '\0') pat_build_put(builder, &map, "note", pat_value_string(recovery->note));
    return map;
}

/* serving (with a reason when the start cut something off), or what keeps batches from being taken, and why: stopping,
 * readonly (no room, or the disk failed), recovering (it failed, and what is in memory is being saved to new files),
 * salvage. */
static void put_state(const struct pat_engine *engine, struct pat_builder *builder, struct pat_value *map) {
    char why[PAT_ERROR_MESSAGE_BYTES] = "";
    const char *state = "serving";
    if (engine->stopping) {
        state = "stopping";
        (void)snprintf(why, sizeof why, "%s",
                       engine->snapshot_view != NULL ? "the last snapshot is being written"
                                                     : "what was taken in is being answered");
    } else if (engine->degraded) {
        state = "salvage";
        (void)snprintf(why, sizeof why, "%s", engine->recovery.note);
    } else if (pat_persist_condition(engine->persist, why) != PAT_CONDITION_GOOD || engine->journal_failed) {
        state = engine->journal_failed && engine->snapshot_view != NULL ? "recovering" : "readonly";
        if (why[0] == '\0') (void)snprintf(why, sizeof why, "%s", engine->journal_error.message);
    } else if (engine->recovery.torn_bytes > 0) {
        (void)snprintf(why, sizeof why, "%s", engine->recovery.note);
    }
    pat_build_put(builder, map, "state", pat_value_string(state));
    if (why[0] != '\0') pat_build_put(builder, map, "reason", pat_build_text(builder, pat_text_of(why)));
}

static struct pat_value status_groups(const struct pat_groups *groups, struct pat_builder *builder) {
    struct pat_value map = pat_build_map(builder, 3);
    pat_build_put(builder, &map, "count", pat_value_uint(groups->count));
    pat_build_put(builder, &map, "batches", pat_value_uint(groups->batches));
    pat_build_put(builder, &map, "us", pat_value_uint(groups->ns / 1000));
    return map;
}

static struct pat_value look_status(struct pat_engine *engine, struct pat_builder *builder) {
    /* While batches come it is asked again and again, and folding each time would cost the load more than the batches
     * do: customers whom only waiting orders name are counted a little later. */
    if (engine->queued == 0) pat_ingest_settle(engine->store, engine->spread);
    const struct pat_counts *counts = &engine->store->counts;
    struct pat_value map = pat_build_map(builder, 32);
    put_state(engine, builder, &map);
    pat_build_put(builder, &map, "version", pat_value_string(engine->version));
    pat_build_put(builder, &map, "lsn", pat_value_uint(engine->store->lsn));
    pat_build_put(builder, &map, "epoch", pat_value_uint(engine->settings.epoch));
    pat_build_put(builder, &map, "uptime_ms",
                  pat_value_uint((pat_clock_monotonic_ns() - engine->opened_ns) / NS_PER_MS));
    pat_build_put(builder, &map, "rows", status_rows(counts, builder));
    pat_build_put(builder, &map, "pending_refunds", pat_value_uint(counts->pending_refunds));
    pat_build_put(builder, &map, "unpriced", pat_value_uint(counts->unpriced));
    pat_build_put(builder, &map, "newest_fact",
                  pat_build_day(builder, counts->newest_fact == PAT_DAY_NONE ? PAT_NULL : counts->newest_fact));
    pat_build_put(builder, &map, "producers", pat_value_int(engine->store->producers.count));
    pat_build_put(builder, &map, "queued", pat_value_int(engine->queued));
    pat_build_put(builder, &map, "groups", status_groups(&engine->groups, builder));
    pat_build_put(builder, &map, "memory", status_memory(builder));
    pat_build_put(builder, &map, "known_answers", pat_engine__answers_status(engine, builder));
    pat_build_put(builder, &map, "runs", pat_engine__status_runs(engine, builder));
    pat_build_put(builder, &map, "indexes", pat_engine__status_indexes(engine, builder));
    pat_build_put(builder, &map, "snapshot", status_snapshot(engine, builder));
    pat_build_put(builder, &map, "journal_bytes", pat_value_uint(pat_persist_journal_bytes(engine->persist)));
    pat_build_put(builder, &map, "recovery", status_recovery(engine, builder));
    pat_build_put(builder, &map, "scrub", pat_engine__status_scrub(engine, builder));
    pat_build_put(builder, &map, "timezone", pat_value_string(engine->settings.zone));
    pat_build_put(builder, &map, "base_currency", pat_value_string(engine->settings.base_currency));
    pat_build_put(builder, &map, "sync", pat_value_string(engine->sync_name));
    pat_build_put(builder, &map, "cpu", pat_value_string(engine->kernels->name));
    return map;
}

/* ---- schema
 * ---------------------------------------------------------------------------------------------------------------- */

static struct pat_value schema_field(const struct pat_field *field, bool attribute, struct pat_builder *builder) {
    struct pat_value map = pat_build_map(builder, 6);
    pat_build_put(builder, &map, "name", pat_value_string(field->name));
    pat_build_put(builder, &map, "type", pat_value_string(pat_type_name(field->type)));
    if (attribute) pat_build_put(builder, &map, "attribute", pat_value_string(pat_attribute_type_name(field->type)));
    pat_build_put(builder, &map, "required", pat_value_bool(field->required));
    if (field->unit != NULL) pat_build_put(builder, &map, "unit", pat_value_string(field->unit));
    pat_build_put(builder, &map, "explain", pat_value_string(field->explain));
    return map;
}

/* Values of a dictionary column, when they are few enough to choose from in a list. */
#define ENUM_VALUES_SHOWN 300u

static void schema_values(const struct pat_table *table, unsigned column, struct pat_value *map,
                          struct pat_builder *builder) {
    const struct pat_dict *dict = table->dict[column];
    if (dict == NULL || table->schema->field[column].type != PAT_TYPE_TEXT || dict->count == 0 ||
        dict->count > ENUM_VALUES_SHOWN) {
        return;
    }
    struct pat_value values = pat_build_array(builder, dict->count);
    for (uint32_t code = 0; code < dict->count; code++) {
        pat_build_push(builder, &values, pat_build_text(builder, pat_dict_text(dict, code)));
    }
    pat_build_put(builder, map, "values", values);
}

static struct pat_value schema_tables(const struct pat_store *store, struct pat_builder *builder) {
    struct pat_value tables = pat_build_map(builder, PAT_TABLES);
    for (int id = 0; id < PAT_TABLES; id++) {
        const struct pat_table *table = &store->table[id];
        struct pat_value fields = pat_build_array(builder, table->schema->columns);
        for (unsigned column = 0; column < table->schema->columns; column++) {
            if (!pat_schema_loadable(table->schema, column)) continue;
            struct pat_value field =
                schema_field(&table->schema->field[column], column >= table->schema->own_columns, builder);
            schema_values(table, column, &field, builder);
            pat_build_push(builder, &fields, field);
        }
        for (int extra = PAT_LINE_OF_CUSTOMER; id == PAT_LINES && extra < PAT_LINE_FIELDS; extra++) {
            pat_build_push(builder, &fields, schema_field(pat_field_get(PAT_LINES, extra), false, builder));
        }
        struct pat_value entry = pat_build_map(builder, 1);
        pat_build_put(builder, &entry, "fields", fields);
        pat_build_put(builder, &tables, table->schema->name, entry);
    }
    return tables;
}

static struct pat_value schema_map_groups(const struct pat_rfm_map *map, struct pat_builder *builder) {
    struct pat_value groups = pat_build_map(builder, map->groups);
    for (unsigned group = 0; group < map->groups; group++) {
        struct pat_value cells = pat_build_array(builder, 8);
        for (int cell = 0; cell < (int)PAT_RFM_CELLS; cell++) {
            if (map->of_cell[cell] != group) continue;
            int digits = (cell / 25 + 1) * 100 + (cell / 5 % 5 + 1) * 10 + cell % 5 + 1;
            pat_build_push(builder, &cells, pat_value_int(digits));
        }
        pat_build_put(builder, &groups, map->group[group], cells);
    }
    return groups;
}

static struct pat_value schema_maps(const struct pat_store *store, struct pat_builder *builder) {
    struct pat_value maps = pat_build_map(builder, store->maps->count);
    for (uint32_t i = 0; i < store->maps->count; i++) {
        pat_build_put(builder, &maps, store->maps->map[i]->name, schema_map_groups(store->maps->map[i], builder));
    }
    return maps;
}

static struct pat_value schema_methods(struct pat_builder *builder) {
    struct pat_value methods = pat_build_array(builder, pat_method_list_count);
    for (unsigned i = 0; i < pat_method_list_count; i++) {
        const struct pat_method_info *info = &pat_method_list[i];
        struct pat_value params = pat_build_array(builder, 8);
        for (const char *const *name = info->params; *name != NULL; name++) {
            pat_build_push(builder, &params, pat_value_string(*name));
        }
        struct pat_value method = pat_build_map(builder, 3);
        pat_build_put(builder, &method, "name", pat_value_string(info->name));
        pat_build_put(builder, &method, "params", params);
        pat_build_put(builder, &method, "explain", pat_value_string(info->explain));
        pat_build_push(builder, &methods, method);
    }
    return methods;
}

static struct pat_value look_schema(const struct pat_engine *engine, struct pat_builder *builder) {
    struct pat_value computed = pat_build_array(builder, 16);
    pat_analytics_describe(builder, &computed);
    struct pat_value map = pat_build_map(builder, 8);
    pat_build_put(builder, &map, "tables", schema_tables(engine->store, builder));
    pat_build_put(builder, &map, "customer_fields", computed);
    pat_build_put(builder, &map, "fact_fields", pat_analytics_describe_facts(builder));
    pat_build_put(builder, &map, "rfm_maps", schema_maps(engine->store, builder));
    pat_build_put(builder, &map, "methods", schema_methods(builder));
    pat_build_put(builder, &map, "timezone", pat_value_string(engine->settings.zone));
    pat_build_put(builder, &map, "base_currency", pat_value_string(engine->settings.base_currency));
    pat_build_put(builder, &map, "digits", pat_value_int(engine->store->base_digits));
    return map;
}

/* ---- the rest
 * --------------------------------------------------------------------------------------------------------------- */

static struct pat_value look_load_state(const struct pat_engine *engine, struct pat_text name,
                                        struct pat_builder *builder) {
    const struct pat_producer *producer = pat_producers_find(&engine->store->producers, name);
    struct pat_value map = pat_build_map(builder, 5);
    bool known = producer != NULL;
    struct pat_text meta = {known ? (const char *)producer->meta : NULL, known ? producer->meta_length : 0};
    struct pat_value shown = pat_value_nil();
    if (meta.length > 0) {
        shown = pat_build_text(builder, meta);
        if (!pat_text_utf8_valid(meta, NULL)) shown.type = PAT_VALUE_BIN;
    }
    pat_build_put(builder, &map, "seq", known ? pat_value_uint(producer->last_seq) : pat_value_nil());
    pat_build_put(builder, &map, "lsn", pat_value_uint(known ? producer->last_lsn : 0));
    pat_build_put(builder, &map, "meta", shown);
    pat_build_put(builder, &map, "rows", pat_value_uint(known ? producer->rows : 0));
    pat_build_put(builder, &map, "rejected", pat_value_uint(known ? producer->rejected : 0));
    return map;
}

static struct pat_value look_snapshots(const struct pat_engine *engine, struct pat_builder *builder) {
    struct pat_generation generation[GENERATIONS_SHOWN];
    unsigned count = pat_persist_generations(engine->persist, generation, GENERATIONS_SHOWN);
    struct pat_value list = pat_build_array(builder, count);
    for (unsigned i = 0; i < count; i++) pat_build_push(builder, &list, generation_value(&generation[i], builder));
    struct pat_value map = pat_build_map(builder, 1);
    pat_build_put(builder, &map, "generations", list);
    return map;
}

static enum pat_status look_filter(struct pat_engine *engine, const struct pat_filter *filter,
                                   struct pat_builder *builder, struct pat_value *result, struct pat_error *error) {
    struct pat_view *view = NULL;
    enum pat_status status = pat_engine__view_open(engine, &view);
    if (status != PAT_OK) return pat_error_set(error, status, "no room for another view; try again");
    status = pat_analytics_check_filter(view, filter, builder->arena, error);
    pat_view_close(&view);
    PAT_TRY(status);
    struct pat_text text = pat_filter_print(filter, builder->arena);
    if (text.data == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the answer");
    *result = pat_build_map(builder, 3);
    pat_build_put(builder, result, "text", pat_value_text(text));
    pat_build_put(builder, result, "tree", pat_filter_to_tree(filter, builder));
    pat_build_put(builder, result, "fields", pat_filter_fields(filter, builder));
    return PAT_OK;
}

enum pat_status pat_engine_look(struct pat_engine *engine, const struct pat_request *request, struct pat_arena *arena,
                                struct pat_value *result, struct pat_error *error) {
    struct pat_builder builder = {.arena = arena};
    switch (request->method) {
    case PAT_METHOD_STATUS: *result = look_status(engine, &builder); break;
    case PAT_METHOD_SCHEMA: *result = look_schema(engine, &builder); break;
    case PAT_METHOD_LOAD_STATE: *result = look_load_state(engine, request->producer, &builder); break;
    case PAT_METHOD_SNAPSHOT_LIST: *result = look_snapshots(engine, &builder); break;
    case PAT_METHOD_BACKUP_END:
        PAT_TRY(pat_engine__backup_end(engine, &request->backup, &builder, result, error));
        break;
    case PAT_METHOD_FILTER_PARSE: PAT_TRY(look_filter(engine, request->question.where, &builder, result, error)); break;
    default: return pat_error_set(error, PAT_ERR_INTERNAL, "this method is not answered here");
    }
    pat_engine__put_degraded(engine, &builder, result);
    return builder.failed ? pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the answer") : PAT_OK;
}
