#include "model/schema.h"

#include "base/status.h"

#include <string.h>

static const struct {
    const char *name;
    enum pat_type type;
    const char *unit;
} kinds[] = {
    {"bool", PAT_TYPE_BOOL, NULL},
    {"int", PAT_TYPE_INT, NULL},
    {"decimal", PAT_TYPE_DECIMAL, NULL},
    {"money", PAT_TYPE_MONEY, "major units of the row's currency"},
    {"date", PAT_TYPE_DAY, "YYYY-MM-DD, or days since 1970-01-01"},
    {"time", PAT_TYPE_TIME, "RFC 3339, or milliseconds since 1970-01-01T00:00:00Z"},
    {"enum", PAT_TYPE_TEXT, NULL},
    {"set", PAT_TYPE_SET, NULL},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

const char *const pat_attribute_types[] = {"bool", "int", "decimal", "money", "date", "time", "enum", "set", NULL};
_Static_assert(sizeof pat_attribute_types / sizeof pat_attribute_types[0] == KINDS + 1, "a name for every kind");

enum pat_type pat_attribute_type(unsigned place) {
    PAT_ASSERT(place < KINDS);
    return kinds[place].type;
}

static const char *unit_of(const struct pat_attribute *attribute) {
    if (attribute->type == PAT_TYPE_MONEY && attribute->table == PAT_CUSTOMERS)
        return "major units of the base currency";
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i].type == attribute->type) return kinds[i].unit;
    }
    return NULL;
}

const char *pat_attribute_type_name(enum pat_type type) {
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i].type == type) return kinds[i].name;
    }
    return NULL;
}

bool pat_attribute_set_name(struct pat_attribute *attribute, struct pat_text word) {
    const size_t prefix = sizeof PAT_ATTRIBUTE_PREFIX - 1;
    if (word.length == 0 || word.length > PAT_ATTRIBUTE_NAME_BYTES_MAX) return false;
    for (size_t i = 0; i < word.length; i++) {
        const char c = word.data[i];
        const bool letter = c >= 'a' && c <= 'z';
        if (!letter && (i == 0 || ((c < '0' || c > '9') && c != '_'))) return false;
    }
    memcpy(attribute->name, PAT_ATTRIBUTE_PREFIX, prefix);
    memcpy(attribute->name + prefix, word.data, word.length);
    attribute->name[prefix + word.length] = '\0';
    return true;
}

const char *pat_attribute_word(const struct pat_attribute *attribute) {
    return attribute->name + sizeof PAT_ATTRIBUTE_PREFIX - 1;
}

void pat_schema_extend(struct pat_table_schema *out, struct pat_field *field, const struct pat_table_schema *schema,
                       const struct pat_attribute *attribute) {
    PAT_ASSERT(attribute->table == schema->id);
    PAT_ASSERT(schema->columns - schema->own_columns < PAT_ATTRIBUTES_MAX);
    memcpy(field, schema->field, schema->columns * sizeof *field);
    field[schema->columns] = (struct pat_field){.name = attribute->name,
                                                .type = attribute->type,
                                                .unit = unit_of(attribute),
                                                .explain = "the shop's own attribute",
                                                .dict_as = (int)schema->columns};
    *out = *schema;
    out->columns++;
    out->field = field;
}
