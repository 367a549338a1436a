#include "cli.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static const struct pat_cli_option global_options[] = {
    {"--connect", "HOST:PORT|PATH", "server to talk to (default 127.0.0.1:7411); tls://HOST:PORT is the same as --tls"},
    {"--tls", NULL, "through TLS; the server's certificate must be signed by an authority that the system knows"},
    {"--tls-ca", "FILE", "by one in this file instead, or be the one in it (PEM)"},
    {"--tls-name", "NAME", "and be for this name, not for the host of --connect"},
    {"--tls-insecure", NULL, "through TLS with whoever answers: nothing is checked"},
    {"--user", "NAME", "log in as this user; the password is asked for, or in PATRON_PASSWORD"},
    {"--format", "table|json|csv", "how to print the answer (default table)"},
    {"--help", NULL, "this text; after a command, the command's own"},
    {"--version", NULL, "print the version"},
};
#define GLOBAL_OPTIONS (sizeof global_options / sizeof global_options[0])

const struct pat_cli_option pat_cli_reading_options[] = {
    {"--where", "FILTER",
     "only customers (or facts) for which it holds: \"country = 'BR' AND orders >= 2\" (see `patron schema` for "
     "fields)"},
    {"--as-of", "DAY", "answer as of a day (2010-12-09), `latest` or `now` (default)"},
    {"--arg", "NAME=VALUE", "value for :NAME in a filter; may be repeated"},
    {"--rfm", "JSON", "how r, f, m and rfm_group are made: '{\"window\":\"all\"}'"},
    {"--lifecycle", "JSON",
     "where active, sleeping and lost begin: '{\"cuts\":[90,365]}' in days, '{\"gaps\":[1,3]}' in the customer's own "
     "mean gaps"},
    {"--min-lsn", "N", "wait until the server has seen this batch"},
    {"--deadline-ms", "N", "give up after so many milliseconds"},
};
const unsigned pat_cli_reading_option_count = sizeof pat_cli_reading_options / sizeof pat_cli_reading_options[0];

/* Every option a command line with this command may have, global ones last; NULL after the last. */
static const struct pat_cli_option *option_at(const struct pat_cli_command *command, unsigned at) {
    if (command != NULL) {
        if (at < command->options) return &command->option[at];
        at -= command->options;
        const unsigned reading = command->reads ? pat_cli_reading_option_count : 0;
        if (at < reading) return &pat_cli_reading_options[at];
        at -= reading;
    }
    return at < GLOBAL_OPTIONS ? &global_options[at] : NULL;
}

static const struct pat_cli_option *option_find(const struct pat_cli_command *command, struct pat_text name) {
    const struct pat_cli_option *option;
    for (unsigned i = 0; (option = option_at(command, i)) != NULL; i++) {
        if (pat_text_is(name, option->name)) return option;
    }
    return NULL;
}

static enum pat_exit option_unknown(const struct pat_cli *cli, struct pat_text name) {
    const char *names[64];
    unsigned count = 0;
    const struct pat_cli_option *option;
    while (count < 64 && (option = option_at(cli->command, count)) != NULL) names[count++] = option->name;
    int nearest = pat_text_nearest(name, names, count);
    char shown[64];
    (void)pat_text_printable(name, shown, sizeof shown);
    if (nearest < 0) return pat_cli_usage(cli, "there is no option %s", shown);
    return pat_cli_usage(cli, "there is no option %s: did you mean %s?", shown, names[nearest]);
}

static enum pat_exit command_unknown(struct pat_cli *cli, const char *word) {
    const char *names[64];
    unsigned count = 0;
    for (; count < pat_cli_command_count && count < 64; count++) names[count] = pat_cli_commands[count]->name;
    int nearest = pat_text_nearest(pat_text_of(word), names, count);
    char shown[64];
    (void)pat_text_printable(pat_text_of(word), shown, sizeof shown);
    if (nearest < 0) return pat_cli_usage(cli, "there is no command '%s'", shown);
    return pat_cli_usage(cli, "there is no command '%s': did you mean '%s'?", shown, names[nearest]);
}

static enum pat_exit take_format(struct pat_cli *cli, const char *value) {
    static const char *const names[] = {"table", "json", "csv"};
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(value, names[i]) == 0) {
            cli->format = (enum pat_cli_format)i;
            return PAT_EXIT_OK;
        }
    }
    return pat_cli_usage(cli, "--format is table, json or csv, not '%s'", value);
}

static enum pat_exit take_global(struct pat_cli *cli, const struct pat_cli_option *option, const char *value) {
    if (strcmp(option->name, "--connect") == 0) cli->connect = value;
    if (strcmp(option->name, "--user") == 0) cli->user = value;
    if (strcmp(option->name, "--tls-ca") == 0) cli->tls.ca_path = value;
    if (strcmp(option->name, "--tls-name") == 0) cli->tls.server_name = value;
    if (strcmp(option->name, "--tls-insecure") == 0) cli->tls.insecure = true;
    if (strcmp(option->name, "--help") == 0) cli->help = true;
    if (strcmp(option->name, "--version") == 0) cli->version = true;
    /* Each of them says that TLS is meant. */
    if (strncmp(option->name, "--tls", strlen("--tls")) == 0) cli->secure = true;
    return strcmp(option->name, "--format") == 0 ? take_format(cli, value) : PAT_EXIT_OK;
}

static enum pat_exit take_option(struct pat_cli *cli, const struct pat_cli_option *option, const char *value) {
    if (option >= global_options && option < global_options + GLOBAL_OPTIONS) return take_global(cli, option, value);
    if (cli->givens == PAT_CLI_GIVEN_MAX) return pat_cli_usage(cli, "more than %u options", PAT_CLI_GIVEN_MAX);
    cli->given[cli->givens++] = (struct pat_cli_given){option->name, value};
    return PAT_EXIT_OK;
}

/* An option at argv[*at], as "--name value" or "--name=value"; moves *at to the last word taken. */
static enum pat_exit parse_option(struct pat_cli *cli, int argc, char **argv, int *at) {
    const char *word = argv[*at];
    const char *equals = strchr(word, '=');
    struct pat_text name = pat_text_of(word);
    if (equals != NULL) name.length = (size_t)(equals - word);
    if (pat_text_is(name, "-h")) name = PAT_TEXT("--help");
    const struct pat_cli_option *option = option_find(cli->command, name);
    if (option == NULL) return option_unknown(cli, name);
    if (option->value == NULL) {
        if (equals != NULL) return pat_cli_usage(cli, "%s takes no value", option->name);
        return take_option(cli, option, "");
    }
    if (equals != NULL) return take_option(cli, option, equals + 1);
    if (*at + 1 >= argc)
        return pat_cli_usage(cli, "%s needs a value: %s %s", option->name, option->name, option->value);
    *at += 1;
    return take_option(cli, option, argv[*at]);
}

static enum pat_exit parse_word(struct pat_cli *cli, const char *word) {
    if (cli->command == NULL) {
        for (unsigned i = 0; i < pat_cli_command_count; i++) {
            if (strcmp(pat_cli_commands[i]->name, word) == 0) {
                cli->command = pat_cli_commands[i];
                return PAT_EXIT_OK;
            }
        }
        return command_unknown(cli, word);
    }
    if (cli->operands == cli->command->operands_max) {
        char shown[64];
        return pat_cli_usage(cli, "'%s' is one word too many",
                             pat_text_printable(pat_text_of(word), shown, sizeof shown));
    }
    cli->operand[cli->operands++] = word;
    return PAT_EXIT_OK;
}

enum pat_exit pat_cli_parse(struct pat_cli *cli, int argc, char **argv) {
    *cli = (struct pat_cli){.format = PAT_FORMAT_TABLE};
    bool words_only = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        enum pat_exit code;
        if (!words_only && strcmp(word, "--") == 0) {
            words_only = true;
            continue;
        }
        /* A lone "-" is standard input; "-net" can only be the value of --order-by, which parse_option takes. */
        if (!words_only && word[0] == '-' && word[1] != '\0') {
            code = parse_option(cli, argc, argv, &i);
        } else {
            code = parse_word(cli, word);
        }
        if (code != PAT_EXIT_OK) return code;
        if (cli->version) return PAT_EXIT_OK;
    }
    if (cli->help) return PAT_EXIT_OK;
    if (cli->command == NULL) return pat_cli_usage(cli, "what should be done? Give a command");
    if (cli->operands < cli->command->operands_min) {
        return pat_cli_usage(cli, "something is missing: patron %s %s", cli->command->name, cli->command->operands);
    }
    return PAT_EXIT_OK;
}

const char *pat_cli_option(const struct pat_cli *cli, const char *name) {
    /* The last one wins, as in most programs. */
    for (unsigned i = cli->givens; i > 0; i--) {
        if (strcmp(cli->given[i - 1].name, name) == 0) return cli->given[i - 1].value;
    }
    return NULL;
}

const char *pat_cli_next(const struct pat_cli *cli, const char *name, unsigned *at) {
    while (*at < cli->givens) {
        const struct pat_cli_given *given = &cli->given[(*at)++];
        if (strcmp(given->name, name) == 0) return given->value;
    }
    return NULL;
}
