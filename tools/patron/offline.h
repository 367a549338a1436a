/* A data directory that nobody serves, opened for reading: asked like a server, its files looked through one by one. */
#ifndef PATRON_OFFLINE_H
#define PATRON_OFFLINE_H

#include "base/arena.h"
#include "base/status.h"
#include "model/value.h"
#include "persist/inspect.h"

#include <stdbool.h>

struct pat_engine;

/* Recovers what is there, as a server would at its start, and writes nothing. Fails as pat_engine_open. */
enum pat_status pat_offline_open(struct pat_engine **out, const char *path, struct pat_error *error) PAT_MUST_CHECK;
void pat_offline_close(struct pat_engine **engine);
/* The answer to a question or a look, all of it in the arena. `params` may be NULL. */
enum pat_status pat_offline_ask(struct pat_engine *engine, const char *method, const struct pat_value *params,
                                struct pat_arena *arena, struct pat_value *result,
                                struct pat_error *error) PAT_MUST_CHECK;

/* What `check`, `backup` and `restore` say of a directory. */
struct pat_checkup {
    bool ok;
    unsigned damaged;       /* files, or checks of the contents */
    struct pat_error error; /* the first damage: file, offset, lsns, rows */
    struct pat_value report;
};

struct pat_checkup_options {
    bool quick; /* checksums alone: no contents, nothing that takes much memory */
    /* For each record of the journal; may be NULL. */
    enum pat_status (*record_cb)(void *context, const struct pat_inspected_record *record, struct pat_error *error);
    void *context;
};

/* Verifies a directory file by file, then (unless quick) what recovery makes of it: aggregates against facts, control
 * totals. Damage is out->ok == false and no failure. Fails: PAT_ERR_CONFLICT while it is served, PAT_ERR_NOT_FOUND when
 * it is no data directory, PAT_ERR_NO_MEMORY, PAT_ERR_IO. */
enum pat_status pat_checkup(struct pat_checkup *out, const char *path, const struct pat_checkup_options *options,
                            struct pat_arena *arena, struct pat_error *error) PAT_MUST_CHECK;

#endif
