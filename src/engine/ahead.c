/* Look-ups that wait side by side: their ids and what is read of their rows are on their way into the cache before the
 * first of them is answered. Answers nothing, and is right to do nothing. */
#include "engine/engine_private.h"

#include "analytics/analytics.h"
#include "model/id.h"

void pat_engine_look_ahead(struct pat_engine *engine, const struct pat_request *const *request, unsigned count) {
    struct pat_id_key key[PAT_LOOK_AHEAD_MAX];
    pat_row row[PAT_LOOK_AHEAD_MAX];
    PAT_ASSERT(count <= PAT_LOOK_AHEAD_MAX);
    /* The first of a version opens it. */
    if (engine->versions.resting == NULL || engine->damage.status != PAT_OK) return;
    const struct pat_view *const view = engine->versions.resting->view;
    for (unsigned i = 0; i < count; i++) {
        key[i] = (struct pat_id_key){.number = pat_id_number(request[i]->id), .text = request[i]->id};
        pat_table_prefetch_id(engine->store, PAT_CUSTOMERS, key[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        row[i] = pat_table_find_id(engine->store, PAT_CUSTOMERS, key[i]);
        if (row[i] >= view->table[PAT_CUSTOMERS].rows) row[i] = PAT_ROW_NONE; /* it came later */
    }
    pat_analytics_ahead(view, row, count);
}
