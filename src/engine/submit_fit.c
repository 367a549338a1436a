/* clv.fit and clv.use on the write road: a fit comes from a worker and is kept like a batch. */
#include "engine/engine_private.h"

#include "analytics/analytics.h"

enum pat_status pat_engine__fit_entry(const struct pat_engine *engine, struct pat_ticket *ticket, struct pat_entry *out,
                                      struct pat_error *error) {
    const struct pat_clv_ask *ask = &ticket->request->clv;
    const struct pat_fits *fits = engine->store->fits;
    struct pat_fit_change *change = pat_arena_alloc(ticket->arena, sizeof *change);
    if (change == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for a fit");
    ticket->change = change;
    *out = (struct pat_entry){.kind = PAT_ENTRY_FIT, .fit = change};
    change->fit = ticket->fit;
    change->adopt = ask->adopt;
    const struct pat_clv_fit *known;
    const enum pat_status found = pat_fits_find(fits, ask->name, &known, error);
    if (ticket->request->method == PAT_METHOD_CLV_FIT) {
        if (found == PAT_OK || fits->count < PAT_FITS_MAX) return PAT_OK;
        return pat_error_set(error, PAT_ERR_TOO_LARGE, "there are %u fits already; use one of their names",
                             fits->count);
    }
    out->kind = PAT_ENTRY_FIT_USE;
    change->name = ask->name;
    change->use = fits->use;
    if (ask->horizon_days > 0) change->use.horizon_days = ask->horizon_days;
    if (ask->has_discount) change->use.discount_annual = ask->discount_annual;
    if (ask->has_margin) change->use.margin = ask->margin;
    return found;
}

/* The worker's answer was about the version it read; it is true from this one on. */
static void set_lsn(struct pat_value *answer, pat_lsn lsn) {
    for (uint32_t i = 0; i < answer->count; i++) {
        if (pat_text_is(answer->as.members[i].key, "lsn")) answer->as.members[i].value = pat_value_uint(lsn);
    }
}

static struct pat_value answer_fit(struct pat_engine *engine, struct pat_ticket *ticket, struct pat_builder *builder) {
    struct pat_value answer = *ticket->answer;
    const struct pat_fits *fits = engine->store->fits;
    set_lsn(&answer, ticket->lsn);
    pat_build_put(builder, &answer, "in_use", pat_value_bool(fits->used != NULL && fits->used->lsn == ticket->lsn));
    return answer;
}

static struct pat_value answer_use(struct pat_engine *engine, struct pat_ticket *ticket, struct pat_builder *builder) {
    const struct pat_fits *fits = engine->store->fits;
    struct pat_value answer = pat_build_map(builder, 8);
    pat_build_put(builder, &answer, "lsn", pat_value_uint(ticket->lsn));
    pat_build_put(builder, &answer, "name", pat_build_text(builder, pat_text_of(fits->used->name)));
    pat_build_put(builder, &answer, "model", pat_build_text(builder, pat_text_of(fits->used->model)));
    pat_build_put(builder, &answer, "end", pat_build_day(builder, fits->used->end));
    pat_analytics_put_use(builder, &fits->use, &answer);
    struct pat_value warnings = pat_build_array(builder, 4);
    pat_analytics_fit_warnings(builder, fits->used, &warnings);
    if (warnings.count > 0) pat_build_put(builder, &answer, "warnings", warnings);
    return answer;
}

struct pat_value pat_engine__fit_apply(struct pat_engine *engine, struct pat_ticket *ticket,
                                       struct pat_builder *builder) {
    const bool fitted = ticket->request->method == PAT_METHOD_CLV_FIT;
    const struct pat_fit_change *change = ticket->change;
    enum pat_status status;
    if (fitted) {
        struct pat_clv_fit fit = *ticket->fit;
        fit.lsn = ticket->lsn;
        status = pat_store_save_fit(engine->store, &fit, change->adopt, NULL);
    } else {
        status = pat_store_use_fit(engine->store, change->name, &change->use, NULL);
    }
    PAT_ASSERT(status == PAT_OK); /* pat_engine__fit_entry looked */
    engine->store->lsn = ticket->lsn;
    return fitted ? answer_fit(engine, ticket, builder) : answer_use(engine, ticket, builder);
}
