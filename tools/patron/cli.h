/* The command line `patron`: what a command is, what it was given, how it ends.
 *
 * A command is a row of a table (name, operands, options, one example) and a function that gets what was written,
 * already checked against that row. One thread; everything lives until the program ends. */
#ifndef PATRON_CLI_H
#define PATRON_CLI_H

#include "base/arena.h"
#include "base/status.h"
#include "client/client.h"
#include "model/value.h"

#include <stdbool.h>

enum pat_exit {
    PAT_EXIT_OK = 0,
    PAT_EXIT_REFUSED = 1, /* the server, or the world, said no: one line `CODE: text` on stderr */
    PAT_EXIT_USAGE = 2,   /* a wrong command line */
};

enum pat_cli_format { PAT_FORMAT_TABLE, PAT_FORMAT_JSON, PAT_FORMAT_CSV };

struct pat_cli_option {
    const char *name;    /* "--limit" */
    const char *value;   /* what to call its value in the help, NULL for a flag */
    const char *explain; /* the help breaks it into lines */
};

/* Heading under which the program's help lists a command. */
enum pat_cli_room { PAT_CLI_DATA, PAT_CLI_QUESTIONS, PAT_CLI_SERVER, PAT_CLI_KEEPING };

struct pat_cli;

struct pat_cli_command {
    enum pat_cli_room room;
    const char *name;
    const char *operands; /* for the help: "TABLE FILE" */
    unsigned operands_min, operands_max;
    const char *summary; /* one line for the list, 58 columns at the most */
    const char *explain; /* paragraph for its own help; NULL when the summary says it all */
    const char *example; /* one or more command lines */
    bool reads;          /* takes --where, --as-of, --arg and their like */
    const struct pat_cli_option *option;
    unsigned options;
    enum pat_exit (*run)(const struct pat_cli *cli);
};

/* `schema add TABLE NAME TYPE` has the most. */
#define PAT_CLI_OPERANDS_MAX 4u
/* Options given in one command line: more than any sane one has. */
#define PAT_CLI_GIVEN_MAX 128u

struct pat_cli_given {
    const char *name; /* of the option's row */
    const char *value;
};

/* A command line, taken apart. Strings are those of argv. */
struct pat_cli {
    const struct pat_cli_command *command;
    const char *connect; /* NULL = the default address */
    bool secure;         /* through TLS, whether `connect` says so or not */
    struct pat_client_tls tls;
    const char *user; /* NULL = no login */
    enum pat_cli_format format;
    bool help, version;
    const char *operand[PAT_CLI_OPERANDS_MAX];
    unsigned operands;
    struct pat_cli_given given[PAT_CLI_GIVEN_MAX];
    unsigned givens;
};

extern const struct pat_cli_command *const pat_cli_commands[];
extern const unsigned pat_cli_command_count;

/* Options of every reading command. */
extern const struct pat_cli_option pat_cli_reading_options[];
extern const unsigned pat_cli_reading_option_count;

/* Takes argv apart. On PAT_EXIT_USAGE the reason has been printed. */
enum pat_exit pat_cli_parse(struct pat_cli *cli, int argc, char **argv);
/* The value of an option that is given at most once; NULL when it was not given. A flag's value is "". */
const char *pat_cli_option(const struct pat_cli *cli, const char *name);
/* Values of an option that may be repeated: start with *at = 0, NULL at the end. */
const char *pat_cli_next(const struct pat_cli *cli, const char *name, unsigned *at);

void pat_cli_print_help(const struct pat_cli_command *command); /* NULL: of the program */

/* Print one line on stderr and give the exit code. */
enum pat_exit pat_cli_usage(const struct pat_cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
enum pat_exit pat_cli_fail(const struct pat_error *error);
/* The wire's codes, and "IO" for a file or a connection on this side. */
const char *pat_cli_code(enum pat_status status);
enum pat_exit pat_cli_refused(const struct pat_client_fault *fault);

/* Opens a connection, and logs in where --user says as whom. */
enum pat_status pat_cli_connect(const struct pat_cli *cli, struct pat_client **out,
                                struct pat_error *error) PAT_MUST_CHECK;
/* Opens a connection, asks one question, closes. On PAT_EXIT_OK `result` lives in the arena; otherwise the reason has
 * been printed. `params` may be NULL. */
enum pat_exit pat_cli_ask(const struct pat_cli *cli, const char *method, const struct pat_value *params,
                          struct pat_arena *arena, struct pat_value *result);
/* Adds `where`: the text form, or a tree written as JSON. */
enum pat_exit pat_cli_put_filter(const struct pat_cli *cli, struct pat_builder *builder, struct pat_value *params,
                                 const char *text);
/* Asks rows with `params` page by page until there are no more, and prints them. */
enum pat_exit pat_cli_rows_all(const struct pat_cli *cli, struct pat_builder *builder, struct pat_value *params);
/* Adds where, as_of, args, rfm ... as the options have them. */
enum pat_exit pat_cli_put_reading(const struct pat_cli *cli, struct pat_builder *builder, struct pat_value *params);
/* A comma list "a,b(c,d),e" as an array of texts; commas inside brackets do not separate. */
struct pat_value pat_cli_list(struct pat_builder *builder, const char *text);
/* A positive number of an option, at most `max`. False when it is none. */
bool pat_cli_number(const char *text, uint64_t max, uint64_t *out);
/* Text as JSON where it is JSON, else as a string. */
struct pat_value pat_cli_json_or_text(struct pat_builder *builder, const char *text);

/* After a load of rates: says on stderr where they have gaps. */
enum pat_exit pat_fx_warn(const struct pat_cli *cli);

extern const struct pat_cli_command pat_command_backup;
extern const struct pat_cli_command pat_command_call;
extern const struct pat_cli_command pat_command_check;
extern const struct pat_cli_command pat_command_load;
extern const struct pat_cli_command pat_command_count;
extern const struct pat_cli_command pat_command_rows;
extern const struct pat_cli_command pat_command_group;
extern const struct pat_cli_command pat_command_cohort;
extern const struct pat_cli_command pat_command_control;
extern const struct pat_cli_command pat_command_customer;
extern const struct pat_cli_command pat_command_generate;
extern const struct pat_cli_command pat_command_order;
extern const struct pat_cli_command pat_command_restore;
extern const struct pat_cli_command pat_command_rfm;
extern const struct pat_cli_command pat_command_fx;
extern const struct pat_cli_command pat_command_clv;
extern const struct pat_cli_command pat_command_status;
extern const struct pat_cli_command pat_command_schema;
extern const struct pat_cli_command pat_command_snapshot;
extern const struct pat_cli_command pat_command_user;
extern const struct pat_cli_command pat_command_verify;

#endif
