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
    if (engine->resting == NULL || engine->damage.status != PAT_OK) return;
    for (unsigned i = 0; i < count; i++) {
        key[i] = (struct pat_id_key){.number = pat_id_number(request[i]->id), .text = request[i]->id};
        pat_table_prefetch_id(engine->store, PAT_CUSTOMERS, key[i]);
    }
    for (unsigned i = 0; i < count; i++) row[i] = pat_table_find_id(engine->store, PAT_CUSTOMERS, key[i]);
    pat_analytics_ahead(engine->resting->view, row, count);
}
