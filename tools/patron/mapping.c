#include "mapping.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int pat_mapping_find(const struct pat_mapping *mapping, const char *name) {
    for (unsigned i = 0; i < mapping->fields; i++) {
        if (strcmp(mapping->field[i].name, name) == 0) return (int)i;
    }
    return -1;
}

/* ---- fields --------------------------------------------------------------------------------------------------- */

static bool takes_minor(enum pat_table_id table) {
    return table == PAT_ORDERS || table == PAT_REFUNDS;
}

/* The description of a loadable field; "amount_minor" stands beside "amount" where there is one. */
static bool describe(const struct pat_mapping *mapping, struct pat_text name, struct pat_mapped *out) {
    const enum pat_table_id table = mapping->table;
    if (takes_minor(table) && pat_text_is(name, "amount_minor")) {
        *out = (struct pat_mapped){.name = "amount_minor", .type = PAT_TYPE_INT, .required = true};
        return true;
    }
    const int field = pat_schema_find(mapping->schema, name);
    if (field < 0) return false;
    const struct pat_field *about = pat_schema_field(mapping->schema, field);
    *out = (struct pat_mapped){.name = about->name, .type = about->type, .required = about->required};
    /* Lines of an order that nobody knows yet bring what the order needs. */
    if (table == PAT_LINES && (strcmp(about->name, "customer") == 0 || strcmp(about->name, "time") == 0 ||
                               strcmp(about->name, "currency") == 0)) {
        out->required = true;
    }
    return true;
}

static enum pat_exit unknown_field(const struct pat_mapping *mapping, const struct pat_cli *cli, const char *option,
                                   struct pat_text name) {
    char shown[64];
    (void)pat_text_printable(name, shown, sizeof shown);
    const char *nearest = pat_schema_nearest(mapping->schema, name);
    const char *table = mapping->schema->name;
    if (name.length > 5 && memcmp(name.data, PAT_ATTRIBUTE_PREFIX, 5) == 0) {
        return pat_cli_usage(cli, "%s: %s have no attribute '%s': patron schema add %s %s TYPE makes it", option, table,
                             shown, table, shown + 5);
    }
    if (nearest == NULL) return pat_cli_usage(cli, "%s: %s have no field '%s'", option, table, shown);
    return pat_cli_usage(cli, "%s: %s have no field '%s': did you mean '%s'?", option, table, shown, nearest);
}

static enum pat_exit add_field(struct pat_mapping *mapping, const struct pat_cli *cli, struct pat_text name,
                               bool constant, struct pat_text source) {
    struct pat_mapped mapped;
    if (!describe(mapping, name, &mapped)) return unknown_field(mapping, cli, "--map", name);
    if (pat_mapping_find(mapping, mapped.name) >= 0) return pat_cli_usage(cli, "--map gives %s twice", mapped.name);
    if (mapping->fields == PAT_MAPPING_FIELDS_MAX) return pat_cli_usage(cli, "--map has too many fields");
    mapped.constant = constant;
    mapped.source = source;
    mapping->field[mapping->fields++] = mapped;
    return PAT_EXIT_OK;
}

/* ---- --map field=Column,field:=CONSTANT ----------------------------------------------------------------------- */

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct pat_text trimmed(struct pat_text text) {
    while (text.length > 0 && is_blank(text.data[0])) {
        text.data++;
        text.length--;
    }
    while (text.length > 0 && is_blank(text.data[text.length - 1])) text.length--;
    return text;
}

/* The next part of a comma list; one in double quotes behind a '=' may hold commas. False at the end, which may have a
 * comma and blanks before it, as a list of many lines has. */
static bool next_part(const char **at, struct pat_text *part) {
    const char *start = *at;
    while (is_blank(*start)) start++;
    if (*start == '\0') return false;
    const char *end = start;
    bool quoted = false;
    char before = '\0';
    while (*end != '\0' && (quoted || *end != ',')) {
        if (*end == '"' && (quoted || before == '=')) quoted = !quoted;
        if (!is_blank(*end)) before = *end;
        end++;
    }
    *part = trimmed((struct pat_text){start, (size_t)(end - start)});
    *at = *end == ',' ? end + 1 : end;
    return true;
}

static struct pat_text unquoted(struct pat_text text) {
    if (text.length < 2 || text.data[0] != '"' || text.data[text.length - 1] != '"') return text;
    return (struct pat_text){text.data + 1, text.length - 2};
}

static enum pat_exit parse_map(struct pat_mapping *mapping, const struct pat_cli *cli, const char *text) {
    struct pat_text part;
    while (next_part(&text, &part)) {
        const char *equals = memchr(part.data, '=', part.length);
        if (equals == NULL || equals == part.data) {
            return pat_cli_usage(cli, "--map is field=Column or field:=CONSTANT, not '%.*s'", (int)part.length,
                                 part.data);
        }
        const bool constant = equals[-1] == ':';
        struct pat_text name = {part.data, (size_t)(equals - part.data) - (constant ? 1 : 0)};
        struct pat_text source = {equals + 1, part.length - (size_t)(equals + 1 - part.data)};
        source = unquoted(trimmed(source));
        if (!constant) mapping->by_header = false;
        const enum pat_exit code = add_field(mapping, cli, trimmed(name), constant, source);
        if (code != PAT_EXIT_OK) return code;
    }
    return PAT_EXIT_OK;
}

/* ---- --map-values field:old=new,... --------------------------------------------------------------------------- */

static enum pat_exit add_pair(struct pat_mapping *mapping, const struct pat_cli *cli, struct pat_mapped *mapped,
                              struct pat_text part) {
    const char *equals = memchr(part.data, '=', part.length);
    if (equals == NULL) {
        return pat_cli_usage(cli, "--map-values is field:old=new,..., not '%.*s'", (int)part.length, part.data);
    }
    struct pat_value_pair *pair = pat_arena_array(mapping->arena, mapped->pairs + 1, sizeof *pair);
    if (pair == NULL) return pat_cli_usage(cli, "no memory for --map-values");
    if (mapped->pairs > 0) memcpy(pair, mapped->pair, mapped->pairs * sizeof *pair);
    pair[mapped->pairs++] = (struct pat_value_pair){
        .old = unquoted(trimmed((struct pat_text){part.data, (size_t)(equals - part.data)})),
        .fresh = unquoted(trimmed((struct pat_text){equals + 1, part.length - (size_t)(equals + 1 - part.data)})),
    };
    mapped->pair = pair;
    return PAT_EXIT_OK;
}

/* A replacement is kept by field name until the columns are bound, since a field may yet be found by its header. */
static struct pat_mapped *field_for(struct pat_mapping *mapping, struct pat_text name) {
    for (unsigned i = 0; i < mapping->fields; i++) {
        if (pat_text_is(name, mapping->field[i].name)) return &mapping->field[i];
    }
    return NULL;
}

static enum pat_exit parse_values(struct pat_mapping *mapping, const struct pat_cli *cli, const char *text) {
    struct pat_mapped *mapped = NULL;
    struct pat_text part;
    while (next_part(&text, &part)) {
        const char *colon = memchr(part.data, ':', part.length);
        const struct pat_text name =
            trimmed((struct pat_text){part.data, colon != NULL ? (size_t)(colon - part.data) : 0});
        struct pat_mapped unused;
        if (colon != NULL && (mapped == NULL || describe(mapping, name, &unused))) {
            if (!describe(mapping, name, &unused)) return unknown_field(mapping, cli, "--map-values", name);
            mapped = field_for(mapping, name);
            if (mapped == NULL) {
                return pat_cli_usage(cli, "--map-values: nothing feeds %.*s", (int)name.length, name.data);
            }
            part = (struct pat_text){colon + 1, part.length - (size_t)(colon + 1 - part.data)};
        }
        if (mapped == NULL) return pat_cli_usage(cli, "--map-values begins with a field: field:old=new,...");
        const enum pat_exit code = add_pair(mapping, cli, mapped, part);
        if (code != PAT_EXIT_OK) return code;
    }
    return PAT_EXIT_OK;
}

/* ---- how cells are read --------------------------------------------------------------------------------------- */

static bool is_timely(const struct pat_mapped *mapped) {
    return mapped->type == PAT_TYPE_TIME || mapped->type == PAT_TYPE_DAY;
}

static bool is_time_format(const char *format) {
    const char *at = strchr(format, '%');
    if (at == NULL) return false;
    for (; at != NULL; at = strchr(at + 2, '%')) {
        if (at[1] == '\0' || strchr("YmdHMSybpIzs%", at[1]) == NULL) return false;
    }
    return true;
}

static enum pat_exit bad_time_format(const struct pat_cli *cli, const char *format) {
    return pat_cli_usage(
        cli,
        "--time-format is written like \"%%d/%%m/%%Y %%H:%%M\" (known: %%Y %%y %%m %%b %%d %%H %%I %%p %%M "
        "%%S %%z %%s), not '%s'",
        format);
}

/* "FORMAT" for every time and day, "field=FORMAT" for one. */
static enum pat_exit apply_time_format(struct pat_mapping *mapping, const struct pat_cli *cli, const char *text) {
    const char *equals = strchr(text, '=');
    struct pat_mapped about;
    const struct pat_text name = {text, equals != NULL ? (size_t)(equals - text) : 0};
    if (equals != NULL && describe(mapping, name, &about)) {
        struct pat_mapped *mapped = field_for(mapping, name);
        if (mapped == NULL || !is_timely(mapped)) {
            return pat_cli_usage(cli, "--time-format: %s is no time or day that is loaded", about.name);
        }
        mapped->time_format = equals + 1;
        return is_time_format(equals + 1) ? PAT_EXIT_OK : bad_time_format(cli, equals + 1);
    }
    if (!is_time_format(text)) return bad_time_format(cli, text);
    for (unsigned i = 0; i < mapping->fields; i++) {
        struct pat_mapped *mapped = &mapping->field[i];
        if (is_timely(mapped) && !mapped->iso && mapped->time_format == NULL) mapped->time_format = text;
    }
    return PAT_EXIT_OK;
}

/* Once all fields are known: those that the header gave are concerned, too. */
static enum pat_exit apply_readings(struct pat_mapping *mapping, const struct pat_cli *cli) {
    const char *text;
    for (unsigned at = 0; (text = pat_cli_next(cli, "--map-values", &at)) != NULL;) {
        const enum pat_exit code = parse_values(mapping, cli, text);
        if (code != PAT_EXIT_OK) return code;
    }
    for (unsigned at = 0; (text = pat_cli_next(cli, "--time-format", &at)) != NULL;) {
        const enum pat_exit code = apply_time_format(mapping, cli, text);
        if (code != PAT_EXIT_OK) return code;
    }
    const bool comma = pat_cli_option(cli, "--decimal-comma") != NULL;
    for (unsigned i = 0; i < mapping->fields; i++) mapping->field[i].decimal_comma = comma;
    return PAT_EXIT_OK;
}

enum pat_exit pat_mapping_parse(struct pat_mapping *mapping, const struct pat_cli *cli,
                                const struct pat_table_schema *schema, struct pat_arena *arena) {
    *mapping = (struct pat_mapping){.table = schema->id, .schema = schema, .arena = arena};
    mapping->no_header = pat_cli_option(cli, "--no-header") != NULL;
    mapping->by_header = !mapping->no_header;
    const char *text;
    for (unsigned at = 0; (text = pat_cli_next(cli, "--map", &at)) != NULL;) {
        const enum pat_exit code = parse_map(mapping, cli, text);
        if (code != PAT_EXIT_OK) return code;
    }
    if (mapping->no_header && mapping->fields == 0) {
        return pat_cli_usage(cli,
                             "--no-header needs a --map with the numbers of the columns: --map order=1,customer=2");
    }
    return PAT_EXIT_OK;
}

/* ---- binding to a file ---------------------------------------------------------------------------------------- */

/* What a message repeats of a column's name. */
#define SHOWN_COLUMNS 64u

/* What a header of one cell seems to be written with; NULL: nothing else. */
static const char *delimiter_meant(const struct pat_csv_record *header) {
    static const struct {
        char delimiter;
        const char *name;
    } known[] = {{';', "';'"}, {'\t', "tab"}, {'|', "'|'"}, {',', "','"}};
    for (size_t i = 0; header->cells == 1 && i < sizeof known / sizeof known[0]; i++) {
        if (memchr(header->cell[0].data, known[i].delimiter, header->cell[0].length) != NULL) return known[i].name;
    }
    return NULL;
}

static enum pat_exit missing_column(const struct pat_cli *cli, const struct pat_mapped *mapped,
                                    const struct pat_csv_record *header) {
    char shown[PAT_ERROR_FIELD_BYTES], near_text[PAT_ERROR_FIELD_BYTES];
    (void)pat_text_printable(mapped->source, shown, sizeof shown);
    unsigned nearest = header->cells, distance = UINT32_MAX;
    for (unsigned c = 0; c < header->cells; c++) {
        const unsigned d = pat_text_distance(mapped->source, trimmed(header->cell[c]));
        if (d < distance) {
            distance = d;
            nearest = c;
        }
    }
    const char *delimiter = delimiter_meant(header);
    if (delimiter != NULL) {
        return pat_cli_usage(cli, "the file has no column '%s', only one column in all: try --delimiter %s", shown,
                             delimiter);
    }
    if (nearest < header->cells && pat_text_is_near(mapped->source, trimmed(header->cell[nearest]), distance)) {
        return pat_cli_usage(cli, "the file has no column '%s': did you mean '%s'?", shown,
                             pat_text_printable(trimmed(header->cell[nearest]), near_text, sizeof near_text));
    }
    return pat_cli_usage(cli, "the file has no column '%s' (it has %u columns, the first is '%s')", shown,
                         header->cells, pat_text_printable(trimmed(header->cell[0]), near_text, sizeof near_text));
}

static enum pat_exit bind_named(const struct pat_cli *cli, struct pat_mapped *mapped,
                                const struct pat_csv_record *header) {
    unsigned found = 0;
    for (unsigned c = 0; c < header->cells; c++) {
        if (!pat_text_equal(trimmed(header->cell[c]), mapped->source)) continue;
        if (found++ == 0) mapped->column = c;
    }
    if (found == 0) return missing_column(cli, mapped, header);
    if (found > 1) {
        return pat_cli_usage(cli, "%u columns of the file are called '%.*s'", found, (int)mapped->source.length,
                             mapped->source.data);
    }
    return PAT_EXIT_OK;
}

static enum pat_exit bind_numbered(const struct pat_cli *cli, struct pat_mapped *mapped,
                                   const struct pat_csv_record *first) {
    char text[24];
    uint64_t number = 0;
    (void)snprintf(text, sizeof text, "%.*s", (int)mapped->source.length, mapped->source.data);
    if (mapped->source.length >= sizeof text || !pat_cli_number(text, UINT32_MAX, &number) || number == 0) {
        return pat_cli_usage(cli, "--no-header: columns are called 1, 2, 3 ..., not '%s'", text);
    }
    if (number > first->cells) {
        return pat_cli_usage(cli, "the file has no column %s, its first row has %u", text, first->cells);
    }
    mapped->column = (unsigned)number - 1;
    return PAT_EXIT_OK;
}

static void note_ignored(unsigned count, const char *names) {
    if (count == 0) return;
    (void)fprintf(stderr, "note: %u %s and %s ignored: %s\n", count,
                  count == 1 ? "column has no field's name" : "columns have no field's name", count == 1 ? "is" : "are",
                  names);
}

static enum pat_exit nothing_found(const struct pat_mapping *mapping, const struct pat_cli *cli,
                                   const struct pat_csv_record *header) {
    const char *table = pat_schema[mapping->table].name, *delimiter = delimiter_meant(header);
    if (delimiter != NULL) return pat_cli_usage(cli, "the file has only one column: try --delimiter %s", delimiter);
    char shown[SHOWN_COLUMNS];
    return pat_cli_usage(cli,
                         "no column of the file is called like a field of %s (the first is '%s'): use --map, or is it "
                         "another table?",
                         table, pat_text_printable(header->cell[0], shown, sizeof shown));
}

static bool is_taken(const struct pat_mapping *mapping, unsigned column) {
    for (unsigned i = 0; i < mapping->fields; i++) {
        if (!mapping->field[i].constant && mapping->field[i].column == column) return true;
    }
    return false;
}

/* The field that takes a column by its name, or that spare_cb makes for it. *taken: there is one. */
static enum pat_exit take_column(struct pat_mapping *mapping, const struct pat_cli *cli, struct pat_text name,
                                 unsigned column, pat_mapping_spare_cb spare_cb, void *context, bool *taken) {
    struct pat_mapped about;
    *taken = mapping->by_header && describe(mapping, name, &about) && pat_mapping_find(mapping, about.name) < 0;
    if (!*taken && spare_cb != NULL) {
        int field = -1;
        bool iso = false;
        enum pat_exit code = spare_cb(context, mapping, column, name, &field, &iso);
        if (code != PAT_EXIT_OK || field < 0) return code;
        *taken = true;
        const struct pat_text its = pat_text_of(pat_schema_field(mapping->schema, field)->name);
        code = add_field(mapping, cli, its, false, pat_arena_text(mapping->arena, name));
        if (code == PAT_EXIT_OK) mapping->field[mapping->fields - 1].iso = iso;
        return code;
    }
    if (!*taken) return PAT_EXIT_OK;
    /* The header's text is gone with the next record. */
    return add_field(mapping, cli, name, false, pat_arena_text(mapping->arena, name));
}

/* Takes every column that is called like a field, or that spare_cb wants, and says which ones are left. */
static enum pat_exit take_by_header(struct pat_mapping *mapping, const struct pat_cli *cli,
                                    const struct pat_csv_record *header, pat_mapping_spare_cb spare_cb, void *context) {
    char ignored[512];
    size_t used = 0;
    unsigned count = 0;
    for (unsigned c = 0; c < header->cells; c++) {
        const struct pat_text name = trimmed(header->cell[c]);
        bool taken = false;
        if (is_taken(mapping, c)) continue;
        const enum pat_exit code = take_column(mapping, cli, name, c, spare_cb, context, &taken);
        if (code != PAT_EXIT_OK) return code;
        if (taken) {
            mapping->field[mapping->fields - 1].column = c;
            continue;
        }
        char shown[SHOWN_COLUMNS];
        (void)pat_text_printable(name, shown, sizeof shown);
        const int wrote = snprintf(ignored + used, sizeof ignored - used, "%s%s", count == 0 ? "" : ", ", shown);
        if (wrote > 0 && (size_t)wrote < sizeof ignored - used) used += (size_t)wrote;
        ignored[used] = '\0';
        count++;
    }
    if (mapping->fields == 0) return nothing_found(mapping, cli, header);
    if (mapping->by_header || spare_cb != NULL) note_ignored(count, ignored);
    return PAT_EXIT_OK;
}

static void note_one_lacking(struct pat_mapping *mapping, const char *field, const char *who) {
    if (mapping->lacking == NULL) mapping->lacking = field;
    (void)fprintf(stderr, "note: nothing feeds %s, which new %s need: --map %s=COLUMN, or %s:=VALUE for all rows\n",
                  field, who, field, field);
}

/* What new rows need and nothing feeds. Patches of known rows do without, so it is a note and no error. */
static void note_lacking(struct pat_mapping *mapping) {
    static const char *const of_lines[] = {"customer", "time", "currency"};
    const struct pat_table_schema *schema = &pat_schema[mapping->table];
    for (unsigned column = 0; column < schema->loaded_columns; column++) {
        const struct pat_field *field = &schema->field[column];
        if (!field->required || pat_mapping_find(mapping, field->name) >= 0) continue;
        if (strcmp(field->name, "amount") == 0 && pat_mapping_find(mapping, "amount_minor") >= 0) continue;
        note_one_lacking(mapping, field->name, schema->name);
    }
    for (size_t i = 0; mapping->table == PAT_LINES && i < 3; i++) {
        if (pat_mapping_find(mapping, of_lines[i]) >= 0) continue;
        note_one_lacking(mapping, of_lines[i], "orders");
    }
}

enum pat_exit pat_mapping_bind(struct pat_mapping *mapping, const struct pat_cli *cli,
                               const struct pat_csv_record *first, pat_mapping_spare_cb spare_cb, void *context) {
    mapping->file_columns = first->cells;
    for (unsigned i = 0; i < mapping->fields; i++) {
        struct pat_mapped *mapped = &mapping->field[i];
        if (mapped->constant) continue;
        const enum pat_exit code =
            mapping->no_header ? bind_numbered(cli, mapped, first) : bind_named(cli, mapped, first);
        if (code != PAT_EXIT_OK) return code;
    }
    if (mapping->by_header || spare_cb != NULL) {
        const unsigned before = mapping->fields;
        enum pat_exit code = take_by_header(mapping, cli, first, spare_cb, context);
        for (unsigned i = before; i < mapping->fields && code == PAT_EXIT_OK; i++) {
            code = bind_named(cli, &mapping->field[i], first);
        }
        if (code != PAT_EXIT_OK) return code;
    }
    note_lacking(mapping);
    return apply_readings(mapping, cli);
}
