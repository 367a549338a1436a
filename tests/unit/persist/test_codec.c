#include "kit.h"

static struct pat_buf encode(const struct pat_entry *entry) {
    struct pat_buf buf;
    pat_buf_init(&buf, PAT_MEM_OTHER);
    assert_int_equal(pat_codec__entry_write(entry, NULL, &buf), PAT_OK);
    return buf;
}

static enum pat_status decode(struct pat_decoded *out, const unsigned char *bytes, size_t count,
                              struct pat_arena *arena) {
    struct pat_reader reader = {.at = bytes, .end = bytes + count};
    return pat_codec__entry_read(out, &reader, arena);
}

static void assert_text_equal(struct pat_text a, struct pat_text b) {
    assert_int_equal(a.length, b.length);
    assert_memory_equal(a.data, b.data, a.length);
}

static void assert_batch_equal(const struct pat_batch *a, const struct pat_batch *b) {
    assert_int_equal(a->table, b->table);
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->rows_sent, b->rows_sent);
    assert_int_equal(a->append, b->append);
    assert_int_equal(a->now_ms, b->now_ms);
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->rejected, b->rejected);
    assert_true(pat_digest_equal(a->digest, b->digest));
    assert_text_equal(a->producer, b->producer);
    assert_text_equal(a->meta, b->meta);
    assert_int_equal(a->columns, b->columns);
    for (uint32_t c = 0; c < a->columns; c++) {
        const struct pat_batch_column *x = &a->column[c], *y = &b->column[c];
        assert_int_equal(x->field, y->field);
        assert_int_equal(x->decimal, y->decimal);
        assert_int_equal(x->dict_count, y->dict_count);
        for (uint32_t i = 0; i < x->dict_count; i++) assert_text_equal(x->dict[i], y->dict[i]);
        assert_memory_equal(x->value, y->value, a->rows * sizeof *x->value);
    }
    assert_int_equal(a->errors, b->errors);
    for (uint32_t i = 0; i < a->errors; i++) {
        assert_int_equal(a->error[i].row, b->error[i].row);
        assert_int_equal(a->error[i].code, b->error[i].code);
        assert_string_equal(a->error[i].field, b->error[i].field);
        assert_text_equal(a->error[i].message, b->error[i].message);
    }
    assert_int_equal(a->rejects, b->rejects);
    for (uint32_t i = 0; i < a->rejects; i++) {
        assert_string_equal(a->reject[i].field, b->reject[i].field);
        assert_int_equal(a->reject[i].rows, b->reject[i].rows);
    }
}

static void test_batches_of_all_shapes_come_back_as_they_were(void **state) {
    (void)state;
    for (unsigned i = 1; i <= 600; i++) {
        struct kit_batch kit;
        struct pat_decoded decoded;
        struct pat_arena arena;
        kit_batch_init(&kit, 7, i, i % 50 == 0 ? 5000 : i % 12);
        struct pat_buf buf = encode(&kit.entry);
        pat_arena_init(&arena, 0);
        assert_int_equal(decode(&decoded, buf.data, buf.length, &arena), PAT_OK);
        assert_int_equal(decoded.entry.kind, kit.entry.kind);
        if (kit.entry.kind == PAT_ENTRY_BATCH) {
            assert_batch_equal(&kit.batch, decoded.entry.batch);
        } else {
            assert_string_equal(kit.map.name, decoded.entry.map->name);
            assert_int_equal(kit.map.groups, decoded.entry.map->groups);
            assert_memory_equal(kit.map.of_cell, decoded.entry.map->of_cell, sizeof kit.map.of_cell);
        }
        pat_arena_deinit(&arena);
        pat_buf_deinit(&buf);
        kit_batch_deinit(&kit);
    }
}

/* One column of the values given, as a batch of customers. */
static size_t bytes_of_column(int64_t *values, uint32_t rows) {
    struct pat_batch_column column = {.field = PAT_CUSTOMER_BIRTH_YEAR, .value = values};
    struct pat_batch batch = {.table = PAT_CUSTOMERS, .rows = rows, .columns = 1, .column = &column};
    struct pat_entry entry = {.kind = PAT_ENTRY_BATCH, .batch = &batch};
    struct pat_buf buf = encode(&entry);
    struct pat_decoded decoded;
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    assert_int_equal(decode(&decoded, buf.data, buf.length, &arena), PAT_OK);
    assert_memory_equal(decoded.batch.column[0].value, values, rows * sizeof *values);
    size_t bytes = buf.length;
    pat_arena_deinit(&arena);
    pat_buf_deinit(&buf);
    return bytes;
}

static void test_columns_are_as_narrow_as_their_values(void **state) {
    (void)state;
    int64_t values[1000];
    for (int i = 0; i < 1000; i++) values[i] = PAT_NULL;
    size_t none = bytes_of_column(values, 1000);
    for (int i = 0; i < 1000; i++) values[i] = -5;
    assert_int_equal(bytes_of_column(values, 1000), none);
    static const struct {
        int64_t low, high;
        size_t width;
    } cases[] = {
        {INT64_MAX - 254, INT64_MAX, 1},
        {INT64_MIN + 1, INT64_MIN + 255, 1},
        {0, 255, 2},
        {-1, 65533, 2},
        {0, 65535, 4},
        {5, 5 + 4294967294, 4},
        {5, 5 + 4294967295, 8},
        {INT64_MIN + 1, INT64_MAX, 8},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        for (int i = 0; i < 1000; i++) values[i] = i % 3 == 0 ? cases[k].low : i % 3 == 1 ? cases[k].high : PAT_NULL;
        assert_int_equal(bytes_of_column(values, 1000), none + 1000 * cases[k].width);
    }
}

static void test_bytes_cut_short_are_refused(void **state) {
    (void)state;
    for (unsigned i = 1; i <= 40; i++) {
        struct kit_batch kit;
        kit_batch_init(&kit, 3, i, 6);
        struct pat_buf buf = encode(&kit.entry);
        for (size_t length = 0; length < buf.length; length++) {
            struct pat_decoded decoded;
            struct pat_arena arena;
            pat_arena_init(&arena, 0);
            unsigned char *exact = malloc(length + 1); /* so that a sanitizer sees one byte too far */
            assert_non_null(exact);
            memcpy(exact, buf.data, length);
            assert_int_equal(decode(&decoded, exact, length, &arena), PAT_ERR_CORRUPT);
            free(exact);
            pat_arena_deinit(&arena);
        }
        pat_buf_deinit(&buf);
        kit_batch_deinit(&kit);
    }
}

static void test_attributes_and_their_columns_come_back(void **state) {
    (void)state;
    struct pat_attribute attribute = {.table = PAT_LINES, .type = PAT_TYPE_SET};
    assert_true(pat_attribute_set_name(&attribute, PAT_TEXT("gift_wrap")));
    struct pat_entry entry = {.kind = PAT_ENTRY_ATTRIBUTE, .attribute = &attribute};
    struct pat_decoded decoded;
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_buf buf = encode(&entry);
    assert_int_equal(decode(&decoded, buf.data, buf.length, &arena), PAT_OK);
    assert_int_equal(decoded.entry.attribute->table, PAT_LINES);
    assert_int_equal(decoded.entry.attribute->type, PAT_TYPE_SET);
    assert_string_equal(decoded.entry.attribute->name, "attr.gift_wrap");
    buf.data[2] = PAT_TYPE_REF; /* no attribute has that */
    assert_int_equal(decode(&decoded, buf.data, buf.length, &arena), PAT_ERR_CORRUPT);
    pat_buf_deinit(&buf);

    int64_t order[] = {1, 2}, code[] = {0, PAT_NULL}, number[] = {PAT_NULL, 5}, customer[] = {3, 3};
    struct pat_text dict[] = {PAT_TEXT("card")};
    struct pat_batch_column column[] = {
        {.field = PAT_LINE_ORDER, .type = PAT_TYPE_REF, .value = order},
        {.field = PAT_LINE_COLUMNS, .type = PAT_TYPE_TEXT, .value = code, .dict = dict, .dict_count = 1},
        {.field = PAT_LINE_COLUMNS + (int)PAT_ATTRIBUTES_MAX - 1, .type = PAT_TYPE_INT, .value = number},
        {.field = PAT_LINE_OF_CUSTOMER, .type = PAT_TYPE_REF, .value = customer}};
    struct pat_batch batch = {.table = PAT_LINES, .rows = 2, .rows_sent = 2, .columns = 4, .column = column};
    entry = (struct pat_entry){.kind = PAT_ENTRY_BATCH, .batch = &batch};
    buf = encode(&entry);
    assert_int_equal(decode(&decoded, buf.data, buf.length, &arena), PAT_OK);
    assert_batch_equal(&batch, decoded.entry.batch);
    for (unsigned c = 0; c < 4; c++) assert_int_equal(decoded.batch.column[c].type, column[c].type);
    pat_buf_deinit(&buf);
    pat_arena_deinit(&arena);
}

static struct pat_clv_fit sample_fit(void) {
    struct pat_clv_fit fit = {.name = "spring",
                              .model = "mbg_nbd",
                              .lsn = 3,
                              .data_lsn = 2,
                              .unit_days = 7,
                              .end = 19000,
                              .params_count = 2,
                              .param_name = {"r", "alpha"},
                              .params = {0.5, 6.25},
                              .se = {0.125, 1},
                              .customers = 9,
                              .repeaters = 4,
                              .loglik = -12.5,
                              .nbd_loglik = -13,
                              .iterations = 7,
                              .converged = true,
                              .boundary = {"a", "zero", "hardly any customer leaves"},
                              .spend = {.p = 1.5, .q = 2.5, .v = 3.5, .customers = 4, .mean_infinite = true},
                              .holdout = {.end = 19090, .actual = 6, .expected = 5.5, .mae = 0.25, .rmse = 0.75}};
    return fit;
}

static void assert_fit_equal(const struct pat_clv_fit *a, const struct pat_clv_fit *b) {
    struct pat_buf first, second;
    pat_buf_init(&first, PAT_MEM_JOURNAL);
    pat_buf_init(&second, PAT_MEM_JOURNAL);
    assert_int_equal(pat_codec__fit_write(a, &first), PAT_OK);
    assert_int_equal(pat_codec__fit_write(b, &second), PAT_OK);
    assert_int_equal(first.length, second.length);
    assert_memory_equal(first.data, second.data, first.length);
    pat_buf_deinit(&first);
    pat_buf_deinit(&second);
}

static void test_fits_come_back_as_they_were(void **state) {
    (void)state;
    const struct pat_clv_fit fit = sample_fit();
    struct pat_fit_change change = {.fit = &fit, .adopt = PAT_CLV_ADOPT_FIRST};
    struct pat_entry entry = {.kind = PAT_ENTRY_FIT, .fit = &change};
    struct pat_decoded decoded;
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_buf buf = encode(&entry);
    assert_int_equal(decode(&decoded, buf.data, buf.length, &arena), PAT_OK);
    const struct pat_clv_fit *back = decoded.entry.fit->fit;
    assert_int_equal(decoded.entry.fit->adopt, PAT_CLV_ADOPT_FIRST);
    assert_fit_equal(back, &fit);
    assert_string_equal(back->boundary.meaning, fit.boundary.meaning);
    assert_string_equal(back->param_name[1], "alpha");
    assert_true(back->params[1] == 6.25 && back->se[0] == 0.125 && back->holdout.rmse == 0.75 && back->spend.v == 3.5);
    assert_true(back->converged && !back->spend.converged && back->spend.mean_infinite);
    assert_int_equal(back->holdout.end, 19090);
    uint64_t random = 11;
    for (unsigned i = 0; i < 2000; i++) { /* damage is refused or read, and never goes further */
        unsigned char copy[4096];
        assert_true(buf.length <= sizeof copy);
        memcpy(copy, buf.data, buf.length);
        copy[1 + sim_random(&random) % (buf.length - 1)] = (unsigned char)sim_random(&random);
        (void)!decode(&decoded, copy, sim_random(&random) % 3 == 0 ? sim_random(&random) % buf.length : buf.length,
                      &arena);
    }
    pat_buf_deinit(&buf);

    change = (struct pat_fit_change){.name = PAT_TEXT("spring"), .use = {730.5, 0.12, 0.4}};
    entry.kind = PAT_ENTRY_FIT_USE;
    buf = encode(&entry);
    assert_int_equal(decode(&decoded, buf.data, buf.length, &arena), PAT_OK);
    assert_true(pat_text_is(decoded.entry.fit->name, "spring"));
    assert_true(decoded.entry.fit->use.horizon_days == 730.5 && decoded.entry.fit->use.margin == 0.4);
    pat_buf_deinit(&buf);
    pat_arena_deinit(&arena);
}

static void test_changed_bytes_never_break_the_reader(void **state) {
    (void)state;
    uint64_t random = 5;
    for (unsigned i = 1; i <= 3000; i++) {
        struct kit_batch kit;
        struct pat_decoded decoded;
        struct pat_arena arena;
        kit_batch_init(&kit, 4, i % 60, 6);
        struct pat_buf buf = encode(&kit.entry);
        for (int k = 0; k < 3; k++) buf.data[sim_random(&random) % buf.length] = (unsigned char)sim_random(&random);
        pat_arena_init(&arena, 64u << 20);
        (void)!decode(&decoded, buf.data, buf.length, &arena);
        pat_arena_deinit(&arena);
        pat_buf_deinit(&buf);
        kit_batch_deinit(&kit);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fits_come_back_as_they_were),
        cmocka_unit_test(test_batches_of_all_shapes_come_back_as_they_were),
        cmocka_unit_test(test_columns_are_as_narrow_as_their_values),
        cmocka_unit_test(test_bytes_cut_short_are_refused),
        cmocka_unit_test(test_attributes_and_their_columns_come_back),
        cmocka_unit_test(test_changed_bytes_never_break_the_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
