#include "cli.h"

#include <stdio.h>
#include <string.h>

#define OPTION_COLUMN 26

static void print_option(const struct pat_cli_option *option) {
    char head[64];
    (void)snprintf(head, sizeof head, "%s%s%s", option->name, option->value != NULL ? " " : "",
                   option->value != NULL ? option->value : "");
    (void)printf("  %-*s", OPTION_COLUMN, head);
    if (strlen(head) >= OPTION_COLUMN) (void)printf("\n  %*s", OPTION_COLUMN, "");
    for (const char *line = option->explain;;) {
        const char *end = strchr(line, '\n');
        if (end == NULL) {
            (void)printf("  %s\n", line);
            return;
        }
        (void)printf("  %.*s\n  %*s", (int)(end - line), line, OPTION_COLUMN, "");
        line = end + 1;
    }
}

static void print_program_help(void) {
    (void)printf("patron %s: the command line of Patron, customer analytics in memory\n\n"
                 "  patron [--connect HOST:PORT|PATH] [--format table|json|csv] COMMAND ...\n\nCommands:\n",
                 PATRON_VERSION);
    for (unsigned i = 0; i < pat_cli_command_count; i++) {
        const struct pat_cli_command *command = pat_cli_commands[i];
        char head[64];
        (void)snprintf(head, sizeof head, "%s %s", command->name, command->operands);
        (void)printf("  %-*s  %s\n", OPTION_COLUMN, head, command->summary);
    }
    (void)printf("\nOptions before or after the command:\n"
                 "  --connect HOST:PORT|PATH    server to talk to (default 127.0.0.1:7411); a path is a unix socket\n"
                 "  --format table|json|csv     how to print the answer (default table)\n"
                 "  --help, --version\n\n"
                 "`patron COMMAND --help` tells more, with an example.\n"
                 "Exit: 0 done, 1 the server said no (`CODE: text` on stderr), 2 a wrong command line.\n");
}

void pat_cli_print_help(const struct pat_cli_command *command) {
    if (command == NULL) {
        print_program_help();
        return;
    }
    (void)printf("patron %s %s%s\n\n%s.\n", command->name, command->operands,
                 command->options > 0 || command->reads ? " [options]" : "", command->summary);
    if (command->explain != NULL) (void)printf("\n%s\n", command->explain);
    if (command->options > 0) (void)printf("\nOptions:\n");
    for (unsigned i = 0; i < command->options; i++) print_option(&command->option[i]);
    if (command->reads) {
        (void)printf("\nOf every question:\n");
        for (unsigned i = 0; i < pat_cli_reading_option_count; i++) print_option(&pat_cli_reading_options[i]);
    }
    (void)printf("\nExample:\n  %s\n", command->example);
}
