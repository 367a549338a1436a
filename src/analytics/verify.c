/* verify: what a recount of everything says, in one version. */
#include "analytics/answers_private.h"
#include "analytics/recount_private.h"

#include "model/limits.h"

static struct pat_value print_value(struct pat_run *run, int64_t value) {
    return value == PAT_NULL ? pat_value_string("null") : pat_build_printf(&run->builder, "%lld", (long long)value);
}

/* One sentence about the first that is wrong. */
static struct pat_value detail(struct pat_run *run, enum pat_recounted which, const struct pat_recount_wrong *wrong) {
    const enum pat_table_id table = pat_recount_table(which);
    const struct pat_value has = print_value(run, wrong->kept), should = print_value(run, wrong->counted);
    if (pat_recount_is_count(which)) {
        return pat_build_printf(&run->builder, "kept %.*s, the rows give %.*s", (int)has.count, has.as.text,
                                (int)should.count, should.as.text);
    }
    char id[21];
    const struct pat_text shown = pat_view_id(run->view, table, wrong->row, id);
    return pat_build_printf(&run->builder, "%s %.*s has %.*s, its %s %.*s", pat_schema[table].singular,
                            (int)shown.length, shown.data, (int)has.count, has.as.text,
                            table == PAT_CUSTOMERS ? "facts give" : "rate gives", (int)should.count, should.as.text);
}

static struct pat_value check_value(struct pat_run *run, enum pat_recounted which,
                                    const struct pat_recount_check *check) {
    struct pat_builder *builder = &run->builder;
    struct pat_value map = pat_build_map(builder, 6);
    pat_build_put(builder, &map, "name", pat_value_string(pat_recount_name(which)));
    pat_build_put(builder, &map, "ok", pat_value_bool(check->wrong == 0));
    pat_build_put(builder, &map, "rows", pat_value_uint(check->rows));
    if (check->wrong == 0) return map;
    pat_build_put(builder, &map, "detail", detail(run, which, &check->first[0]));
    if (pat_recount_is_count(which)) return map;
    struct pat_value rows = pat_build_array(builder, check->told);
    for (unsigned i = 0; i < check->told; i++) pat_build_push(builder, &rows, pat_value_uint(check->first[i].row));
    pat_build_put(builder, &map, "wrong", pat_value_uint(check->wrong));
    pat_build_put(builder, &map, "ordinals", rows);
    return map;
}

/* A piece's scratch is given back before the next one. */
static enum pat_status recount_pieces(struct pat_run *run, struct pat_recount *out) {
    struct pat_arena arena;
    struct pat_job job = *run->job;
    enum pat_status status = PAT_OK;
    pat_arena_init(&arena, PAT_QUERY_BYTES_MAX);
    job.arena = &arena;
    for (uint64_t first = 0; first < run->customers && status == PAT_OK; first += PAT_RECOUNT_CUSTOMERS) {
        pat_arena_reset(&arena);
        status = pat_recount_piece(&job, (pat_row)first, out, run->error);
    }
    pat_arena_deinit(&arena);
    return status;
}

enum pat_status pat_answer__verify(struct pat_run *run) {
    void *memory;
    bool ok = true;
    PAT_TRY(pat_run__array(run, 1, sizeof(struct pat_recount), &memory));
    struct pat_recount *const recount = memory;
    PAT_TRY(pat_recount_whole(run->job, recount, run->error));
    PAT_TRY(recount_pieces(run, recount));
    struct pat_value checks = pat_build_array(&run->builder, PAT_RECOUNTS + 1);
    for (unsigned i = 0; i < PAT_RECOUNTS; i++) {
        pat_build_push(&run->builder, &checks, check_value(run, (enum pat_recounted)i, &recount->check[i]));
        ok = ok && recount->check[i].wrong == 0;
    }
    pat_run__put(run, "ok", pat_value_bool(ok));
    pat_run__put(run, "checks", checks);
    return PAT_OK;
}
