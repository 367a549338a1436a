/* The methods there are. */
#include "model/request.h"

#include <stddef.h>

#define READING  "min_lsn", "deadline_ms", "unless"
#define QUESTION "where", "args", "as_of", "rfm", "lifecycle", "explain_plan", READING

static const char *const no_params[] = {NULL};
static const char *const hello_params[] = {"client", "errors", "bigint", NULL};
static const char *const cancel_params[] = {"msgid", NULL};
static const char *const auth_start_params[] = {"mechanism", "data", NULL};
static const char *const auth_finish_params[] = {"data", NULL};
static const char *const load_params[] = {"producer", "seq", "columns", "on_error", "mode", "meta", "errors", NULL};
static const char *const schema_add_params[] = {"table", "name", "type", NULL};
static const char *const load_state_params[] = {"producer", NULL};
static const char *const customer_params[] = {"customer", "with", "limit", QUESTION, NULL};
static const char *const order_params[] = {"order", "with", QUESTION, NULL};
static const char *const count_params[] = {QUESTION, NULL};
static const char *const rows_params[] = {"from", "fields", "order_by", "limit", "cursor", QUESTION, NULL};
static const char *const group_params[] = {"from", "by", "metrics", "between", "order_by", "limit", QUESTION, NULL};
static const char *const cohort_params[] = {"by", "start", "metric", "periods", QUESTION, NULL};
static const char *const control_params[] = {"table", "by", "from", "to", READING, NULL};
static const char *const batch_params[] = {"calls", READING, NULL};
static const char *const verify_params[] = {"min_lsn", "deadline_ms", NULL};
static const char *const backup_begin_params[] = {"newest", NULL};
static const char *const backup_read_params[] = {"backup", "file", "offset", "bytes", NULL};
static const char *const backup_end_params[] = {"backup", NULL};
static const char *const rfm_params[] = {"window", "scoring", "cuts", "map", "population", QUESTION, NULL};
static const char *const fx_params[] = {"as_of", READING, NULL};
static const char *const map_save_params[] = {"name", "groups", NULL};
static const char *const clv_fit_params[] = {"model", "unit",  "end", "holdout_end", "name",    "use",         "where",
                                             "args",  "as_of", "rfm", "lifecycle",   "min_lsn", "deadline_ms", NULL};
static const char *const clv_use_params[] = {"name", "horizon", "discount_annual", "margin", NULL};
static const char *const clv_fits_params[] = {READING, NULL};
static const char *const clv_predict_params[] = {"customer", "x",    "t_x",    "T",       "mean_minor",      "fit",
                                                 "model",    "unit", "params", "horizon", "discount_annual", "margin",
                                                 QUESTION,   NULL};
static const char *const clv_top_params[] = {"limit",           "fields", "fit",    "horizon",
                                             "discount_annual", "margin", QUESTION, NULL};
static const char *const clv_dist_params[] = {"bins", "fit", "horizon", "discount_annual", "margin", QUESTION, NULL};
static const char *const filter_parse_params[] = {"text", "tree", "args", NULL};

const struct pat_method_info pat_method_list[] = {
    {"hello", PAT_METHOD_HELLO, PAT_ROAD_SESSION, -1, hello_params,
     "Says who the client is and how it wants errors and large integers; answers with version, limits and features."},
    {"ping", PAT_METHOD_PING, PAT_ROAD_SESSION, -1, no_params, "Answers \"pong\"."},
    {"cancel", PAT_METHOD_CANCEL, PAT_ROAD_SESSION, -1, cancel_params,
     "Ends a request of this connection that is still running."},
    {"auth.start", PAT_METHOD_AUTH_START, PAT_ROAD_SESSION, -1, auth_start_params,
     "Begins a login: takes the client's first SCRAM-SHA-256 message, gives the server's."},
    {"auth.finish", PAT_METHOD_AUTH_FINISH, PAT_ROAD_SESSION, -1, auth_finish_params,
     "Ends it: takes the client's proof, gives the server's signature, the user and the role."},
    {"status", PAT_METHOD_STATUS, PAT_ROAD_LOOP, -1, no_params,
     "State of the server: lsn, rows, pending refunds, unpriced facts, producers, memory, last snapshot."},
    {"schema", PAT_METHOD_SCHEMA, PAT_ROAD_LOOP, -1, no_params,
     "Tables, fields, types, units, group maps and methods."},
    {"schema.add", PAT_METHOD_SCHEMA_ADD, PAT_ROAD_WRITE, -1, schema_add_params,
     "Adds an attribute of the shop's own to a table; loads and questions call it attr.NAME."},
    {"load.customers", PAT_METHOD_LOAD, PAT_ROAD_WRITE, PAT_CUSTOMERS, load_params,
     "Takes a batch of customer profiles."},
    {"load.orders", PAT_METHOD_LOAD, PAT_ROAD_WRITE, PAT_ORDERS, load_params, "Takes a batch of orders."},
    {"load.lines", PAT_METHOD_LOAD, PAT_ROAD_WRITE, PAT_LINES, load_params,
     "Takes a batch of order lines; orders and refunds are made of them."},
    {"load.refunds", PAT_METHOD_LOAD, PAT_ROAD_WRITE, PAT_REFUNDS, load_params, "Takes a batch of refunds."},
    {"load.fx", PAT_METHOD_LOAD, PAT_ROAD_WRITE, PAT_FX, load_params,
     "Takes a batch of exchange rates; facts that they touch get their base value anew."},
    {"load.state", PAT_METHOD_LOAD_STATE, PAT_ROAD_LOOP, -1, load_state_params,
     "Where a producer stands: its last seq, lsn, meta and rows."},
    {"customer", PAT_METHOD_CUSTOMER, PAT_ROAD_READ, -1, customer_params,
     "One customer: profile, totals, scores, and the facts asked for."},
    {"order", PAT_METHOD_ORDER, PAT_ROAD_READ, -1, order_params, "One order, with its lines and refunds if asked for."},
    {"count", PAT_METHOD_COUNT, PAT_ROAD_READ, -1, count_params, "How many live customers a filter selects."},
    {"rows", PAT_METHOD_ROWS, PAT_ROAD_READ, -1, rows_params, "Rows of a table that a filter selects, field by field."},
    {"group", PAT_METHOD_GROUP, PAT_ROAD_READ, -1, group_params,
     "Metrics of customers, orders, refunds or lines that a filter selects, by up to four dimensions."},
    {"cohort", PAT_METHOD_COHORT, PAT_ROAD_READ, -1, cohort_params,
     "Customers by the month they began in, and what they did in each month since."},
    {"control", PAT_METHOD_CONTROL, PAT_ROAD_READ, -1, control_params,
     "Rows, original money, first and last time and a digest of the ids, to check a load against its source."},
    {"rfm.grid", PAT_METHOD_RFM_GRID, PAT_ROAD_READ, -1, rfm_params,
     "Recency, frequency and monetary scores: count and net of each cell, and the thresholds."},
    {"rfm.groups", PAT_METHOD_RFM_GROUPS, PAT_ROAD_READ, -1, rfm_params,
     "The same by named group of cells: count, share, net."},
    {"rfm.map.save", PAT_METHOD_RFM_MAP_SAVE, PAT_ROAD_WRITE, -1, map_save_params,
     "Keeps a map of the 125 cells to named groups."},
    {"clv.fit", PAT_METHOD_CLV_FIT, PAT_ROAD_FIT, -1, clv_fit_params,
     "Fits a model of purchases and leaving, and one of spend, to the purchase days of everybody, or of those that "
     "`where` selects, and keeps it by name."},
    {"clv.use", PAT_METHOD_CLV_USE, PAT_ROAD_WRITE, -1, clv_use_params,
     "Chooses the fit, horizon, discount and margin behind p_alive, expected_orders and clv."},
    {"clv.fits", PAT_METHOD_CLV_FITS, PAT_ROAD_READ, -1, clv_fits_params,
     "The fits that are kept, and the one in use."},
    {"clv.predict", PAT_METHOD_CLV_PREDICT, PAT_ROAD_READ, -1, clv_predict_params,
     "Chance to be alive, purchase days to come, spend and value of a customer, or of a history given in numbers."},
    {"clv.top", PAT_METHOD_CLV_TOP, PAT_ROAD_READ, -1, clv_top_params, "Customers by predicted value, greatest first."},
    {"clv.dist", PAT_METHOD_CLV_DIST, PAT_ROAD_READ, -1, clv_dist_params,
     "How predicted value spreads over customers: histogram, deciles, Lorenz curve, Gini."},
    {"snapshot.save", PAT_METHOD_SNAPSHOT_SAVE, PAT_ROAD_SNAPSHOT, -1, no_params,
     "Writes a snapshot now, without stopping service."},
    {"snapshot.list", PAT_METHOD_SNAPSHOT_LIST, PAT_ROAD_LOOP, -1, no_params, "The snapshots that are kept."},
    {"backup.begin", PAT_METHOD_BACKUP_BEGIN, PAT_ROAD_SNAPSHOT, -1, backup_begin_params,
     "Writes a snapshot and holds it for reading, as the files of a data directory; `patron backup` does the rest."},
    {"backup.read", PAT_METHOD_BACKUP_READ, PAT_ROAD_READ, -1, backup_read_params,
     "A piece of one of these files; a backup of which nothing is read for a minute ends."},
    {"backup.end", PAT_METHOD_BACKUP_END, PAT_ROAD_LOOP, -1, backup_end_params, "Gives it up."},
    {"fx", PAT_METHOD_FX, PAT_ROAD_READ, -1, fx_params,
     "Exchange rates by currency: how many, first, last and latest, gaps, and facts without a rate."},
    {"verify", PAT_METHOD_VERIFY, PAT_ROAD_READ, -1, verify_params,
     "Recomputes kept aggregates from the facts and compares, reads every file again; names what is wrong."},
    {"config.reload", PAT_METHOD_CONFIG_RELOAD, PAT_ROAD_SESSION, -1, no_params,
     "Reads the configuration, users and certificate again; says what changed and what a restart would."},
    {"batch", PAT_METHOD_BATCH, PAT_ROAD_READ, -1, batch_params,
     "Answers several questions from one version; errors stand in the place of their question."},
    {"filter.parse", PAT_METHOD_FILTER_PARSE, PAT_ROAD_LOOP, -1, filter_parse_params,
     "A filter's canonical text, its tree and the fields it uses."},
};

#define METHOD_COUNT (sizeof pat_method_list / sizeof pat_method_list[0])
const unsigned pat_method_list_count = METHOD_COUNT;

const struct pat_method_info *pat_method_find(struct pat_text name) {
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        if (pat_text_is(name, pat_method_list[i].name)) return &pat_method_list[i];
    }
    return NULL;
}

const char *pat_method_nearest(struct pat_text name) {
    const char *names[METHOD_COUNT];
    for (size_t i = 0; i < METHOD_COUNT; i++) names[i] = pat_method_list[i].name;
    int nearest = pat_text_nearest(name, names, METHOD_COUNT);
    return nearest >= 0 ? names[nearest] : NULL;
}
