#include "kit.h"

static struct pat_buf encode(const struct pat_entry *entry) {
    struct pat_buf buf;
    pat_buf_init(&buf, PAT_MEM_OTHER);
    assert_int_equal(pat_codec__entry_write(entry, &buf), PAT_OK);
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
        cmocka_unit_test(test_batches_of_all_shapes_come_back_as_they_were),
        cmocka_unit_test(test_columns_are_as_narrow_as_their_values),
        cmocka_unit_test(test_bytes_cut_short_are_refused),
        cmocka_unit_test(test_attributes_and_their_columns_come_back),
        cmocka_unit_test(test_changed_bytes_never_break_the_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
