/* Attributes of a table: those that the server has, and those that a load adds. */
#ifndef PATRON_ATTRIBUTES_H
#define PATRON_ATTRIBUTES_H

#include "cli.h"
#include "guess.h"
#include "mapping.h"

#include "client/client.h"

/* The table's schema with the attributes that the server has, in the arena. On anything but PAT_EXIT_OK the reason has
 * been printed, as below. */
enum pat_exit pat_attributes_fetch(struct pat_client *client, enum pat_table_id table, struct pat_arena *arena,
                                   const struct pat_table_schema **out);

/* Makes attributes of columns that nothing takes; the context of pat_attributes_spare. */
struct pat_attributes_adder {
    const struct pat_cli *cli;
    struct pat_client *client;
    const struct pat_guess *guess;
    bool dry_run; /* says what would be added, and adds nothing */
};
enum pat_exit pat_attributes_spare(void *adder, struct pat_mapping *mapping, unsigned column, struct pat_text name,
                                   int *field, bool *iso);

#endif
