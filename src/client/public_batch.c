#include "patron/patron.h"

#include "base/arena.h"
#include "base/mem.h"
#include "client/client.h"
#include "client/public_private.h"
#include "model/limits.h"
#include "model/value.h"

#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "columns go out as they lie in memory");

struct patron_batch {
    struct pat_arena arena;
    struct pat_builder builder;
    char method[64];
    size_t rows;
    struct pat_value columns;
    struct pat_error trouble; /* the first; status PAT_OK when none */
};

struct patron_batch *patron_batch_new(const char *table, size_t rows) {
    if (rows == 0 || rows > PAT_BATCH_ROWS_MAX) return NULL;
    struct patron_batch *batch = pat_mem_alloc(PAT_MEM_OTHER, sizeof *batch);
    if (batch == NULL) return NULL;
    pat_arena_init(&batch->arena, 0);
    batch->builder.arena = &batch->arena;
    (void)snprintf(batch->method, sizeof batch->method, "load.%s", table);
    batch->rows = rows;
    batch->columns = pat_build_map(&batch->builder, 16);
    return batch;
}

void patron_batch_free(struct patron_batch *batch) {
    if (batch == NULL) return;
    pat_arena_deinit(&batch->arena);
    pat_mem_free(PAT_MEM_OTHER, batch);
}

static void batch_spoil(struct patron_batch *batch, const char *field, const char *what) {
    if (batch->trouble.status != PAT_OK) return;
    (void)pat_error_set_at(&batch->trouble, PAT_ERR_BAD_REQUEST, field, -1, -1, "column %s %s", field, what);
}

static void batch_put(struct patron_batch *batch, const char *field, struct pat_value column) {
    if (batch->builder.failed) return;
    if (pat_value_get(&batch->columns, field) != NULL) {
        batch_spoil(batch, field, "is there already");
        return;
    }
    struct pat_text key = pat_arena_text(&batch->arena, pat_text_of(field));
    if (key.data == NULL) batch->builder.failed = true;
    pat_build_put_text_key(&batch->builder, &batch->columns, key, column);
}

/* A copy of fixed-width values as bin. */
static struct pat_value batch_bin(struct patron_batch *batch, const void *values, size_t bytes) {
    unsigned char *copy = pat_arena_alloc(&batch->arena, bytes);
    if (copy == NULL) {
        batch->builder.failed = true;
        return pat_value_nil();
    }
    memcpy(copy, values, bytes);
    return (struct pat_value){.type = PAT_VALUE_BIN, .count = (uint32_t)bytes, .as.bin = copy};
}

static void batch_fixed(struct patron_batch *batch, const char *field, const void *values, size_t width,
                        const unsigned char *nulls) {
    struct pat_value bin = batch_bin(batch, values, batch->rows * width);
    if (nulls == NULL) {
        batch_put(batch, field, bin);
        return;
    }
    struct pat_value column = pat_build_map(&batch->builder, 2);
    pat_build_put(&batch->builder, &column, "bin", bin);
    pat_build_put(&batch->builder, &column, "nulls", batch_bin(batch, nulls, (batch->rows + 7) / 8));
    batch_put(batch, field, column);
}

void patron_batch_i64(struct patron_batch *batch, const char *field, const int64_t *values,
                      const unsigned char *nulls) {
    batch_fixed(batch, field, values, sizeof *values, nulls);
}

void patron_batch_i32(struct patron_batch *batch, const char *field, const int32_t *values,
                      const unsigned char *nulls) {
    batch_fixed(batch, field, values, sizeof *values, nulls);
}

void patron_batch_u64(struct patron_batch *batch, const char *field, const uint64_t *values,
                      const unsigned char *nulls) {
    batch_fixed(batch, field, values, sizeof *values, nulls);
}

/* An array of texts, nil for NULL. */
static struct pat_value batch_texts(struct patron_batch *batch, const char *const *values, size_t count) {
    struct pat_value array = pat_build_array(&batch->builder, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        struct pat_value text =
            values[i] != NULL ? pat_build_text(&batch->builder, pat_text_of(values[i])) : pat_value_nil();
        pat_build_push(&batch->builder, &array, text);
    }
    return array;
}

void patron_batch_text(struct patron_batch *batch, const char *field, const char *const *values) {
    batch_put(batch, field, batch_texts(batch, values, batch->rows));
}

/* The codes in the fewest bytes that hold every place of the dictionary. */
static void codes_narrow(unsigned char *out, const uint32_t *codes, size_t count, size_t width) {
    for (size_t i = 0; i < count; i++) memcpy(out + i * width, &codes[i], width);
}

void patron_batch_dict(struct patron_batch *batch, const char *field, const char *const *dict, size_t dict_count,
                       const uint32_t *codes) {
    if (dict_count == 0 || dict_count > UINT32_MAX) {
        batch_spoil(batch, field, "has a dictionary of impossible size");
        return;
    }
    for (size_t i = 0; i < batch->rows; i++) {
        if (codes[i] < dict_count) continue;
        batch_spoil(batch, field, "has a code beyond its dictionary");
        return;
    }
    size_t width = dict_count <= 256 ? 1 : dict_count <= 65536 ? 2 : 4;
    unsigned char *narrow = pat_arena_array(&batch->arena, batch->rows, width);
    if (narrow == NULL) {
        batch->builder.failed = true;
        return;
    }
    codes_narrow(narrow, codes, batch->rows, width);
    struct pat_value column = pat_build_map(&batch->builder, 2);
    struct pat_value bin = {.type = PAT_VALUE_BIN, .count = (uint32_t)(batch->rows * width), .as.bin = narrow};
    pat_build_put(&batch->builder, &column, "dict", batch_texts(batch, dict, dict_count));
    pat_build_put(&batch->builder, &column, "codes", bin);
    batch_put(batch, field, column);
}

static enum pat_status batch_check(const struct patron_batch *batch, const struct patron_batch_options *options,
                                   struct pat_error *error) {
    if (batch->builder.failed) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the columns of the batch");
    if (batch->trouble.status != PAT_OK) {
        *error = batch->trouble;
        return error->status;
    }
    if (batch->columns.count == 0) return pat_error_set(error, PAT_ERR_BAD_REQUEST, "the batch has no columns");
    if (options->producer == NULL || options->producer[0] == '\0')
        return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, "producer", -1, -1, "a batch needs a producer");
    return PAT_OK;
}

enum patron_status patron_batch_send(struct patron *patron, const struct patron_batch *batch,
                                     const struct patron_batch_options *options, uint32_t *msgid,
                                     struct patron_error *error) {
    struct pat_error trouble;
    enum pat_status status = batch_check(batch, options, &trouble);
    if (status != PAT_OK) return patron__fail(error, &trouble);
    struct pat_member members[6] = {
        {PAT_TEXT("producer"), pat_value_string(options->producer)},
        {PAT_TEXT("seq"), pat_value_uint(options->seq)},
        {PAT_TEXT("on_error"), pat_value_string(options->skip_bad ? "skip" : "reject")},
        {PAT_TEXT("columns"), batch->columns},
    };
    uint32_t count = 4;
    if (options->append) members[count++] = (struct pat_member){PAT_TEXT("mode"), pat_value_string("append")};
    if (options->meta != NULL)
        members[count++] = (struct pat_member){PAT_TEXT("meta"), pat_value_string(options->meta)};
    struct pat_value params = {.type = PAT_VALUE_MAP, .count = count, .as.members = members};
    status = pat_client_send(patron->client, batch->method, &params, msgid, &trouble);
    return status == PAT_OK ? PATRON_OK : patron__fail(error, &trouble);
}
