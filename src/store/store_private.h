/* Inside the store room only. */
#ifndef PAT_STORE_STORE_PRIVATE_H
#define PAT_STORE_STORE_PRIVATE_H

#include "base/spread.h"
#include "store/store.h"

/* Makes column `c` ready for the rows of a table that has none, dictionary included. */
void pat_store__column_init(struct pat_store *store, enum pat_table_id id, unsigned c);
/* Frees the schemas of a table's attributes. */
void pat_store__free_schemas(struct pat_table *table);

/* The hash that leads to an id in the index of its table. */
static inline uint64_t pat_store__id_hash(const struct pat_store *store, struct pat_id_key key) {
    if (key.number >= 0) return pat_hash_word(&store->secret, (uint64_t)key.number);
    return pat_hash_keyed(&store->secret, key.text.data, key.text.length);
}
/* Makes a row that the table has be found by its id. */
void pat_store__enter_id(struct pat_store *store, enum pat_table_id id, struct pat_id_key key, pat_row row);
/* Fills the id index of a restored table; false when an id is there twice. */
bool pat_store__index_table(struct pat_store *store, enum pat_table_id id, const struct pat_spread *spread);
/* The two halves of pat_store_check, on several threads: values lead somewhere, chains may be followed. The second one
 * needs the first. */
bool pat_store__check_values(const struct pat_store *store, const struct pat_spread *spread, const char **why);
bool pat_store__check_chains(const struct pat_store *store, const struct pat_spread *spread, const char **why);
/* When the store closes. */
void pat_store__free_fits(struct pat_store *store);
void pat_store__free_runs(struct pat_store *store);
void pat_store__free_cold(struct pat_store *store);

#endif
