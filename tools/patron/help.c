#include "cli.h"

#include <stdio.h>
#include <string.h>

/* Where explanations begin: behind nearly every option, behind every command. */
#define OPTION_COLUMN  26
#define COMMAND_COLUMN 18
/* What is left of a line of 80. */
#define EXPLAIN_WIDTH 50

/* Words behind the options' column, in as many lines as they take. */
static void print_wrapped(const char *text) {
    while (strlen(text) > EXPLAIN_WIDTH) {
        int length = EXPLAIN_WIDTH;
        while (length > 1 && text[length] != ' ') length--;
        (void)printf("  %.*s\n  %*s", length, text, OPTION_COLUMN, "");
        text += length + (text[length] == ' ' ? 1 : 0);
    }
    (void)printf("  %s\n", text);
}

static void print_option(const struct pat_cli_option *option) {
    char head[64];
    (void)snprintf(head, sizeof head, "%s%s%s", option->name, option->value != NULL ? " " : "",
                   option->value != NULL ? option->value : "");
    (void)printf("  %-*s", OPTION_COLUMN, head);
    if (strlen(head) >= OPTION_COLUMN) (void)printf("\n  %*s", OPTION_COLUMN, "");
    print_wrapped(option->explain);
}

static void print_room(enum pat_cli_room room, const char *heading) {
    (void)printf("%s\n", heading);
    for (unsigned i = 0; i < pat_cli_command_count; i++) {
        const struct pat_cli_command *command = pat_cli_commands[i];
        if (command->room != room) continue;
        char head[64];
        (void)snprintf(head, sizeof head, "%s%s%s", command->name, command->operands[0] != '\0' ? " " : "",
                       command->operands);
        (void)printf("  %-*s  %s\n", COMMAND_COLUMN, head, command->summary);
    }
}

/* The same in one line: there is no room on the screen to say of each what its name says. */
static void print_room_line(enum pat_cli_room room, const char *heading) {
    (void)printf("%s", heading);
    const char *comma = ": ";
    for (unsigned i = 0; i < pat_cli_command_count; i++) {
        const struct pat_cli_command *command = pat_cli_commands[i];
        if (command->room != room) continue;
        (void)printf("%s%s%s%s", comma, command->name, command->operands[0] != '\0' ? " " : "", command->operands);
        comma = ", ";
    }
    (void)printf("\n");
}

/* One screen of 80 x 24. */
static void print_program_help(void) {
    (void)printf("patron %s: the command line of Patron, customer analytics in memory\n", PATRON_VERSION);
    print_room(PAT_CLI_DATA, "Data in");
    print_room(PAT_CLI_QUESTIONS, "Questions");
    print_room(PAT_CLI_SERVER, "The server");
    print_room_line(PAT_CLI_KEEPING, "Safe keeping");
    (void)printf("Anywhere: --connect HOST:PORT|PATH, --tls, --user NAME, --format table|json|csv,\n"
                 "--help (of a command, too), --version. Exit: 0 done, 1 refused, 2 usage.\n");
}

void pat_cli_print_help(const struct pat_cli_command *command) {
    if (command == NULL) {
        print_program_help();
        return;
    }
    (void)printf("patron %s%s%s%s\n\n%s.\n", command->name, command->operands[0] != '\0' ? " " : "", command->operands,
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
