/* patron check: a data directory that nobody serves, verified and told. */
#include "cli.h"
#include "dump.h"
#include "offline.h"
#include "render.h"

#include <stdio.h>

static enum pat_exit fail_damaged(const struct pat_checkup *checkup) {
    struct pat_error error = checkup->error;
    if (checkup->damaged > 1) {
        (void)pat_error_set(&error, PAT_ERR_CORRUPT, "%.400s (and %u more)", checkup->error.message,
                            checkup->damaged - 1);
    }
    error.status = PAT_ERR_CORRUPT;
    return pat_cli_fail(&error);
}

static enum pat_exit check(const struct pat_cli *cli, const struct pat_checkup_options *options, bool report) {
    struct pat_arena arena;
    struct pat_checkup checkup;
    struct pat_error error = {0};
    pat_arena_init(&arena, 0);
    enum pat_exit code = PAT_EXIT_OK;
    if (pat_checkup(&checkup, cli->operand[0], options, &arena, &error) != PAT_OK) {
        code = pat_cli_fail(&error);
    } else {
        if (report) code = pat_render_answer(cli, &arena, &checkup.report);
        if (code == PAT_EXIT_OK && !checkup.ok) code = fail_damaged(&checkup);
    }
    pat_arena_deinit(&arena);
    return code;
}

static enum pat_exit run_check(const struct pat_cli *cli) {
    struct pat_checkup_options options = {.quick = pat_cli_option(cli, "--quick") != NULL};
    const bool rows = pat_cli_option(cli, "--rows") != NULL;
    if (pat_cli_option(cli, "--dump") == NULL) {
        if (rows) return pat_cli_usage(cli, "--rows goes with --dump");
        return check(cli, &options, true);
    }
    struct pat_dump dump;
    pat_dump_init(&dump, cli->operand[0], rows);
    options.record_cb = pat_dump_record;
    options.context = &dump;
    const enum pat_exit code = check(cli, &options, false);
    pat_dump_deinit(&dump);
    return code;
}

static const struct pat_cli_option check_options[] = {
    {"--quick", NULL, "checksums and lsns alone: no contents, hardly any memory"},
    {"--dump", NULL,
     "instead of the report, one line of JSON for each record of the journal: file, offset, lsn, kind, "
     "table, producer, seq, rows"},
    {"--rows", NULL, "with --dump: the rows themselves, customer data"},
};

const struct pat_cli_command pat_command_check = {
    .room = PAT_CLI_KEEPING,
    .name = "check",
    .operands = "DIR",
    .operands_min = 1,
    .operands_max = 1,
    .summary = "Verify a data directory or backup that is not served",
    .explain = "Reads every file: checksums, chains, what the manifest says of them; loads each\n"
               "snapshot and compares its totals; then recovers as a server would, recomputes\n"
               "the aggregates from the facts and adds up money by currency. Nothing is written.\n"
               "It takes the memory that a server would; --quick takes hardly any.\n"
               "A directory that is being served is refused (CONFLICT): ask `patron verify`.\n"
               "Exit: 0 all is good; 1 something is damaged (CORRUPT: file, offset, lsns, rows)\n"
               "or cannot be read; 2 a wrong command line.",
    .example = "patron check /var/lib/patron\n"
               "  patron check backup-monday --format json\n"
               "  patron check /var/lib/patron --dump | tail -1",
    .option = check_options,
    .options = sizeof check_options / sizeof check_options[0],
    .run = run_check,
};
