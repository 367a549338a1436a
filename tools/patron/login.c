/* A connection that has logged in, and `patron user`: the file of those who may. */
#include "cli.h"

#include "access/users.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PASSWORD_VARIABLE "PATRON_PASSWORD"

/* ---- passwords ----------------------------------------------------------------------------------------------------
 */

/* A line from the terminal that is not shown. False at its end. */
static bool ask_hidden(const char *prompt, char out[PAT_PASSWORD_BYTES_MAX + 2]) {
    struct termios shown, hidden;
    if (tcgetattr(STDIN_FILENO, &shown) != 0) return false;
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    (void)fputs(prompt, stderr);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    const bool read = fgets(out, PAT_PASSWORD_BYTES_MAX + 2, stdin) != NULL;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    (void)fputs("\n", stderr);
    if (read) out[strcspn(out, "\n")] = '\0';
    return read;
}

/* From the environment, for programs; else from the terminal. */
static enum pat_status password_of(const char *user, char out[PAT_PASSWORD_BYTES_MAX + 2], struct pat_error *error) {
    const char *given = getenv(PASSWORD_VARIABLE);
    char prompt[PAT_USER_BYTES_MAX + 32];
    (void)snprintf(prompt, sizeof prompt, "Password of %.64s: ", user);
    if (given != NULL && strlen(given) <= PAT_PASSWORD_BYTES_MAX) {
        (void)snprintf(out, PAT_PASSWORD_BYTES_MAX + 2, "%s", given);
    } else if (given != NULL || !isatty(STDIN_FILENO) || !ask_hidden(prompt, out)) {
        return pat_error_set(error, PAT_ERR_AUTH,
                             "no password: set " PASSWORD_VARIABLE " (up to %u bytes), or run this on a terminal",
                             PAT_PASSWORD_BYTES_MAX);
    }
    if (out[0] == '\0') return pat_error_set(error, PAT_ERR_AUTH, "the password is empty");
    return PAT_OK;
}

enum pat_status pat_cli_connect(const struct pat_cli *cli, struct pat_client **out, struct pat_error *error) {
    char password[PAT_PASSWORD_BYTES_MAX + 2];
    PAT_TRY(pat_client_open_tls(out, cli->connect, cli->secure ? &cli->tls : NULL, error));
    if (cli->user == NULL) return PAT_OK;
    enum pat_status status = password_of(cli->user, password, error);
    if (status == PAT_OK) status = pat_client_login(*out, pat_text_of(cli->user), pat_text_of(password), error);
    pat_crypto_wipe(password, sizeof password);
    if (status != PAT_OK) pat_client_close(out);
    return status;
}

/* ---- patron user --------------------------------------------------------------------------------------------------
 */

static enum pat_exit list(const struct pat_users *users) {
    for (unsigned i = 0; i < users->count; i++)
        (void)printf("%s %s\n", users->user[i].name, pat_role_name(users->user[i].role));
    return PAT_EXIT_OK;
}

/* What is changed is what stands in the file when it is our turn. */
static enum pat_status change(const char *path,
                              enum pat_status (*change_cb)(struct pat_users *, void *, struct pat_error *),
                              void *context, struct pat_error *error) {
    static struct pat_users users;
    int lock;
    PAT_TRY(pat_users_lock(&lock, path, error));
    enum pat_status status = pat_users_read(&users, path, error);
    if (status == PAT_OK) status = change_cb(&users, context, error);
    if (status == PAT_OK) status = pat_users_write(&users, path, error);
    pat_users_unlock(lock);
    return status;
}

static enum pat_status change_add(struct pat_users *users, void *context, struct pat_error *error) {
    return pat_users_put(users, context, error);
}

static enum pat_status change_remove(struct pat_users *users, void *context, struct pat_error *error) {
    const char *name = context;
    if (pat_users_remove(users, pat_text_of(name))) return PAT_OK;
    return pat_error_set(error, PAT_ERR_NOT_FOUND, "there is no user '%s'", name);
}

static enum pat_exit add(const struct pat_cli *cli, const char *path) {
    struct pat_user user = {.name = ""};
    struct pat_error error;
    char password[PAT_PASSWORD_BYTES_MAX + 2];
    const char *role = pat_cli_option(cli, "--role");
    if (cli->operands < 2) return pat_cli_usage(cli, "patron user add NAME: the name is missing");
    if (!pat_user_name_valid(pat_text_of(cli->operand[1])))
        return pat_cli_usage(cli, "a user's name is 1 to 64 bytes of UTF-8 without spaces");
    if (!pat_role_find(pat_text_of(role != NULL ? role : "reader"), &user.role))
        return pat_cli_usage(cli, "--role is reader, loader or admin, not '%s'", role);
    (void)snprintf(user.name, sizeof user.name, "%s", cli->operand[1]);
    enum pat_status status = password_of(user.name, password, &error);
    if (status == PAT_OK && !pat_scram_keys_make(&user.keys, pat_text_of(password)))
        status = pat_error_set(&error, PAT_ERR_INTERNAL, "the cryptographic library failed");
    pat_crypto_wipe(password, sizeof password);
    if (status == PAT_OK) status = change(path, change_add, &user, &error);
    return status == PAT_OK ? PAT_EXIT_OK : pat_cli_fail(&error);
}

static enum pat_exit drop(const struct pat_cli *cli, const char *path) {
    struct pat_error error;
    if (cli->operands < 2) return pat_cli_usage(cli, "patron user remove NAME: the name is missing");
    char name[PAT_USER_BYTES_MAX + 2]; /* one that is cut is no user's */
    (void)snprintf(name, sizeof name, "%s", cli->operand[1]);
    return change(path, change_remove, name, &error) == PAT_OK ? PAT_EXIT_OK : pat_cli_fail(&error);
}

static enum pat_exit run_user(const struct pat_cli *cli) {
    static struct pat_users users;
    struct pat_error error;
    const char *path = pat_cli_option(cli, "--file");
    const char *verb = cli->operand[0];
    if (path == NULL) return pat_cli_usage(cli, "--file FILE is needed: the one that patrond --users has");
    if (pat_users_read(&users, path, &error) != PAT_OK) return pat_cli_fail(&error);
    if (strcmp(verb, "list") == 0) return list(&users);
    if (strcmp(verb, "add") == 0) return add(cli, path);
    if (strcmp(verb, "remove") == 0) return drop(cli, path);
    return pat_cli_usage(cli, "patron user takes add, remove or list, not '%s'", verb);
}

static const struct pat_cli_option user_options[] = {
    {"--file", "FILE", "the users file, the one that patrond --users has; made when it is not there"},
    {"--role", "ROLE", "of a new user: reader (default) asks, loader loads, admin does everything"},
};

const struct pat_cli_command pat_command_user = {
    .room = PAT_CLI_SERVER,
    .name = "user",
    .operands = "VERB [NAME]",
    .operands_min = 1,
    .operands_max = 2,
    .summary = "Who may log in: add, remove, list",
    .explain = "Keeps the file that patrond --users reads, at its start and on SIGHUP. Adding a\n"
               "name that is there gives it a new password and role. The password comes from\n"
               "the environment (" PASSWORD_VARIABLE ") or the terminal; the file has only keys made of it.",
    .example = "patron user add ana --role reader --file users\n  patron --user ana count \"country = 'BR'\"",
    .option = user_options,
    .options = sizeof user_options / sizeof user_options[0],
    .run = run_user,
};
