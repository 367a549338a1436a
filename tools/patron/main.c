/* patron: the command line of Patron. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

const struct pat_cli_command *const pat_cli_commands[] = {
    &pat_command_load,   &pat_command_generate, &pat_command_count,  &pat_command_rows,    &pat_command_group,
    &pat_command_cohort, &pat_command_customer, &pat_command_order,  &pat_command_rfm,     &pat_command_clv,
    &pat_command_fx,     &pat_command_control,  &pat_command_status, &pat_command_schema,  &pat_command_snapshot,
    &pat_command_verify, &pat_command_check,    &pat_command_backup, &pat_command_restore, &pat_command_user,
    &pat_command_call,
};
const unsigned pat_cli_command_count = sizeof pat_cli_commands / sizeof pat_cli_commands[0];

/* What was printed must have arrived: a full disk behind stdout is a failure, not a success. */
static enum pat_exit finish(enum pat_exit code) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    (void)fprintf(stderr, "IO: the output could not be written\n");
    return code == PAT_EXIT_OK ? PAT_EXIT_REFUSED : code;
}

int main(int argc, char **argv) {
    struct pat_cli cli;
    enum pat_exit code = pat_cli_parse(&cli, argc, argv);
    if (code != PAT_EXIT_OK) return (int)code;
    if (cli.version) {
        (void)printf("patron %s\n", PATRON_VERSION);
        return (int)finish(PAT_EXIT_OK);
    }
    if (cli.help) {
        pat_cli_print_help(cli.command);
        return (int)finish(PAT_EXIT_OK);
    }
    return (int)finish(cli.command->run(&cli));
}
