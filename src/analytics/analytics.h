/* Answers to questions, computed from a pinned view. Nothing here writes to the store, and nothing waits but for the
 * threads that `spread` lends.
 *
 * Thread: a worker (or the loop in tests); everything reached through `job` is const or the worker's own. */
#ifndef PAT_ANALYTICS_ANALYTICS_H
#define PAT_ANALYTICS_ANALYTICS_H

#include "base/arena.h"
#include "base/spread.h"
#include "base/status.h"
#include "kernel/kernel.h"
#include "model/request.h"
#include "model/value.h"
#include "store/store.h"

struct pat_job {
    const struct pat_view *view;
    const struct pat_request *request;
    const struct pat_kernels *kernels;
    struct pat_arena *arena; /* scratch and the answer */
    pat_day today;           /* local day of the clock when the question came: "now" */
    struct pat_memo *memo;   /* what questions about the same view share; may be NULL */
    struct pat_known *known; /* of the view, for look-ups by any thread; may be NULL */
    /* Windows that were kept from earlier questions about any view of the store, and room for one made now, if that is
     * to be kept: NULL in it, pat_kept_window_close it. All may be NULL. */
    const struct pat_kept_window *const *kept_window; /* [PAT_KEPT_WINDOWS], some may be NULL */
    struct pat_kept_window **made_window;
    /* One that nobody needs any more: that one may take its memory, and sets it to NULL then. May be NULL. */
    struct pat_kept_window **spare_window;
    bool at_once;   /* what takes a look at everybody is not begun: PAT_ERR_MORE */
    bool continues; /* ROWS: not the first page, go on */
    pat_row after;  /* behind this row of the table */
    pat_row *last;  /* ROWS: set to the last row given when there are more, else to PAT_ROW_NONE; may be NULL */
    struct pat_clv_fit *fit; /* CLV_FIT: where the fit goes; else NULL */
    pat_row
        row; /* CUSTOMER, ORDER, CLV_PREDICT: the row that the id led to (the engine looked it up), or PAT_ROW_NONE */
    /* Asked between blocks of work: PAT_OK to go on, PAT_ERR_CANCELLED or PAT_ERR_DEADLINE to stop. May be NULL. */
    enum pat_status (*stop_cb)(void *context);
    void *stop_context;
    /* A clock in nanoseconds for explain_plan; NULL: steps are told without their time. */
    uint64_t (*clock_cb)(void);
    /* Threads that join in; NULL: none. Then stop_cb is called from any of them. */
    const struct pat_spread *spread;
};

/* Runs a PAT_ROAD_READ or PAT_ROAD_FIT request. `result` becomes a map with the method's own members and, as they
 * apply, as_of ("YYYY-MM-DD"), newest_fact, warnings, undated, unpriced. lsn, epoch, ms are added by the engine. Fails:
 * PAT_ERR_BAD_REQUEST, PAT_ERR_UNKNOWN_FIELD (message names the nearest, offset in the filter text), PAT_ERR_NOT_FOUND,
 * PAT_ERR_TOO_LARGE, PAT_ERR_NO_MEMORY, PAT_ERR_CANCELLED, PAT_ERR_DEADLINE. */
enum pat_status pat_analytics_run(const struct pat_job *job, struct pat_value *result,
                                  struct pat_error *error) PAT_MUST_CHECK;

/* The answer to one of several look-ups: a result, or NULL and what is wrong with it. `builder` and what is in the
 * result are gone with the next. */
typedef void pat_looked_up_cb(void *context, unsigned which, struct pat_value *result, struct pat_builder *builder,
                              const struct pat_error *error);
/* `customer` for several customers, job->row standing for none: what pat_analytics_run would answer to each of them,
 * one after the other, with what they have in common found once. The request asks for no facts and no plan, and scores
 * everybody by days. Fails before the first answer: PAT_ERR_MORE, PAT_ERR_NO_MEMORY. */
enum pat_status pat_analytics_look_up(const struct pat_job *job, const struct pat_look_up *look, unsigned count,
                                      pat_looked_up_cb *looked_up_cb, void *context,
                                      struct pat_error *error) PAT_MUST_CHECK;

/* Asks the processor for what `customer` of these rows reads (PAT_ROW_NONE: of none), for look-ups that come next. */
void pat_analytics_ahead(const struct pat_view *view, const pat_row *customer, unsigned count);

/* Who is live, facts, scores and what filters select, kept from one question to the next of one view as long as day and
 * rfm stay the same. Holds memory of its own, within the limit of one query. PAT_ERR_NO_MEMORY. */
enum pat_status pat_memo_open(struct pat_memo **out) PAT_MUST_CHECK;
void pat_memo_close(struct pat_memo **memo);

/* What look-ups of single customers in one version share: thresholds of scores, a few of them. Of the view of the jobs
 * that are given it. Thread: opened and closed with nobody reading, else any. PAT_ERR_NO_MEMORY. */
enum pat_status pat_known_open(struct pat_known **out) PAT_MUST_CHECK;
void pat_known_close(struct pat_known **known);
/* Something is known. Thread: any. */
bool pat_known_any(const struct pat_known *known);

/* What runs say of every customer's orders and money within a window that ends on a day. It holds for any view that has
 * the same runs, whatever came behind them: a question adds that. */
#define PAT_KEPT_WINDOWS 2u
void pat_kept_window_close(struct pat_kept_window **window);
/* Both are of the same day and window, and so the newer one takes the place of the other. */
bool pat_kept_window_same(const struct pat_kept_window *a, const struct pat_kept_window *b);
/* It was filled to the end: only then is it worth keeping. */
bool pat_kept_window_whole(const struct pat_kept_window *window);

/* The day that the request is about: D. */
pat_day pat_analytics_day(const struct pat_job *job);

/* Binds the names of a filter without running it: PAT_OK when every name and value makes sense. For filter.parse. */
enum pat_status pat_analytics_check_filter(const struct pat_view *view, const struct pat_filter *filter,
                                           struct pat_arena *arena, struct pat_error *error) PAT_MUST_CHECK;

/* Puts horizon, discount_annual and margin. */
void pat_analytics_put_use(struct pat_builder *builder, const struct pat_clv_use *use, struct pat_value *map);
/* Appends what whoever uses the fit should know. */
void pat_analytics_fit_warnings(struct pat_builder *builder, const struct pat_clv_fit *fit, struct pat_value *warnings);

/* Appends what `schema` says of computed customer fields (name, type, unit, explain) to the array. */
void pat_analytics_describe(struct pat_builder *builder, struct pat_value *fields);
/* The same of the fields that facts have beside the loaded ones, by table, and how they name those of their customers.
 */
struct pat_value pat_analytics_describe_facts(struct pat_builder *builder);

#endif
