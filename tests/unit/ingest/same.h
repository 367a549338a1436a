/* Whether two stores hold the same, and a view still what it held. */
#ifndef PAT_TESTS_INGEST_SAME_H
#define PAT_TESTS_INGEST_SAME_H

#include "kit.h"

static bool same_value(const struct pat_store *a, const struct pat_store *b, enum pat_table_id table, unsigned c,
                       pat_row row) {
    int64_t x = pat_table_get(&a->table[table], c, row), y = pat_table_get(&b->table[table], c, row);
    if (a->table[table].dict[c] == NULL || x == PAT_NULL || y == PAT_NULL) return x == y;
    return pat_text_equal(pat_dict_text(a->table[table].dict[c], (uint32_t)x),
                          pat_dict_text(b->table[table].dict[c], (uint32_t)y));
}

static void check_same(const struct pat_store *a, const struct pat_store *b) {
    for (int id = 0; id < PAT_TABLES; id++) {
        const struct pat_table *table = &a->table[id];
        assert_int_equal(table->rows, b->table[id].rows);
        for (unsigned c = 0; c < table->schema->columns; c++) {
            for (pat_row row = 0; row < table->rows; row++)
                assert_true(same_value(a, b, (enum pat_table_id)id, c, row));
        }
    }
}

/* A digest of all that a view shows. */
static struct pat_digest view_digest(const struct pat_view *view) {
    struct pat_digest digest = {0, 0};
    for (int id = 0; id < PAT_TABLES; id++) {
        for (unsigned c = 0; c < view->table[id].schema->columns; c++) {
            for (pat_row row = 0; row < view->table[id].rows; row++) {
                int64_t value = pat_view_get(view, (enum pat_table_id)id, c, row);
                digest.low = (digest.low ^ (uint64_t)value) * UINT64_C(0x9E3779B97F4A7C15);
                digest.high += digest.low >> 29;
            }
        }
    }
    return digest;
}

#endif
