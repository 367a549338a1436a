/* Inside the store room only. */
#ifndef PAT_STORE_STORE_PRIVATE_H
#define PAT_STORE_STORE_PRIVATE_H

#include "store/store.h"

/* Makes column `c` ready for the rows of a table that has none, dictionary included. */
void pat_store__column_init(struct pat_store *store, enum pat_table_id id, unsigned c);
/* Frees the schemas of a table's attributes. */
void pat_store__free_schemas(struct pat_table *table);

/* Fills the id index of a restored table; false when an id is there twice. */
bool pat_store__index_table(struct pat_store *store, enum pat_table_id id);
/* When the store closes. */
void pat_store__free_fits(struct pat_store *store);
void pat_store__free_runs(struct pat_store *store);

#endif
