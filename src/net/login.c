/* Logging in, and who may call what.
 *
 *   no users file    whoever reaches the loopback may do everything
 *   a users file     TCP: SCRAM-SHA-256 first. A unix socket: the server's own user and root are admins, by the
 *                    kernel's word; others log in
 *
 * Who guesses is slowed down: a failed login ends its connection, and the same user from the same address has to wait,
 * twice as long each time. */
#include "net/net_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/address.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SHOWN_BYTES (PAT_USER_BYTES_MAX + 16)

static const struct pat_scan_limits stranger_limits = {PAT_NET_STRANGER_BYTES, PAT_NET_STRANGER_OBJECTS,
                                                       PAT_FRAME_DEPTH_MAX};

/* ---- users --------------------------------------------------------------------------------------------------------
 */

enum pat_status pat_logins__open(struct pat_logins *logins, const char *path, struct pat_error *error) {
    if (path == NULL) return PAT_OK;
    logins->users = pat_mem_alloc(PAT_MEM_NET, sizeof *logins->users);
    logins->guesses = pat_mem_alloc(PAT_MEM_NET, sizeof *logins->guesses);
    if (logins->users == NULL || logins->guesses == NULL)
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the users");
    if (!pat_crypto_random(logins->secret, sizeof logins->secret) || !pat_guesses_init(logins->guesses))
        return pat_error_set(error, PAT_ERR_INTERNAL, "no random numbers for logins");
    PAT_TRY(pat_users_read(logins->users, path, error));
    if (logins->users->count == 0)
        return pat_error_set(error, PAT_ERR_NOT_FOUND,
                             "--users %.200s has nobody in it: nobody could log in; `patron user add NAME --file FILE` "
                             "adds one",
                             path);
    return PAT_OK;
}

void pat_logins__close(struct pat_logins *logins) {
    pat_mem_free(PAT_MEM_NET, logins->users);
    pat_mem_free(PAT_MEM_NET, logins->guesses);
    logins->users = NULL;
    logins->guesses = NULL;
}

/* A file that cannot be read changes nothing: better yesterday's users than none. */
enum pat_status pat_logins__reload(struct pat_logins *logins, const char *path, bool *changed,
                                   struct pat_error *error) {
    *changed = false;
    struct pat_users *users = pat_mem_alloc(PAT_MEM_NET, sizeof *users);
    if (users == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the users");
    enum pat_status status = pat_users_read(users, path, error);
    if (status == PAT_OK && users->count == 0)
        status = pat_error_set(error, PAT_ERR_NOT_FOUND, "%.200s has nobody in it", path);
    if (status != PAT_OK) {
        pat_mem_free(PAT_MEM_NET, users);
        return status;
    }
    *changed = !pat_users_equal(users, logins->users);
    pat_mem_free(PAT_MEM_NET, logins->users);
    logins->users = users;
    return PAT_OK;
}

/* ---- who is there -------------------------------------------------------------------------------------------------
 */

static bool is_trusted_peer(struct pat_conn *conn) {
    uv_os_fd_t fd;
    struct ucred peer;
    socklen_t bytes = sizeof peer;
    if (!conn->local || uv_fileno(&conn->io.handle, &fd) != 0) return false;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) return false;
    return peer.uid == geteuid() || peer.uid == 0;
}

void pat_login__greet(struct pat_conn *conn) {
    const bool open = conn->server->logins.users == NULL || is_trusted_peer(conn);
    conn->role = open ? PAT_ROLE_ADMIN : PAT_ROLE_NONE;
    conn->opened_ms = uv_now(&conn->server->loop);
    if (!open) pat_scan_init(&conn->scan, stranger_limits);
}

void pat_login__forget(struct pat_conn *conn) {
    if (conn->login != NULL) pat_crypto_wipe(conn->login, sizeof *conn->login);
    pat_mem_free(PAT_MEM_NET, conn->login);
    conn->login = NULL;
}

static bool has_key(const struct pat_user *user, const unsigned char stored[PAT_SHA256_BYTES]) {
    return pat_crypto_equal(user->keys.stored, stored, PAT_SHA256_BYTES);
}

bool pat_login__holds(const struct pat_conn *conn) {
    if (conn->user[0] == '\0') return true;
    const struct pat_user *user = pat_users_find(conn->server->logins.users, pat_text_of(conn->user));
    return user != NULL && user->role == conn->role && has_key(user, conn->stored);
}

/* ---- who may what -------------------------------------------------------------------------------------------------
 */

/* The least that a method takes: a reader, a loader, either of both, an admin. */
static bool role_may(enum pat_role role, enum pat_method method) {
    if (role == PAT_ROLE_ADMIN) return true;
    switch (method) {
    case PAT_METHOD_HELLO:
    case PAT_METHOD_PING:
    case PAT_METHOD_AUTH_START:
    case PAT_METHOD_AUTH_FINISH: return true;
    case PAT_METHOD_CANCEL:
    case PAT_METHOD_STATUS:
    case PAT_METHOD_SCHEMA:
    case PAT_METHOD_CONTROL:
    case PAT_METHOD_FX:
    case PAT_METHOD_LOAD_STATE: return role != PAT_ROLE_NONE;
    case PAT_METHOD_LOAD:
    case PAT_METHOD_SCHEMA_ADD: return role == PAT_ROLE_LOADER;
    case PAT_METHOD_CUSTOMER:
    case PAT_METHOD_ORDER:
    case PAT_METHOD_COUNT:
    case PAT_METHOD_ROWS:
    case PAT_METHOD_GROUP:
    case PAT_METHOD_COHORT:
    case PAT_METHOD_RFM_GRID:
    case PAT_METHOD_RFM_GROUPS:
    case PAT_METHOD_CLV_FITS:
    case PAT_METHOD_CLV_PREDICT:
    case PAT_METHOD_CLV_TOP:
    case PAT_METHOD_CLV_DIST:
    case PAT_METHOD_BATCH:
    case PAT_METHOD_FILTER_PARSE: return role == PAT_ROLE_READER;
    case PAT_METHOD_RFM_MAP_SAVE:
    case PAT_METHOD_CLV_FIT:
    case PAT_METHOD_CLV_USE:
    case PAT_METHOD_SNAPSHOT_SAVE:
    case PAT_METHOD_SNAPSHOT_LIST:
    case PAT_METHOD_BACKUP_BEGIN:
    case PAT_METHOD_BACKUP_READ:
    case PAT_METHOD_BACKUP_END:
    case PAT_METHOD_VERIFY:
    case PAT_METHOD_CONFIG_RELOAD:
    case PAT_METHODS: return false;
    }
    return false;
}

enum pat_status pat_login__allow(enum pat_role role, const struct pat_method_info *info, struct pat_error *error) {
    if (role_may(role, info->method)) return PAT_OK;
    if (role == PAT_ROLE_NONE)
        return pat_error_set(error, PAT_ERR_AUTH,
                             "%s needs a login; auth.start and auth.finish take SCRAM-SHA-256 (patron: --user NAME)",
                             info->name);
    return pat_error_set(error, PAT_ERR_AUTH, "a %s may not call %s; it takes %s", pat_role_name(role), info->name,
                         role_may(PAT_ROLE_READER, info->method)   ? "a reader"
                         : role_may(PAT_ROLE_LOADER, info->method) ? "a loader"
                                                                   : "an admin");
}

/* ---- guessing -----------------------------------------------------------------------------------------------------
 */

/* Unix sockets are one site: who may open them is on this machine. */
static struct pat_guesser guesser_of(struct pat_conn *conn, const char *user) {
    struct sockaddr_storage peer;
    int bytes = sizeof peer;
    unsigned char site[PAT_ADDRESS_SITE_BYTES] = {0};
    if (!conn->local && uv_tcp_getpeername(&conn->io.tcp, (struct sockaddr *)&peer, &bytes) == 0)
        pat_address_site((const struct sockaddr *)&peer, site);
    return pat_guesses_name(conn->server->logins.guesses, site, sizeof site, pat_text_of(user));
}

static enum pat_status wait_for_turn(struct pat_conn *conn, struct pat_guesser guesser, struct pat_error *error) {
    const uint64_t wait_ms = pat_guesses_wait_ms(conn->server->logins.guesses, guesser, uv_now(&conn->server->loop));
    if (wait_ms == 0) return PAT_OK;
    return pat_error_set(error, PAT_ERR_AUTH, "too many failed logins; try again in %" PRIu64 " ms", wait_ms);
}

/* ---- the exchange -------------------------------------------------------------------------------------------------
 */

static enum pat_status text_of(struct pat_call *call, const struct pat_value *params, const char *name,
                               struct pat_text *out) {
    const struct pat_value *value = params != NULL ? pat_value_get(params, name) : NULL;
    if (value == NULL || value->type != PAT_VALUE_TEXT)
        return pat_error_set_at(&call->error, PAT_ERR_BAD_REQUEST, name, -1, -1, "%s needs \"%s\", a text",
                                call->info->name, name);
    *out = pat_value_as_text(value);
    return PAT_OK;
}

static void put_message(struct pat_builder *builder, struct pat_value *result, const char *message) {
    pat_build_put(builder, result, "data", pat_build_printf(builder, "%s", message));
}

/* Reads client-first. With TLS both mechanisms are taken: programs that cannot bind log in, too. */
static enum pat_status read_first(struct pat_call *call, struct pat_text mechanism, struct pat_text data) {
    struct pat_conn *conn = call->conn;
    struct pat_scram_binding binding[PAT_TLS_BINDINGS_MAX];
    const unsigned bindings = conn->tls != NULL ? pat_tls_bindings(conn->tls, binding) : 0;
    const bool plus = pat_text_is(mechanism, "SCRAM-SHA-256-PLUS");
    if (!pat_text_is(mechanism, "SCRAM-SHA-256") && !(plus && bindings > 0))
        return pat_error_set_at(&call->error, PAT_ERR_BAD_REQUEST, "mechanism", -1, -1,
                                "there is the mechanism \"SCRAM-SHA-256\"%s",
                                bindings > 0 ? ", and \"SCRAM-SHA-256-PLUS\"" : "");
    if (conn->server->logins.users == NULL)
        return pat_error_set(&call->error, PAT_ERR_AUTH, "this server has no users, and asks for no login");
    pat_login__forget(conn);
    conn->login = pat_mem_alloc(PAT_MEM_NET, sizeof *conn->login);
    if (conn->login == NULL) return pat_error_set(&call->error, PAT_ERR_NO_MEMORY, "no memory for a login");
    PAT_TRY(pat_scram_server_read(conn->login, data, binding, bindings, &call->error));
    if (conn->login->bound == plus) return PAT_OK;
    return pat_error_set(&call->error, PAT_ERR_AUTH, "the mechanism and its first message do not agree on a binding");
}

static enum pat_status start(struct pat_call *call, const struct pat_value *params, struct pat_builder *builder,
                             struct pat_value *result) {
    struct pat_conn *conn = call->conn;
    struct pat_logins *logins = &conn->server->logins;
    struct pat_text mechanism = {NULL, 0}, data = {NULL, 0};
    char out[PAT_SCRAM_MESSAGE_BYTES];
    PAT_TRY(text_of(call, params, "mechanism", &mechanism));
    PAT_TRY(text_of(call, params, "data", &data));
    PAT_TRY(read_first(call, mechanism, data));
    PAT_TRY(wait_for_turn(conn, guesser_of(conn, conn->login->user), &call->error));
    const struct pat_user *user = pat_users_find(logins->users, pat_text_of(conn->login->user));
    PAT_TRY(pat_scram_server_first(conn->login, user != NULL ? &user->keys : NULL, logins->secret, out, &call->error));
    *result = pat_build_map(builder, 1);
    put_message(builder, result, out);
    return PAT_OK;
}

/* The user may have gone since auth.start, or have another password: then the proof is right and the login is not. */
static enum pat_status log_in(struct pat_call *call, struct pat_builder *builder, struct pat_value *result,
                              const char *message) {
    struct pat_conn *conn = call->conn;
    const struct pat_user *user = pat_users_find(conn->server->logins.users, pat_text_of(conn->login->user));
    if (user == NULL || !has_key(user, conn->login->keys.stored))
        return pat_error_set(&call->error, PAT_ERR_AUTH, "wrong user or password");
    conn->role = user->role;
    memcpy(conn->stored, user->keys.stored, sizeof conn->stored);
    memcpy(conn->user, user->name, sizeof conn->user);
    pat_scan_init(&conn->scan, pat_conn_limits);
    pat_log(PAT_LOG_INFO, "login", "conn=%" PRIu64 " user=\"%s\" role=%s", conn->audit.number, user->name,
            pat_role_name(user->role));
    *result = pat_build_map(builder, 3);
    put_message(builder, result, message);
    pat_build_put(builder, result, "user", pat_build_printf(builder, "%s", user->name));
    pat_build_put(builder, result, "role", pat_value_string(pat_role_name(user->role)));
    return PAT_OK;
}

static enum pat_status prove(struct pat_call *call, struct pat_text data, struct pat_guesser guesser,
                             struct pat_builder *builder, struct pat_value *result) {
    struct pat_conn *conn = call->conn;
    struct pat_guesses *guesses = conn->server->logins.guesses;
    const uint64_t now_ms = uv_now(&conn->server->loop);
    char out[PAT_SCRAM_MESSAGE_BYTES], shown[SHOWN_BYTES];
    enum pat_status status = pat_scram_server_final(conn->login, data, out, &call->error);
    if (status == PAT_OK) status = log_in(call, builder, result, out);
    if (status == PAT_OK) pat_guesses_right(guesses, guesser, now_ms);
    if (status != PAT_ERR_AUTH) return status;
    pat_guesses_failed(guesses, guesser, now_ms);
    pat_log(PAT_LOG_WARN, "login-failed", "conn=%" PRIu64 " user=\"%s\"", conn->audit.number,
            pat_text_printable(pat_text_of(conn->login->user), shown, sizeof shown));
    return status;
}

static enum pat_status finish(struct pat_call *call, const struct pat_value *params, struct pat_builder *builder,
                              struct pat_value *result) {
    struct pat_conn *conn = call->conn;
    struct pat_text data;
    PAT_TRY(text_of(call, params, "data", &data));
    if (conn->login == NULL) return pat_error_set(&call->error, PAT_ERR_AUTH, "auth.finish comes after auth.start");
    /* Many may have begun before the first of them failed: their proofs are not looked at. */
    const struct pat_guesser guesser = guesser_of(conn, conn->login->user);
    enum pat_status status = wait_for_turn(conn, guesser, &call->error);
    if (status == PAT_OK) status = prove(call, data, guesser, builder, result);
    pat_login__forget(conn);
    return status;
}

enum pat_status pat_login__answer(struct pat_call *call, const struct pat_value *params, struct pat_builder *builder,
                                  struct pat_value *result) {
    const bool first = call->info->method == PAT_METHOD_AUTH_START;
    const enum pat_status status = first ? start(call, params, builder, result) : finish(call, params, builder, result);
    /* Who failed says it again on a new connection: guessing costs one each time. */
    if (status == PAT_ERR_AUTH && call->conn->server->logins.users != NULL) pat_conn__end(call->conn);
    return status;
}
