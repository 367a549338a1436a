/* Passes over rows that several threads share. */
#include "analytics/run_private.h"

#define NO_PART UINT32_MAX

/* What one thread says of the parts that it had: at most one of them fails, since it takes none behind that. */
struct lane {
    enum pat_status status;
    uint32_t failed;
    struct pat_error error;
};

struct passage {
    const struct pat_run *run;
    pat_part_rows_cb *part_cb;
    void *context;
    uint64_t rows;
    uint32_t failed; /* atomic: the first part that is known to have failed */
    struct lane *lane;
};

unsigned pat_run__lanes(const struct pat_run *run) {
    return pat_spread_lanes(run->job == NULL ? NULL : run->job->spread);
}

/* A lower number may come later: parts begin in rising order and end in any. */
static void note_failed(struct passage *passage, uint32_t part) {
    uint32_t known = __atomic_load_n(&passage->failed, __ATOMIC_RELAXED);
    while (part < known &&
           !__atomic_compare_exchange_n(&passage->failed, &known, part, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

static void run_part(void *context, uint32_t number, unsigned lane) {
    struct passage *passage = context;
    struct lane *own = &passage->lane[lane];
    /* Relaxed is enough: a part that is begun in vain changes nothing. */
    if (number > __atomic_load_n(&passage->failed, __ATOMIC_RELAXED)) return;
    const uint64_t first = (uint64_t)number * PAT_PART_ROWS;
    const uint64_t end = first + PAT_PART_ROWS < passage->rows ? first + PAT_PART_ROWS : passage->rows;
    const struct pat_part part = {
        .run = passage->run, .number = number, .lane = lane, .first = first, .end = end, .error = &own->error};
    enum pat_status status = pat_run__stopped(passage->run, &own->error);
    if (status == PAT_OK) status = passage->part_cb(passage->context, &part);
    if (status == PAT_OK) return;
    own->status = status;
    own->failed = number;
    note_failed(passage, number);
}

enum pat_status pat_run__spread(struct pat_run *run, uint64_t rows, pat_part_rows_cb *part_cb, void *context) {
    struct lane lane[PAT_SPREAD_LANES_MAX];
    struct passage passage = {
        .run = run, .part_cb = part_cb, .context = context, .rows = rows, .failed = NO_PART, .lane = lane};
    const unsigned lanes = pat_run__lanes(run);
    for (unsigned i = 0; i < lanes; i++) {
        lane[i].status = PAT_OK;
        lane[i].failed = NO_PART;
    }
    pat_spread_run(run->job == NULL ? NULL : run->job->spread, run_part, &passage, pat_run__parts(rows));
    const struct lane *first = &lane[0];
    for (unsigned i = 1; i < lanes; i++) {
        if (lane[i].failed < first->failed) first = &lane[i];
    }
    if (first->status != PAT_OK && run->error != NULL) *run->error = first->error;
    return first->status;
}
