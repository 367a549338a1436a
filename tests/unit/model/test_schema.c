/* The list of tables and fields: whole, findable, and with the names that other people's programs rely on. */
#include "model/schema.h"

#include "model/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void every_column_is_described(void **state) {
    (void)state;
    for (int table = 0; table < PAT_TABLES; table++) {
        const struct pat_table_schema *schema = &pat_schema[table];
        assert_int_equal(pat_table_find(pat_text_of(schema->name)), table);
        assert_true(schema->columns <= PAT_COLUMNS_MAX);
        for (unsigned column = 0; column < schema->columns; column++) {
            const struct pat_field *field = &schema->field[column];
            /* A gap in the list would be all zero. */
            if (field->explain == NULL) fail_msg("%s column %u is not described", schema->name, column);
            assert_int_equal(field->name != NULL, column < schema->loaded_columns);
            assert_in_range(field->dict_as, 0, schema->columns - 1);
            assert_true(schema->field[field->dict_as].type == field->type);
            assert_true(strlen(pat_type_name(field->type)) > 0);
        }
    }
    assert_int_equal(pat_schema[PAT_CUSTOMERS].field[PAT_CUSTOMER_FACT_COUNTRY].dict_as, PAT_CUSTOMER_COUNTRY);
    assert_int_equal(pat_table_find(PAT_TEXT("order")), -1);
}

static void fields_are_found_by_their_names(void **state) {
    (void)state;
    for (int table = 0; table < PAT_TABLES; table++) {
        for (unsigned column = 0; column < pat_schema[table].loaded_columns; column++) {
            const char *name = pat_schema[table].field[column].name;
            assert_int_equal(pat_field_find((enum pat_table_id)table, pat_text_of(name)), column);
            assert_ptr_equal(pat_field_get((enum pat_table_id)table, (int)column), &pat_schema[table].field[column]);
        }
    }
    assert_int_equal(pat_field_find(PAT_LINES, PAT_TEXT("customer")), PAT_LINE_OF_CUSTOMER);
    assert_int_equal(pat_field_find(PAT_LINES, PAT_TEXT("channel")), PAT_LINE_OF_CHANNEL);
    assert_string_equal(pat_field_get(PAT_LINES, PAT_LINE_OF_TIME)->name, "time");
    assert_int_equal(pat_field_find(PAT_ORDERS, PAT_TEXT("product")), -1);
    assert_int_equal(pat_field_find(PAT_ORDERS, PAT_TEXT("amount_minor")), -1);
    assert_int_equal(pat_field_find(PAT_ORDERS, PAT_TEXT("")), -1);
}

/* API.md "Fields", and version and deleted of all tables. */
static void names_and_needs_are_the_promised_ones(void **state) {
    (void)state;
    static const struct {
        enum pat_table_id table;
        const char *needed;
        const char *optional;
    } promised[] = {
        {PAT_CUSTOMERS, "customer",
         "created country region language currency gender birth_year acq_channel credit entity consent tags version "
         "deleted"},
        {PAT_ORDERS, "order customer time amount currency",
         "paid cancelled test country channel payment promotion discount shipping tax duty cost version deleted"},
        {PAT_LINES, "order product quantity price",
         "customer time currency line country channel category cost version deleted"},
        {PAT_REFUNDS, "refund time amount currency", "order customer kind reason version deleted"},
    };
    for (size_t i = 0; i < COUNT(promised); i++) {
        unsigned found = 0;
        for (int needed = 0; needed < 2; needed++) {
            const char *names = needed ? promised[i].needed : promised[i].optional;
            while (*names != '\0') {
                const size_t length = strcspn(names, " ");
                const int field = pat_field_find(promised[i].table, (struct pat_text){names, length});
                if (field < 0) fail_msg("%.*s is missing", (int)length, names);
                if (pat_field_get(promised[i].table, field)->required != needed) fail_msg("%.*s", (int)length, names);
                found++;
                names += length + (names[length] == ' ');
            }
        }
        const unsigned lines = promised[i].table == PAT_LINES ? COUNT(pat_line_order_fields) : 0;
        assert_int_equal(found, pat_schema[promised[i].table].loaded_columns + lines);
    }
}

static void misspelt_fields_find_their_neighbour(void **state) {
    (void)state;
    assert_string_equal(pat_field_nearest(PAT_ORDERS, PAT_TEXT("custmer")), "customer");
    assert_string_equal(pat_field_nearest(PAT_CUSTOMERS, PAT_TEXT("birthyear")), "birth_year");
    assert_string_equal(pat_field_nearest(PAT_LINES, PAT_TEXT("Chanel")), "channel");
    assert_null(pat_field_nearest(PAT_ORDERS, PAT_TEXT("zzzzzzzzzzzz")));
}

static void columns_of_a_batch_are_found_by_field(void **state) {
    (void)state;
    struct pat_batch_column columns[] = {{.field = PAT_ORDER_ID}, {.field = PAT_ORDER_AMOUNT}};
    const struct pat_batch batch = {.table = PAT_ORDERS, .columns = 2, .column = columns};
    assert_ptr_equal(pat_batch_find(&batch, PAT_ORDER_AMOUNT), &columns[1]);
    assert_null(pat_batch_find(&batch, PAT_ORDER_TIME));
    for (int reject = 0; reject < PAT_REJECTS; reject++) assert_non_null(pat_reject_code((enum pat_reject)reject));
    assert_string_equal(pat_reject_code(PAT_REJECT_BAD_CURRENCY), "BAD_CURRENCY");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_column_is_described),
        cmocka_unit_test(fields_are_found_by_their_names),
        cmocka_unit_test(names_and_needs_are_the_promised_ones),
        cmocka_unit_test(misspelt_fields_find_their_neighbour),
        cmocka_unit_test(columns_of_a_batch_are_found_by_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
