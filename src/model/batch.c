#include "model/batch.h"

#include "base/status.h"

static const char *const reject_codes[PAT_REJECTS] = {
    [PAT_REJECT_MISSING] = "MISSING",
    [PAT_REJECT_BAD_ID] = "BAD_ID",
    [PAT_REJECT_BAD_TYPE] = "BAD_TYPE",
    [PAT_REJECT_BAD_TIME] = "BAD_TIME",
    [PAT_REJECT_FUTURE] = "FUTURE",
    [PAT_REJECT_BAD_MONEY] = "BAD_MONEY",
    [PAT_REJECT_BAD_CURRENCY] = "BAD_CURRENCY",
    [PAT_REJECT_BAD_VALUE] = "BAD_VALUE",
    [PAT_REJECT_TOO_LONG] = "TOO_LONG",
    [PAT_REJECT_CONFLICT] = "CONFLICT",
};

const char *pat_reject_code(enum pat_reject reject) {
    PAT_ASSERT((unsigned)reject < PAT_REJECTS);
    return reject_codes[reject];
}

struct pat_batch_column *pat_batch_find(const struct pat_batch *batch, int field) {
    for (uint32_t i = 0; i < batch->columns; i++) {
        if (batch->column[i].field == field) return &batch->column[i];
    }
    return NULL;
}
