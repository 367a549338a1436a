/* Salvage: what is left of a damaged directory is served, and every answer says what is not. */
#include "engine/engine_private.h"

void pat_engine__put_degraded(const struct pat_engine *engine, struct pat_builder *builder, struct pat_value *answer) {
    if (!engine->degraded) return;
    const struct pat_recovery *recovery = &engine->recovery;
    struct pat_value list = pat_build_array(builder, recovery->losses);
    for (unsigned i = 0; i < recovery->losses; i++) {
        const struct pat_loss *loss = &recovery->loss[i];
        struct pat_value entry = pat_build_map(builder, 5);
        pat_build_put(builder, &entry, "from_lsn", pat_value_uint(loss->first));
        pat_build_put(builder, &entry, "to_lsn", loss->last != 0 ? pat_value_uint(loss->last) : pat_value_nil());
        pat_build_put(builder, &entry, "rows",
                      loss->rows != PAT_ROWS_UNKNOWN ? pat_value_uint(loss->rows) : pat_value_nil());
        pat_build_put(builder, &entry, "file", pat_build_text(builder, pat_text_of(loss->where)));
        if (loss->offset >= 0) pat_build_put(builder, &entry, "offset", pat_value_int(loss->offset));
        pat_build_push(builder, &list, entry);
    }
    pat_build_put(builder, answer, "degraded", list);
}
