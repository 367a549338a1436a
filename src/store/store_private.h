/* Inside the store room only. */
#ifndef PAT_STORE_STORE_PRIVATE_H
#define PAT_STORE_STORE_PRIVATE_H

#include "store/store.h"

/* Fills the id index of a restored table; false when an id is there twice. */
bool pat_store__index_table(struct pat_store *store, enum pat_table_id id);

#endif
