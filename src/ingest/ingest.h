/* From rows as they were sent to rows in the store.
 *
 *   pat_load ──prepare──► pat_batch ──validate──► pat_batch ──(journal)──► apply ──► store
 *            any thread            owner's thread                        owner's thread
 *
 * prepare turns values into typed columns and needs nothing but the schema (load->schema) and the zone. validate does
 * what depends on the store (is the id known, so that a patch will do; the digits of a stored currency) and may run
 * only when every earlier batch is applied, or when the batch turns out not to depend on them. apply never fails. */
#ifndef PAT_INGEST_INGEST_H
#define PAT_INGEST_INGEST_H

#include "base/arena.h"
#include "base/spread.h"
#include "base/status.h"
#include "model/batch.h"
#include "model/zone.h"
#include "store/store.h"

/* Typed columns of a load, rejected rows noted. Thread: any. Everything is in `arena` or borrowed from `load`.
 * Fails: PAT_ERR_BAD_REQUEST for mistakes of the whole batch (columns of different length, a bin of wrong size, amount
 * beside amount_minor); PAT_ERR_UNKNOWN_FIELD with the nearest name; PAT_ERR_TOO_LARGE; PAT_ERR_NO_MEMORY. Bad rows do
 * not fail here: they are for validate to judge. */
enum pat_status pat_ingest_prepare(struct pat_batch **out, const struct pat_load *load, const struct pat_zone *zone,
                                   const struct pat_hash_secret *secret, int64_t now_ms, struct pat_arena *arena,
                                   struct pat_error *error) PAT_MUST_CHECK;

/* Judges the rows against the store and leaves only good ones in the batch. With `alone` false the batch may not lean
 * on rows that are not applied yet: PAT_ERR_MORE then says "validate me again when what is before me has been applied",
 * and the batch is as it was. Fails: PAT_ERR_BAD_REQUEST naming row and field when a row is bad and the load did not
 * ask to skip such; PAT_ERR_NO_MEMORY. */
enum pat_status pat_ingest_validate(struct pat_batch *batch, const struct pat_load *load, const struct pat_store *store,
                                    bool alone, struct pat_error *error) PAT_MUST_CHECK;

/* Bytes that applying may take at the most, for the reservation before the journal. */
size_t pat_ingest_bytes(const struct pat_batch *batch, const struct pat_store *store);

/* Applies an accepted batch as lsn (which must be the store's next), also at replay: what it does depends on the batch
 * and the store alone. Notes the producer's pair. Nothing waits afterwards. Never fails. */
void pat_ingest_apply(struct pat_store *store, const struct pat_batch *batch, pat_lsn lsn,
                      struct pat_batch_outcome *outcome);

/* The same of several batches, one after the other from the store's next lsn on. Neighbours that go together are
 * applied as one, and parts of the work are shared out by `spread` (may be NULL); what comes out is the same, but that
 * new orders may wait (store->orders_waiting) until what is kept of their customers follows them. */
void pat_ingest_apply_all(struct pat_store *store, const struct pat_batch *const *batch, unsigned count,
                          struct pat_batch_outcome *outcome, const struct pat_spread *spread);

/* Bytes that this may take at the most: promised to orders that wait, beside what a next batch may take. */
size_t pat_ingest_waiting_bytes(const struct pat_store *store);
/* Makes waiting orders wait no longer: before a view is opened, and before anything else but ingest reads the store. */
void pat_ingest_settle(struct pat_store *store, const struct pat_spread *spread);
/* Whether applying so many rows of a table at once begins with that. */
bool pat_ingest_settles_first(const struct pat_store *store, enum pat_table_id table, uint64_t rows);
/* A step of that, a few milliseconds at the most; true while more is left. Between steps questions may be answered
 * from views that are open, and nothing but ingest may change the store. */
bool pat_ingest_settle_some(struct pat_store *store, const struct pat_spread *spread);

#endif
