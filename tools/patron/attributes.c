#include "attributes.h"

#include <stdio.h>
#include <string.h>

static enum pat_exit ask(struct pat_client *client, const char *method, const struct pat_value *params,
                         struct pat_arena *arena, struct pat_value *answer) {
    struct pat_client_fault fault;
    struct pat_error error;
    bool failed;
    if (pat_client_call(client, method, params, arena, answer, &failed, &fault, &error) != PAT_OK)
        return pat_cli_fail(&error);
    return failed ? pat_cli_refused(&fault) : PAT_EXIT_OK;
}

static enum pat_exit no_memory(void) {
    struct pat_error error;
    (void)pat_error_set(&error, PAT_ERR_NO_MEMORY, "no memory for the attributes");
    return pat_cli_fail(&error);
}

/* The schema with one attribute more; NULL without memory. */
static const struct pat_table_schema *extend(const struct pat_table_schema *schema,
                                             const struct pat_attribute *attribute, struct pat_arena *arena) {
    struct pat_table_schema *more = pat_arena_alloc(arena, sizeof *more);
    struct pat_field *field = pat_arena_array(arena, schema->columns + 1, sizeof *field);
    struct pat_attribute *kept = pat_arena_alloc(arena, sizeof *kept);
    if (more == NULL || field == NULL || kept == NULL) return NULL;
    *kept = *attribute;
    pat_schema_extend(more, field, schema, kept);
    return more;
}

/* ---- those that there are ---------------------------------------------------------------------------------------- */

/* An entry of schema's fields as an attribute; false for what is none, or none that this program knows. */
static bool attribute_of(const struct pat_value *entry, struct pat_attribute *out) {
    const struct pat_value *name = entry->type == PAT_VALUE_MAP ? pat_value_get(entry, "name") : NULL;
    const struct pat_value *type = entry->type == PAT_VALUE_MAP ? pat_value_get(entry, "attribute") : NULL;
    const size_t prefix = sizeof PAT_ATTRIBUTE_PREFIX - 1;
    if (name == NULL || type == NULL || name->type != PAT_VALUE_TEXT || name->count <= prefix) return false;
    if (!pat_attribute_set_name(out, (struct pat_text){name->as.text + prefix, name->count - prefix})) return false;
    for (unsigned i = 0; pat_attribute_types[i] != NULL; i++) {
        if (!pat_value_is_text(type, pat_attribute_types[i])) continue;
        out->type = pat_attribute_type(i);
        return true;
    }
    return false;
}

enum pat_exit pat_attributes_fetch(struct pat_client *client, enum pat_table_id table, struct pat_arena *arena,
                                   const struct pat_table_schema **out) {
    struct pat_value answer;
    const enum pat_exit code = ask(client, "schema", NULL, arena, &answer);
    if (code != PAT_EXIT_OK) return code;
    const struct pat_value *tables = answer.type == PAT_VALUE_MAP ? pat_value_get(&answer, "tables") : NULL;
    const struct pat_value *entry =
        tables != NULL && tables->type == PAT_VALUE_MAP ? pat_value_get(tables, pat_schema[table].name) : NULL;
    const struct pat_value *fields =
        entry != NULL && entry->type == PAT_VALUE_MAP ? pat_value_get(entry, "fields") : NULL;
    *out = &pat_schema[table];
    for (uint32_t i = 0; fields != NULL && fields->type == PAT_VALUE_ARRAY && i < fields->count; i++) {
        struct pat_attribute attribute = {.table = table};
        if (!attribute_of(&fields->as.items[i], &attribute)) continue;
        *out = extend(*out, &attribute, arena);
        if (*out == NULL) return no_memory();
    }
    return PAT_EXIT_OK;
}

/* ---- those that a load adds -------------------------------------------------------------------------------------- */

static enum pat_exit add(const struct pat_attributes_adder *adder, const struct pat_attribute *attribute,
                         struct pat_arena *arena) {
    const char *type = pat_attribute_type_name(attribute->type);
    (void)fprintf(stderr, "note: %s %s (%s)\n", adder->dry_run ? "would add" : "adding", attribute->name, type);
    if (adder->dry_run) return PAT_EXIT_OK;
    struct pat_builder builder = {.arena = arena};
    struct pat_value params = pat_build_map(&builder, 3), answer;
    pat_build_put(&builder, &params, "table", pat_value_string(pat_schema[attribute->table].name));
    pat_build_put(&builder, &params, "name", pat_value_string(pat_attribute_word(attribute)));
    pat_build_put(&builder, &params, "type", pat_value_string(type));
    return builder.failed ? no_memory() : ask(adder->client, "schema.add", &params, arena, &answer);
}

enum pat_exit pat_attributes_spare(void *context, struct pat_mapping *mapping, unsigned column, struct pat_text name,
                                   int *field, bool *iso) {
    const struct pat_attributes_adder *adder = context;
    struct pat_attribute attribute = {.table = mapping->table};
    char word[PAT_ATTRIBUTE_NAME_BYTES_MAX + 1], shown[64];
    pat_guess_name(name, word, sizeof word);
    if (!pat_attribute_set_name(&attribute, pat_text_of(word))) return PAT_EXIT_OK; /* nothing to call it */
    if (pat_mapping_find(mapping, attribute.name) >= 0) {
        return pat_cli_usage(adder->cli, "--add-attrs: column '%s' would be %s, which another column feeds: use --map",
                             pat_text_printable(name, shown, sizeof shown), attribute.name);
    }
    attribute.type = pat_guess_type(adder->guess, column, iso);
    *field = pat_schema_find(mapping->schema, pat_text_of(attribute.name));
    if (*field >= 0) return PAT_EXIT_OK;
    const enum pat_exit code = add(adder, &attribute, mapping->arena);
    if (code != PAT_EXIT_OK) return code;
    mapping->schema = extend(mapping->schema, &attribute, mapping->arena);
    if (mapping->schema == NULL) return no_memory();
    *field = (int)mapping->schema->columns - 1;
    return PAT_EXIT_OK;
}
