#include "store/store.h"

#include "base/mem.h"
#include "base/status.h"
#include "model/id.h"

#include <string.h>

static struct pat_table_view table_view_of(const struct pat_table *table) {
    struct pat_table_view view = {.rows = table->rows, .schema = table->schema};
    for (unsigned c = 0; c < table->schema->columns; c++) {
        view.column[c] = pat_column_view_of(&table->column[c]);
        view.dict[c] = table->dict[c];
        view.dict_count[c] = table->dict[c] != NULL ? table->dict[c]->count : 0;
    }
    return view;
}

enum pat_status pat_view_open(struct pat_view **out, struct pat_store *store) {
    PAT_ASSERT(store->orders_waiting == 0);
    struct pat_view *view = pat_mem_alloc(PAT_MEM_VIEWS, sizeof *view);
    if (view == NULL) return PAT_ERR_NO_MEMORY;
    /* Makes the marks of new customers: before the version is pinned, or the writer would take them for its own. */
    const struct pat_runs runs = pat_store_runs(store);
    if (!pat_pins_open(&store->pins, &view->version)) {
        pat_mem_free(PAT_MEM_VIEWS, view);
        return PAT_ERR_BUSY;
    }
    for (int id = 0; id < PAT_TABLES; id++) view->table[id] = table_view_of(&store->table[id]);
    view->lsn = store->lsn;
    view->heap = &store->heap;
    view->heap_end = store->heap.end;
    view->maps = store->maps;
    view->fits = store->fits;
    view->counts = store->counts;
    view->runs = runs;
    view->zone = store->zone;
    view->base_currency = store->base_currency;
    view->base_digits = store->base_digits;
    view->store = store;
    *out = view;
    return PAT_OK;
}

void pat_view_close(struct pat_view **handle) {
    struct pat_view *view = *handle;
    if (view == NULL) return;
    pat_pins_close(&view->store->pins, view->version);
    pat_mem_free(PAT_MEM_VIEWS, view);
    *handle = NULL;
}

struct pat_text pat_view_dict_text(const struct pat_view *view, enum pat_table_id table, unsigned column,
                                   int64_t code) {
    if (code == PAT_NULL) return (struct pat_text){"", 0};
    PAT_DEBUG_ASSERT(code >= 0 && (uint64_t)code < view->table[table].dict_count[column]);
    return pat_dict_text(view->table[table].dict[column], (uint32_t)code);
}

int64_t pat_view_dict_code(const struct pat_view *view, enum pat_table_id table, unsigned column,
                           struct pat_text text) {
    const struct pat_table_view *rows = &view->table[table];
    for (uint32_t code = 0; code < rows->dict_count[column]; code++) {
        if (pat_text_equal(pat_dict_text(rows->dict[column], code), text)) return code;
    }
    return PAT_NULL;
}

struct pat_text pat_view_id(const struct pat_view *view, enum pat_table_id table, pat_row row, char buffer[21]) {
    int64_t word = pat_view_get(view, table, 0, row);
    if (word < 0) return pat_heap_get(view->heap, (uint64_t)~word);
    size_t length = pat_id_print(word, buffer);
    return (struct pat_text){buffer, length};
}

const struct pat_rfm_map *pat_view_map(const struct pat_view *view, struct pat_text name) {
    if (name.length == 0) return view->maps->map[0];
    for (uint32_t i = 0; i < view->maps->count; i++) {
        if (pat_text_is(name, view->maps->map[i]->name)) return view->maps->map[i];
    }
    return NULL;
}
