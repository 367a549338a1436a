/* SIGHUP and config.reload: the configuration, the users and the certificate are read again. Each is taken for itself;
 * what cannot be read changes nothing. */
#include "net/net_private.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>

/* All names of options, and commas. */
#define NAMES_BYTES 512

struct findings {
    uint32_t changed, restart; /* bits of options */
    enum pat_option failed[3];
    struct pat_error why[3];
    unsigned failures;
};

static bool is_live(enum pat_option option) {
    switch (option) {
    case PAT_OPTION_USERS:
    case PAT_OPTION_TLS_CERT:
    case PAT_OPTION_TLS_KEY:
    case PAT_OPTION_MEMORY:
    case PAT_OPTION_CONNECTIONS:
    case PAT_OPTION_CONNECTIONS_PER_ADDRESS:
    case PAT_OPTION_SNAPSHOT_EVERY:
    case PAT_OPTION_VERIFY_EVERY:
    case PAT_OPTION_LOG_LEVEL:
    case PAT_OPTION_LOG_FORMAT:
    case PAT_OPTION_LOG_SLOW: return true;
    default: return false;
    }
}

/* ---- users and certificate --------------------------------------------------------------------------------------- */

/* Who is no user any more, or may do something else now, logs in again. */
static void conn_recheck(struct pat_conn *conn) {
    if (!pat_login__holds(conn)) pat_conn__drop(conn, "user changed");
}

static void note_failure(struct findings *findings, enum pat_option option, const struct pat_error *why) {
    findings->failed[findings->failures] = option;
    findings->why[findings->failures++] = *why;
    pat_log(PAT_LOG_ERROR, option == PAT_OPTION_USERS ? "users-not-reloaded" : "certificate-not-reloaded",
            "reason=\"%s\"", why->message);
}

/* With users or without is a matter of what may be listened on, and decided at the start. */
static void reload_users(struct pat_server *server, const struct pat_options *fresh, struct findings *findings) {
    struct pat_error error;
    bool changed = false;
    if ((fresh->users == NULL) != (server->logins.users == NULL)) {
        findings->restart |= 1u << PAT_OPTION_USERS;
    } else if (fresh->users != NULL && pat_logins__reload(&server->logins, fresh->users, &changed, &error) != PAT_OK) {
        note_failure(findings, PAT_OPTION_USERS, &error);
    }
    if (!changed) return;
    findings->changed |= 1u << PAT_OPTION_USERS;
    pat_server__each(server, conn_recheck);
}

enum pat_status pat_server__certify(struct pat_server *server, const struct pat_options *settings, bool *changed,
                                    struct pat_error *error) {
    struct pat_tls_terms *terms;
    *changed = false;
    if (settings->tls_cert == NULL) return PAT_OK;
    PAT_TRY(pat_tls_terms_serve(&terms, settings->tls_cert, settings->tls_key, error));
    *changed = server->tls == NULL || !pat_tls_terms_equal(server->tls, terms);
    pat_tls_terms_close(&server->tls);
    server->tls = terms;
    char day[PAT_TLS_DAY_BYTES];
    pat_tls_terms_last_day(terms, day);
    if (*changed) pat_log(PAT_LOG_INFO, "certificate", "last_day=%s", day);
    return PAT_OK;
}

static void reload_certificate(struct pat_server *server, const struct pat_options *fresh, struct findings *findings) {
    struct pat_error error;
    bool changed = false;
    if ((fresh->tls_cert == NULL) != (server->tls == NULL)) {
        findings->restart |= 1u << PAT_OPTION_TLS_CERT;
    } else if (pat_server__certify(server, fresh, &changed, &error) != PAT_OK) {
        note_failure(findings, PAT_OPTION_TLS_CERT, &error);
    }
    if (changed) findings->changed |= 1u << PAT_OPTION_TLS_CERT;
}

/* ---- the configuration ------------------------------------------------------------------------------------------- */

static void compare(const struct pat_server *server, const struct pat_options *fresh, struct findings *findings) {
    for (unsigned i = 0; i < PAT_OPTIONS_OF_FILE; i++) {
        const enum pat_option option = (enum pat_option)i;
        /* What a running server was started with is what a restart would change. */
        if (!is_live(option) && !pat_options_same(server->options->given, fresh, option)) findings->restart |= 1u << i;
        if (option == PAT_OPTION_USERS || option == PAT_OPTION_TLS_CERT || option == PAT_OPTION_TLS_KEY) continue;
        if (is_live(option) && !pat_options_same(server->settings, fresh, option)) findings->changed |= 1u << i;
    }
}

static void settings_take(struct pat_server *server, const struct pat_options *fresh) {
    pat_server__forget_settings(server);
    server->settings = fresh;
    pat_server__take_limits(server);
    pat_engine_set_snapshot_every(server->engine, fresh->snapshot_every_ms);
    pat_engine_set_verify_every(server->engine, fresh->verify_every_ms);
    pat_log_set_level(fresh->log_level);
    pat_log_set_format(fresh->log_format);
}

void pat_server__forget_settings(struct pat_server *server) {
    /* The first ones are main's. */
    if (server->settings == server->options->given) return;
    pat_mem_free(PAT_MEM_NET, (void *)(uintptr_t)server->settings);
    server->settings = server->options->given;
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

static const char *names_of(uint32_t options, char out[NAMES_BYTES]) {
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < PAT_OPTIONS_OF_FILE; i++) {
        if ((options & 1u << i) == 0) continue;
        const int length = snprintf(out + used, NAMES_BYTES - used, "%s%s", used > 0 ? "," : "", pat_option_names[i]);
        if (length > 0) used += (size_t)length;
    }
    return out;
}

static struct pat_value names_value(struct pat_builder *builder, uint32_t options) {
    struct pat_value array = pat_build_array(builder, PAT_OPTIONS_OF_FILE);
    for (unsigned i = 0; i < PAT_OPTIONS_OF_FILE; i++) {
        if ((options & 1u << i) != 0) pat_build_push(builder, &array, pat_value_string(pat_option_names[i]));
    }
    return array;
}

static struct pat_value failures_value(struct pat_builder *builder, const struct findings *findings) {
    struct pat_value array = pat_build_array(builder, findings->failures);
    for (unsigned i = 0; i < findings->failures; i++) {
        struct pat_value map = pat_build_map(builder, 2);
        pat_build_put(builder, &map, "name", pat_value_string(pat_option_names[findings->failed[i]]));
        pat_build_put(builder, &map, "message", pat_build_text(builder, pat_text_of(findings->why[i].message)));
        pat_build_push(builder, &array, map);
    }
    return array;
}

static struct pat_value findings_value(const struct pat_server *server, struct pat_builder *builder,
                                       const struct findings *findings) {
    struct pat_value map = pat_build_map(builder, 5);
    pat_build_put(builder, &map, "changed", names_value(builder, findings->changed));
    pat_build_put(builder, &map, "restart", names_value(builder, findings->restart));
    pat_build_put(builder, &map, "failed", failures_value(builder, findings));
    if (server->logins.users != NULL)
        pat_build_put(builder, &map, "users", pat_value_uint(server->logins.users->count));
    if (server->tls != NULL) {
        char day[PAT_TLS_DAY_BYTES];
        pat_tls_terms_last_day(server->tls, day);
        pat_build_put(builder, &map, "certificate_last_day", pat_build_text(builder, pat_text_of(day)));
    }
    return map;
}

static enum pat_status reread(const struct pat_server *server, struct pat_options **out, struct pat_error *error) {
    struct pat_options *fresh = pat_mem_alloc(PAT_MEM_NET, sizeof *fresh);
    if (fresh == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to read the configuration");
    const enum pat_status status = server->options->reread_cb(server->options->reread_context, fresh, error);
    if (status != PAT_OK) {
        pat_log(PAT_LOG_ERROR, "config-not-reloaded", "reason=\"%s\"", error->message);
        pat_mem_free(PAT_MEM_NET, fresh);
        return status;
    }
    *out = fresh;
    return PAT_OK;
}

enum pat_status pat_server__reload(struct pat_server *server, struct pat_builder *builder, struct pat_value *result,
                                   struct pat_error *error) {
    struct pat_options *fresh = NULL;
    struct findings findings = {.failures = 0};
    char changed[NAMES_BYTES], restart[NAMES_BYTES];
    PAT_TRY(reread(server, &fresh, error));
    compare(server, fresh, &findings);
    settings_take(server, fresh);
    reload_users(server, fresh, &findings);
    reload_certificate(server, fresh, &findings);
    pat_log(PAT_LOG_INFO, "config-reloaded", "changed=\"%s\" restart=\"%s\" failed=%u",
            names_of(findings.changed, changed), names_of(findings.restart, restart), findings.failures);
    if (builder != NULL) *result = findings_value(server, builder, &findings);
    return PAT_OK;
}
