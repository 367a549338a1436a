/* Attributes: columns that are added while the store is open. Each makes another schema, linked to the one before; all
 * stay until the store closes, since views, batches and answers borrow them, and there are at most PAT_ATTRIBUTES_MAX
 * for a table. */
#include "store/store.h"
#include "store/store_private.h"

#include <stddef.h>
#include <string.h>

struct added_schema {
    struct pat_table_schema schema; /* first, so that a schema leads here */
    const struct pat_table_schema *before;
    struct pat_attribute attribute;
    struct pat_field field[]; /* [schema.columns] */
};

const struct pat_table_schema *pat_store_schema(const struct pat_store *store, enum pat_table_id table) {
    return __atomic_load_n(&store->table[table].schema, __ATOMIC_ACQUIRE);
}

void pat_store__free_schemas(struct pat_table *table) {
    const struct pat_table_schema *schema = table->schema;
    while (schema != &pat_schema[table->id]) {
        struct added_schema *added = (struct added_schema *)(uintptr_t)schema;
        schema = added->before;
        pat_mem_free(PAT_MEM_OTHER, added);
    }
}

/* attr.x_minor is the money attr.x in minor units, so nothing else may be called so. */
static bool is_minor_of(struct pat_text name, const char *money, enum pat_type type) {
    const size_t length = strlen(money), suffix = sizeof "_minor" - 1;
    return type == PAT_TYPE_MONEY && name.length == length + suffix && memcmp(name.data, money, length) == 0 &&
           memcmp(name.data + length, "_minor", suffix) == 0;
}

enum pat_status pat_store_judge_attribute(const struct pat_store *store, const struct pat_attribute *attribute,
                                          bool *known, struct pat_error *error) {
    const struct pat_table_schema *schema = store->table[attribute->table].schema;
    *known = false;
    for (unsigned c = schema->own_columns; c < schema->columns; c++) {
        const struct pat_field *field = &schema->field[c];
        if (strcmp(field->name, attribute->name) == 0) {
            *known = field->type == attribute->type;
            if (*known) return PAT_OK;
            return pat_error_set_at(error, PAT_ERR_CONFLICT, "type", -1, -1,
                                    "%s of %s is there already and is of type %s: give the new one another name",
                                    field->name, schema->name, pat_attribute_type_name(field->type));
        }
        if (is_minor_of(pat_text_of(attribute->name), field->name, field->type) ||
            is_minor_of(pat_text_of(field->name), attribute->name, attribute->type)) {
            return pat_error_set_at(error, PAT_ERR_CONFLICT, "name", -1, -1,
                                    "NAME_minor is the money NAME in minor units, so %s cannot be there beside %s",
                                    attribute->name, field->name);
        }
    }
    if (schema->columns - schema->own_columns < PAT_ATTRIBUTES_MAX) return PAT_OK;
    return pat_error_set_at(error, PAT_ERR_TOO_LARGE, "name", -1, -1,
                            "%s have %u attributes already, and can have no more", schema->name, PAT_ATTRIBUTES_MAX);
}

void pat_store_add_attribute(struct pat_store *store, const struct pat_attribute *attribute) {
    struct pat_table *table = &store->table[attribute->table];
    const unsigned column = table->schema->columns;
    struct added_schema *added =
        pat_mem_alloc_must(PAT_MEM_OTHER, offsetof(struct added_schema, field) + (column + 1) * sizeof added->field[0]);
    added->before = table->schema;
    added->attribute = *attribute;
    pat_schema_extend(&added->schema, added->field, table->schema, &added->attribute);
    /* Workers that type a batch read it while this thread goes on. */
    __atomic_store_n(&table->schema, &added->schema, __ATOMIC_RELEASE);
    pat_store__column_init(store, attribute->table, column);
    pat_column_fill(&table->column[column], table->rows);
}

size_t pat_store_attribute_bytes(const struct pat_store *store, enum pat_table_id id) {
    const struct pat_table *table = &store->table[id];
    const size_t chunks = (table->rows >> table->column[0].shift) + 1;
    /* A directory doubles with its chunks. */
    const size_t chunk_bytes = sizeof(struct pat_chunk) + PAT_MEM_ALIGN + 4 * sizeof(struct pat_chunk *);
    return chunks * chunk_bytes + PAT_COLUMNS_MAX * sizeof(struct pat_field) + sizeof(struct pat_dict) + 4096;
}
