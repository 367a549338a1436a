/* Requests: which methods there are, what parameters each takes, and those parameters checked and typed. The wire form
 * is proto's business; the names a question uses are bound to columns by analytics. */
#ifndef PAT_MODEL_REQUEST_H
#define PAT_MODEL_REQUEST_H

#include "base/arena.h"
#include "base/status.h"
#include "model/batch.h"
#include "model/clv.h"
#include "model/filter.h"
#include "model/limits.h"
#include "model/rfm.h"
#include "model/types.h"
#include "model/value.h"

#include <stdbool.h>
#include <stdint.h>

enum pat_method {
    PAT_METHOD_HELLO,
    PAT_METHOD_PING,
    PAT_METHOD_CANCEL,
    PAT_METHOD_AUTH_START,
    PAT_METHOD_AUTH_FINISH,
    PAT_METHOD_STATUS,
    PAT_METHOD_SCHEMA,
    PAT_METHOD_SCHEMA_ADD,
    PAT_METHOD_LOAD, /* load.customers .orders .lines .refunds .fx */
    PAT_METHOD_LOAD_STATE,
    PAT_METHOD_CUSTOMER,
    PAT_METHOD_ORDER,
    PAT_METHOD_COUNT,
    PAT_METHOD_ROWS,
    PAT_METHOD_GROUP,
    PAT_METHOD_COHORT,
    PAT_METHOD_CONTROL,
    PAT_METHOD_RFM_GRID,
    PAT_METHOD_RFM_GROUPS,
    PAT_METHOD_RFM_MAP_SAVE,
    PAT_METHOD_FX,
    PAT_METHOD_CLV_FIT,
    PAT_METHOD_CLV_USE,
    PAT_METHOD_CLV_FITS,
    PAT_METHOD_CLV_PREDICT,
    PAT_METHOD_CLV_TOP,
    PAT_METHOD_CLV_DIST,
    PAT_METHOD_SNAPSHOT_SAVE,
    PAT_METHOD_SNAPSHOT_LIST,
    PAT_METHOD_BACKUP_BEGIN,
    PAT_METHOD_BACKUP_READ,
    PAT_METHOD_BACKUP_END,
    PAT_METHOD_VERIFY,
    PAT_METHOD_CONFIG_RELOAD,
    PAT_METHOD_BATCH,
    PAT_METHOD_FILTER_PARSE,
    PAT_METHODS
};

/* Where a method is answered. */
enum pat_method_road {
    PAT_ROAD_SESSION, /* by the connection itself: hello, ping, cancel, auth.*, config.reload */
    PAT_ROAD_LOOP, /* by the engine on the loop thread, at once: status, schema, load.state, snapshot.list, filter.parse
                    */
    PAT_ROAD_WRITE,   /* through the journal: load.*, schema.add, rfm.map.save */
    PAT_ROAD_READ,    /* by a worker on a view: questions, verify */
    PAT_ROAD_FIT,     /* read, then written: a worker's answer goes through the journal, too: clv.fit */
    PAT_ROAD_SNAPSHOT /* by the snapshot thread: snapshot.save, backup.begin */
};

struct pat_method_info {
    const char *name; /* "rfm.grid" */
    enum pat_method method;
    enum pat_method_road road;
    int table;                 /* of load.TABLE, else -1 */
    const char *const *params; /* NULL-terminated names, for messages and `schema` */
    const char *explain;       /* one sentence for `schema` */
};

/* NULL when there is none. */
const struct pat_method_info *pat_method_find(struct pat_text name);
const char *pat_method_nearest(struct pat_text name);
extern const struct pat_method_info pat_method_list[];
extern const unsigned pat_method_list_count;

enum pat_as_of_kind { PAT_AS_OF_NOW, PAT_AS_OF_LATEST, PAT_AS_OF_DAY };

enum pat_rfm_scoring { PAT_RFM_QUINTILE, PAT_RFM_CUTS, PAT_RFM_MEAN };

/* The `rfm` parameter, or the same names at the top of rfm.* requests. */
struct pat_rfm_spec {
    int32_t window_days; /* 0 = all */
    enum pat_rfm_scoring scoring;
    int64_t cut_r[4], cut_f[4], cut_m[4]; /* at or better than cut[i] earns score i+2 at least; m in base minor */
    struct pat_text map;                  /* name; empty = "default" */
    const struct pat_filter *population;  /* NULL = everybody */
};

/* What the asker knows already: nothing is answered when that still holds. */
struct pat_unless {
    bool given;
    uint64_t epoch;
    pat_lsn lsn;
    bool as_of_given; /* else the day is not compared */
    pat_day as_of;
};

/* What every reading method takes. */
struct pat_question {
    const struct pat_filter *where; /* never NULL after parsing: TRUE when absent */
    enum pat_as_of_kind as_of;
    pat_day as_of_day;
    struct pat_rfm_spec rfm;
    pat_lsn min_lsn;
    uint32_t deadline_ms; /* 0 = none */
    struct pat_unless unless;
    bool explain_plan;              /* the answer says how it was found */
    int32_t lifecycle_cut[2];       /* days since the latest order: up to the first active, up to the second sleeping */
    int32_t lifecycle_gap_milli[2]; /* the same in thousandths of the customer's own mean gap; 0 = the days above */
};

enum pat_metric_kind {
    PAT_METRIC_COUNT, /* count */
    PAT_METRIC_SUM,
    PAT_METRIC_AVG,
    PAT_METRIC_MIN,
    PAT_METRIC_MAX,
    PAT_METRIC_PERCENTILE, /* p50(net), p99.9(net): nearest rank */
    PAT_METRIC_CUSTOMERS,  /* customers: how many different ones */
};

/* A day of a question: absolute, or days from the question's own. */
struct pat_day_param {
    bool given;
    bool relative;
    int32_t days;
};

struct pat_metric {
    struct pat_text text; /* as asked: the column's name in the answer */
    enum pat_metric_kind kind;
    struct pat_text field; /* empty for count */
    double percent;        /* 50, 99.9 */
};

struct pat_order_by {
    struct pat_text text; /* field, or metric as asked, without the '-' */
    bool descending;
};

/* Where a page of rows goes on: the version it stays on, the row it stopped at, and what was asked. As a text it is
 * opaque and carries its own check; that keeps mistakes out, not attackers, and there is nothing in it to gain. */
struct pat_cursor {
    uint64_t process;   /* the server that gave it */
    uint64_t pin;       /* number of the pinned version there */
    uint64_t issued_ms; /* of that server's clock */
    uint64_t asked;     /* pat_request_fingerprint */
    pat_day today;
    pat_row row;
};

/* One question of a batch. */
struct pat_batch_call {
    const struct pat_method_info *info; /* NULL when there is no such method */
    const struct pat_request *request;
    const struct pat_error *error; /* what is wrong with the call; NULL for nothing */
};

/* One of several customers that are asked for in the same words: its id, a number or else a text, and where it leads.
 */
struct pat_look_up {
    int64_t number; /* -1: none */
    struct pat_text text;
    pat_row row;
};

enum pat_cohort_metric { PAT_COHORT_CUSTOMERS, PAT_COHORT_ORDERS, PAT_COHORT_NET };
enum pat_control_by { PAT_CONTROL_DAY, PAT_CONTROL_MONTH, PAT_CONTROL_CURRENCY, PAT_CONTROL_PRODUCER };

/* A piece of a backup. */
struct pat_backup_ask {
    bool newest;     /* BEGIN: take the newest snapshot instead of writing one */
    uint64_t backup; /* READ, END: which */
    uint32_t file;   /* READ: place in the list that BEGIN gave */
    uint64_t offset;
    uint32_t bytes;
};

struct pat_request {
    enum pat_method method;
    struct pat_question question;

    struct pat_load load; /* LOAD */

    /* CUSTOMER, ORDER */
    struct pat_text id;
    bool with_orders, with_refunds, with_lines;

    /* ROWS, GROUP */
    enum pat_table_id from;
    const struct pat_text *names; /* rows: fields; group: by, each as asked */
    uint32_t names_count;
    const struct pat_metric *metric;
    uint32_t metrics;
    const struct pat_order_by *order_by;
    uint32_t order_bys;
    uint32_t limit;                  /* 0 = the method's default (group: all) */
    struct pat_day_param between[2]; /* GROUP of facts, CONTROL: first and last day; not given = open */

    /* ROWS */
    bool cursor_given;
    struct pat_cursor cursor;

    /* BATCH */
    struct pat_batch_call *call;
    uint32_t calls;

    /* COHORT */
    bool cohort_created; /* begins when the profile was created, else with the first order */
    enum pat_cohort_metric cohort_metric;
    uint32_t cohort_periods; /* 0 = up to the question's day */

    /* CONTROL, with `from` */
    enum pat_control_by control_by;

    /* RFM_MAP_SAVE */
    const struct pat_rfm_map *map;

    /* SCHEMA_ADD */
    const struct pat_attribute *attribute;

    /* CLV_* */
    struct pat_clv_ask clv;

    /* BACKUP_* */
    struct pat_backup_ask backup;

    /* LOAD_STATE */
    struct pat_text producer;

    /* FILTER_PARSE keeps its result in question.where */
};

/* Checks and types the parameters of `info->method`. `params` is the one positional argument: a map, or NULL for none.
 * Everything points into `params` or the arena. Unknown parameters fail with the nearest name; wrong types name the
 * parameter, what came and what was expected.
 * Fails: PAT_ERR_BAD_REQUEST, PAT_ERR_UNKNOWN_FIELD, PAT_ERR_TOO_LARGE, PAT_ERR_NO_MEMORY. */
enum pat_status pat_request_parse(struct pat_request *out, const struct pat_method_info *info,
                                  const struct pat_value *params, struct pat_arena *arena,
                                  struct pat_error *error) PAT_MUST_CHECK;

#define PAT_CURSOR_TEXT_BYTES 97u
/* The text of a cursor, with a NUL. */
void pat_cursor_print(const struct pat_cursor *cursor, char out[PAT_CURSOR_TEXT_BYTES]);
/* False for what pat_cursor_print did not make. */
bool pat_cursor_parse(struct pat_text text, struct pat_cursor *out);
/* What the pages of one question have in common: everything that decides which rows there are, in which order, and how
 * they look. PAT_ERR_NO_MEMORY when the arena has nothing left. */
enum pat_status pat_request_fingerprint(const struct pat_request *request, struct pat_arena *arena,
                                        uint64_t *out) PAT_MUST_CHECK;
/* What scores and the life cycle depend on beside the day; data NULL when there is no memory. */
struct pat_text pat_question_key(const struct pat_question *question, struct pat_arena *arena);

/* "365d", "52w", "all" (0). False for anything else, zero or more than 100 years. */
bool pat_duration_parse(struct pat_text text, int32_t *days);

#endif
