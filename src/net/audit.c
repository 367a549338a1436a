/* Who did what, for the log: connections, refusals, loads, exports, what takes long, what changes the server. Never
 * what was asked for: no ids, no filters.
 *
 * What may come thousands of times a second (batches, pages, look-ups) is added up by connection and told when ten
 * seconds have passed, or with its end. Loop thread. */
#include "net/net_private.h"

#include "base/log.h"

#include <inttypes.h>
#include <string.h>

/* A line a connection in so long at the most. */
#define TELL_MS 10000u

#define CONN "conn=%" PRIu64 " user=\"%s\""

/* ---- connections ------------------------------------------------------------------------------------------------ */

static const char *role_shown(const struct pat_conn *conn) {
    return conn->role == PAT_ROLE_NONE ? "none" : pat_role_name(conn->role);
}

/* Where logins are asked for the login is what counts; strangers come in floods. */
static enum pat_log_level level_of(const struct pat_conn *conn) {
    return conn->role == PAT_ROLE_NONE ? PAT_LOG_DEBUG : PAT_LOG_INFO;
}

void pat_audit__opened(struct pat_conn *conn, const struct sockaddr_storage *peer) {
    char shown[INET6_ADDRSTRLEN] = "local";
    conn->audit.number = ++conn->server->connections_opened;
    if (!conn->local) (void)uv_ip_name((const struct sockaddr *)peer, shown, sizeof shown);
    pat_log(level_of(conn), "connected", "conn=%" PRIu64 " peer=%s role=%s connections=%u", conn->audit.number, shown,
            role_shown(conn), conn->server->connections);
}

void pat_audit__closed(struct pat_conn *conn, const char *why) {
    pat_audit__tell(conn);
    pat_log(level_of(conn), "disconnected", CONN " reason=\"%s\" calls=%u", conn->audit.number, conn->user, why,
            conn->calls_count);
}

/* ---- sums ------------------------------------------------------------------------------------------------------- */

void pat_audit__tell(struct pat_conn *conn) {
    struct pat_audit *audit = &conn->audit;
    if (audit->since_ms == 0) return;
    if (audit->batches > 0) {
        pat_log(PAT_LOG_INFO, "loaded",
                CONN " producer=\"%s\" producers=%u batches=%" PRIu64 " rows=%" PRIu64 " rejected=%" PRIu64,
                audit->number, conn->user, audit->producer, audit->producers, audit->batches, audit->rows_loaded,
                audit->rows_rejected);
    }
    if (audit->exports > 0) {
        pat_log(PAT_LOG_INFO, "exported", CONN " method=%s answers=%" PRIu64 " rows=%" PRIu64, audit->number,
                conn->user, audit->export_method, audit->exports, audit->rows_exported);
    }
    if (audit->lookups > 0) {
        pat_log(PAT_LOG_INFO, "looked-up", CONN " answers=%" PRIu64, audit->number, conn->user, audit->lookups);
    }
    *audit = (struct pat_audit){.number = audit->number};
}

void pat_audit__sweep(struct pat_conn *conn) {
    const uint64_t since_ms = conn->audit.since_ms;
    if (since_ms != 0 && uv_now(&conn->server->loop) - since_ms >= TELL_MS) pat_audit__tell(conn);
}

static void audit_begin(struct pat_conn *conn) {
    /* 0 stands for nothing to tell. */
    if (conn->audit.since_ms == 0) conn->audit.since_ms = uv_now(&conn->server->loop) | 1;
}

static uint64_t number_of(const struct pat_value *map, const char *key) {
    const struct pat_value *value = map->type == PAT_VALUE_MAP ? pat_value_get(map, key) : NULL;
    return value != NULL && value->type == PAT_VALUE_INT && value->as.integer > 0 ? (uint64_t)value->as.integer : 0;
}

static void note_load(struct pat_call *call, const struct pat_value *result) {
    struct pat_audit *audit = &call->conn->audit;
    const struct pat_text producer = call->request.load.producer;
    audit_begin(call->conn);
    if (audit->batches == 0 || !pat_text_is(producer, audit->producer)) {
        const size_t length = producer.length < sizeof audit->producer ? producer.length : sizeof audit->producer - 1;
        memcpy(audit->producer, producer.data, length);
        audit->producer[length] = '\0';
        audit->producers++;
    }
    audit->batches++;
    audit->rows_loaded += number_of(result, "rows");
    audit->rows_rejected += number_of(result, "rejected");
}

/* Rows of customers or facts in an answer, in those of a batch too. */
static uint64_t rows_in(const struct pat_value *result) {
    if (result->type != PAT_VALUE_MAP) return 0;
    const struct pat_value *rows = pat_value_get(result, "rows"), *answers = pat_value_get(result, "answers");
    uint64_t count = rows != NULL && rows->type == PAT_VALUE_ARRAY ? rows->count : 0;
    for (uint32_t i = 0; answers != NULL && i < answers->count; i++) count += rows_in(&answers->as.items[i]);
    return count;
}

/* Groups of one customer or one order each are rows by another name. */
static bool groups_name_somebody(const struct pat_request *request) {
    for (uint32_t i = 0; i < request->names_count; i++) {
        if (pat_text_is(request->names[i], "customer") || pat_text_is(request->names[i], "order")) return true;
    }
    return false;
}

static void note_export(struct pat_call *call, const struct pat_value *result) {
    struct pat_audit *audit = &call->conn->audit;
    const uint64_t rows = rows_in(result);
    if (rows == 0) return;
    audit_begin(call->conn);
    audit->export_method =
        audit->exports == 0 || audit->export_method == call->info->name ? call->info->name : "several";
    audit->exports++;
    audit->rows_exported += rows;
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static bool changes_the_server(enum pat_method method) {
    switch (method) {
    case PAT_METHOD_SCHEMA_ADD:
    case PAT_METHOD_RFM_MAP_SAVE:
    case PAT_METHOD_CLV_FIT:
    case PAT_METHOD_CLV_USE:
    case PAT_METHOD_SNAPSHOT_SAVE:
    case PAT_METHOD_BACKUP_BEGIN:
    case PAT_METHOD_BACKUP_END:
    case PAT_METHOD_CONFIG_RELOAD:
    case PAT_METHOD_VERIFY: return true;
    default: return false;
    }
}

static void note_success(struct pat_call *call, const struct pat_value *result) {
    switch (call->info->method) {
    case PAT_METHOD_LOAD: note_load(call, result); break;
    case PAT_METHOD_GROUP:
        if (groups_name_somebody(&call->request)) note_export(call, result);
        break;
    case PAT_METHOD_ROWS:
    case PAT_METHOD_CLV_TOP:
    case PAT_METHOD_BATCH: note_export(call, result); break;
    case PAT_METHOD_CUSTOMER:
    case PAT_METHOD_ORDER:
        audit_begin(call->conn);
        call->conn->audit.lookups += call->looks > 0 ? call->found : 1;
        break;
    default: break;
    }
}

static void note_slow(const struct pat_call *call, const char *code) {
    const struct pat_conn *conn = call->conn;
    const uint64_t slow_ms = conn->server->settings->slow_ms, ms = uv_now(&conn->server->loop) - call->arrived_ms;
    const bool question = call->info->road == PAT_ROAD_READ || call->info->road == PAT_ROAD_FIT;
    if (slow_ms == 0 || ms < slow_ms || !question || call->info->method == PAT_METHOD_BACKUP_READ) return;
    for (unsigned i = 0; i < (call->looks > 0 ? call->looks : 1); i++) {
        if (call->looks > 0 && i == call->found) code = pat_status_code(call->error.status);
        pat_log(PAT_LOG_WARN, "slow", CONN " method=%s ms=%" PRIu64 " code=%s", conn->audit.number, conn->user,
                call->info->name, ms, code);
    }
}

/* What somebody may not call: this, or the first such call of a batch. NULL: nothing was refused. */
static const struct pat_method_info *refused_method(const struct pat_call *call, bool answered) {
    if (!answered)
        return call->error.status == PAT_ERR_AUTH && call->info->road != PAT_ROAD_SESSION ? call->info : NULL;
    if (call->info->method != PAT_METHOD_BATCH) return NULL;
    for (uint32_t i = 0; i < call->request.calls; i++) {
        const struct pat_batch_call *one = &call->request.call[i];
        if (one->error != NULL && one->error->status == PAT_ERR_AUTH) return one->info;
    }
    return NULL;
}

void pat_audit__answered(struct pat_call *call, const struct pat_value *result) {
    const struct pat_conn *conn = call->conn;
    if (call->info == NULL) return;
    if (result == NULL && call->encoded && call->status == PAT_OK) result = &call->result;
    const char *code = result != NULL ? "OK" : pat_status_code(call->error.status);
    if (result != NULL) note_success(call, result);
    const struct pat_method_info *refused = refused_method(call, result != NULL);
    if (refused != NULL) {
        pat_log(PAT_LOG_WARN, "refused", CONN " method=%s role=%s", conn->audit.number, conn->user, refused->name,
                role_shown(conn));
    }
    if (changes_the_server(call->info->method)) {
        pat_log(PAT_LOG_INFO, "called", CONN " method=%s code=%s", conn->audit.number, conn->user, call->info->name,
                code);
    }
    note_slow(call, code);
}
