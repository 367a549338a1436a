#include "engine/engine_private.h"

static struct pat_value row_error(const struct pat_row_error *error, struct pat_builder *builder) {
    struct pat_value map = pat_build_map(builder, 4);
    pat_build_put(builder, &map, "row", pat_value_int(error->row));
    pat_build_put(builder, &map, "field", pat_value_string(error->field));
    pat_build_put(builder, &map, "code", pat_value_string(pat_reject_code(error->code)));
    pat_build_put(builder, &map, "message", pat_value_text(error->message));
    return map;
}

static struct pat_value reject_reason(const struct pat_reject_count *reject, struct pat_builder *builder) {
    struct pat_value map = pat_build_map(builder, 3);
    pat_build_put(builder, &map, "field", pat_value_string(reject->field));
    pat_build_put(builder, &map, "code", pat_value_string(pat_reject_code(reject->code)));
    pat_build_put(builder, &map, "rows", pat_value_int(reject->rows));
    return map;
}

struct pat_value pat_engine__load_answer(const struct pat_engine *engine, enum pat_table_id table,
                                         const struct pat_batch_outcome *outcome, const struct pat_batch *errors_of,
                                         struct pat_builder *builder) {
    struct pat_value map = pat_build_map(builder, 12);
    pat_build_put(builder, &map, "lsn", pat_value_uint(outcome->lsn));
    pat_build_put(builder, &map, "rows", pat_value_int(outcome->rows));
    pat_build_put(builder, &map, "new", pat_value_int(outcome->fresh));
    pat_build_put(builder, &map, "updated", pat_value_int(outcome->updated));
    pat_build_put(builder, &map, "duplicate", pat_value_int(outcome->duplicate));
    pat_build_put(builder, &map, "stale", pat_value_int(outcome->stale));
    pat_build_put(builder, &map, "rejected", pat_value_int(outcome->rejected));
    struct pat_value errors = pat_build_array(builder, errors_of->errors);
    for (uint32_t i = 0; i < errors_of->errors; i++) {
        pat_build_push(builder, &errors, row_error(&errors_of->error[i], builder));
    }
    pat_build_put(builder, &map, "errors", errors);
    struct pat_value reasons = pat_build_array(builder, errors_of->rejects);
    for (uint32_t i = 0; i < errors_of->rejects; i++) {
        pat_build_push(builder, &reasons, reject_reason(&errors_of->reject[i], builder));
    }
    pat_build_put(builder, &map, "reasons", reasons);
    if (table == PAT_LINES) {
        pat_build_put(builder, &map, "orders", pat_value_int(outcome->orders));
        pat_build_put(builder, &map, "refunds", pat_value_int(outcome->refunds));
    }
    if (table == PAT_FX) pat_engine__warn_of_gaps(engine, errors_of, builder, &map);
    pat_build_put(builder, &map, "sync", pat_value_string(engine->sync_name));
    return map;
}
