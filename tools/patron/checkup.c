/* A data directory verified: each file by itself, then all of them together as a server would take them. */
#include "offline.h"

#include "base/clock.h"
#include "engine/engine.h"
#include "model/currency.h"
#include "model/schema.h"

#include <inttypes.h>
#include <stdio.h>

struct checkup {
    struct pat_checkup *out;
    const struct pat_checkup_options *options;
    struct pat_builder builder;
    struct pat_value files, money;
};

static const char *const kind_names[] = {[PAT_INSPECTED_MANIFEST] = "manifest",
                                         [PAT_INSPECTED_SNAPSHOT] = "snapshot",
                                         [PAT_INSPECTED_JOURNAL] = "journal",
                                         [PAT_INSPECTED_STRANGE] = "not needed"};

/* ---- files ------------------------------------------------------------------------------------------------------ */

static void note_damage(struct checkup *checkup, const struct pat_error *error) {
    if (checkup->out->damaged++ == 0) checkup->out->error = *error;
    checkup->out->ok = false;
}

/* What is wrong, and what it costs. */
static void note_file(struct checkup *checkup, const struct pat_inspected_file *file) {
    struct pat_error error = file->error;
    char rows[48] = "an unknown number of rows";
    if (file->lost_rows >= 0) (void)snprintf(rows, sizeof rows, "%" PRId64 " rows", file->lost_rows);
    if (file->lost_first > 0) {
        (void)pat_error_set_at(&error, file->status, file->name, -1, file->error.offset,
                               "%.300s (lsns %" PRIu64 " to %" PRIu64 " of this file, %s)", file->error.message,
                               file->lost_first, file->lost_last, rows);
    }
    note_damage(checkup, &error);
}

static void put_money(struct checkup *checkup, const char *file, const char *table,
                      const struct pat_inspected_money *money) {
    struct pat_builder *builder = &checkup->builder;
    for (size_t place = 0; place < pat_currency_count; place++) {
        if (money[place].rows == 0) continue;
        struct pat_value map = pat_build_map(builder, 6);
        pat_build_put(builder, &map, "file", pat_build_text(builder, pat_text_of(file)));
        pat_build_put(builder, &map, "table", pat_value_string(table));
        pat_build_put(builder, &map, "currency", pat_value_string(pat_currencies[place].code));
        pat_build_put(builder, &map, "digits", pat_value_int(pat_currencies[place].digits));
        pat_build_put(builder, &map, "rows", pat_value_uint(money[place].rows));
        pat_build_put(builder, &map, "amount_minor", pat_value_int(money[place].amount_minor));
        pat_build_push(builder, &checkup->money, map);
    }
}

static void put_lsns(struct pat_builder *builder, struct pat_value *map, const struct pat_inspected_file *file) {
    const bool none =
        file->kind == PAT_INSPECTED_MANIFEST || file->kind == PAT_INSPECTED_STRANGE || file->last_lsn < file->first_lsn;
    pat_build_put(builder, map, "first_lsn", none ? pat_value_nil() : pat_value_uint(file->first_lsn));
    pat_build_put(builder, map, "last_lsn", none ? pat_value_nil() : pat_value_uint(file->last_lsn));
}

static void on_file(void *context, const struct pat_inspected_file *file) {
    struct checkup *checkup = context;
    struct pat_builder *builder = &checkup->builder;
    struct pat_value map = pat_build_map(builder, 16);
    pat_build_put(builder, &map, "file", pat_build_text(builder, pat_text_of(file->name)));
    pat_build_put(builder, &map, "kind", pat_value_string(kind_names[file->kind]));
    pat_build_put(builder, &map, "format", file->version > 0 ? pat_value_uint(file->version) : pat_value_nil());
    pat_build_put(builder, &map, "bytes", pat_value_uint(file->bytes));
    put_lsns(builder, &map, file);
    pat_build_put(builder, &map, "parts", pat_value_uint(file->parts));
    for (unsigned t = 0; t < PAT_TABLES; t++) {
        pat_build_put(builder, &map, pat_schema[t].name,
                      file->contents ? pat_value_uint(file->rows[t]) : pat_value_nil());
    }
    if (file->used_bytes > 0) pat_build_put(builder, &map, "used_bytes", pat_value_uint(file->used_bytes));
    if (file->torn_bytes > 0) pat_build_put(builder, &map, "torn_bytes", pat_value_uint(file->torn_bytes));
    pat_build_put(builder, &map, "ok", pat_value_bool(file->status == PAT_OK));
    pat_build_push(builder, &checkup->files, map);
    if (file->contents) {
        put_money(checkup, file->name, "orders", file->orders);
        put_money(checkup, file->name, "refunds", file->refunds);
    }
    if (file->status != PAT_OK) note_file(checkup, file);
}

static enum pat_status on_record(void *context, const struct pat_inspected_record *record, struct pat_error *error) {
    const struct checkup *checkup = context;
    return checkup->options->record_cb(checkup->options->context, record, error);
}

static enum pat_status look_at_files(struct checkup *checkup, struct pat_persist *persist,
                                     const struct pat_settings *settings, struct pat_error *error) {
    static const char *const syncs[] = {"always", "interval", "never"};
    struct pat_builder *builder = &checkup->builder;
    struct pat_value *report = &checkup->out->report;
    const struct pat_persist_state state = pat_persist_state(persist);
    pat_build_put(builder, report, "timezone", pat_build_text(builder, pat_text_of(settings->zone)));
    pat_build_put(builder, report, "base_currency", pat_build_text(builder, pat_text_of(settings->base_currency)));
    pat_build_put(builder, report, "epoch", pat_value_uint(settings->epoch));
    pat_build_put(builder, report, "sync", pat_value_string(syncs[state.sync]));
    pat_build_put(builder, report, "closed_in_order", pat_value_bool(state.clean));
    const struct pat_inspection inspection = {.contents = !checkup->options->quick,
                                              .file_cb = on_file,
                                              .record_cb = checkup->options->record_cb != NULL ? on_record : NULL,
                                              .context = checkup};
    return pat_persist_inspect(persist, &inspection, error);
}

/* A directory whose manifest is damaged is told like any other damage. */
static enum pat_status look_at_directory(struct checkup *checkup, struct pat_fs *fs, struct pat_error *error) {
    struct pat_settings settings = {.zone = ""};
    struct pat_persist *persist = NULL;
    struct pat_error why = {0};
    struct pat_persist_options options = {.fs = fs, .read_only = true};
    pat_entropy(&options.seed, sizeof options.seed);
    enum pat_status status = pat_persist_open(&persist, &options, &settings, &why);
    if (status == PAT_ERR_CORRUPT) {
        note_damage(checkup, &why);
        return PAT_OK;
    }
    if (status != PAT_OK) {
        *error = why;
        return status;
    }
    status = look_at_files(checkup, persist, &settings, error);
    pat_persist_close(&persist);
    return status;
}

/* ---- all of it together ------------------------------------------------------------------------------------------ */

static const struct pat_value *text_member(const struct pat_value *map, const char *key) {
    const struct pat_value *value = pat_value_get(map, key);
    return value != NULL && value->type == PAT_VALUE_TEXT ? value : NULL;
}

/* Copies some members of `from`. */
static void put_members(struct pat_builder *builder, struct pat_value *map, const struct pat_value *from,
                        const char *const *keys) {
    for (; *keys != NULL; keys++) {
        const struct pat_value *value = pat_value_get(from, *keys);
        if (value != NULL) pat_build_put(builder, map, *keys, *value);
    }
}

/* {currency: amount} and {currency: digits} as rows. */
static void put_served_money(struct checkup *checkup, const char *table, const struct pat_value *control) {
    struct pat_builder *builder = &checkup->builder;
    const struct pat_value *groups = pat_value_get(control, "groups"), *digits = pat_value_get(control, "digits");
    for (uint32_t i = 0; groups != NULL && i < groups->count; i++) {
        const struct pat_value *group = &groups->as.items[i];
        const struct pat_value *currency = text_member(group, "currency"),
                               *amounts = pat_value_get(group, "amount_minor");
        if (currency == NULL || amounts == NULL || amounts->count != 1) continue;
        struct pat_value map = pat_build_map(builder, 6);
        pat_build_put(builder, &map, "file", pat_value_string("(all together)"));
        pat_build_put(builder, &map, "table", pat_value_string(table));
        pat_build_put(builder, &map, "currency", *currency);
        for (uint32_t d = 0; digits != NULL && d < digits->count; d++) {
            if (pat_text_equal(digits->as.members[d].key, pat_value_as_text(currency))) {
                pat_build_put(builder, &map, "digits", digits->as.members[d].value);
            }
        }
        const struct pat_value *rows = pat_value_get(group, "rows");
        if (rows != NULL) pat_build_put(builder, &map, "rows", *rows);
        pat_build_put(builder, &map, "amount_minor", amounts->as.members[0].value);
        pat_build_push(builder, &checkup->money, map);
    }
}

static enum pat_status ask_control(struct checkup *checkup, struct pat_engine *engine, const char *table,
                                   struct pat_error *error) {
    struct pat_builder *builder = &checkup->builder;
    struct pat_value params = pat_build_map(builder, 2), answer;
    pat_build_put(builder, &params, "table", pat_value_string(table));
    pat_build_put(builder, &params, "by", pat_value_string("currency"));
    PAT_TRY(pat_offline_ask(engine, "control", &params, builder->arena, &answer, error));
    put_served_money(checkup, table, &answer);
    return PAT_OK;
}

static void note_checks(struct checkup *checkup, const struct pat_value *checks) {
    for (uint32_t i = 0; checks != NULL && i < checks->count; i++) {
        const struct pat_value *check = &checks->as.items[i], *ok = pat_value_get(check, "ok");
        if (ok == NULL || ok->as.boolean) continue;
        struct pat_error error;
        const struct pat_value *name = text_member(check, "name"), *detail = text_member(check, "detail");
        (void)pat_error_set(&error, PAT_ERR_CORRUPT, "%.*s: %.*s", name != NULL ? (int)name->count : 0,
                            name != NULL ? name->as.text : "", detail != NULL ? (int)detail->count : 0,
                            detail != NULL ? detail->as.text : "");
        note_damage(checkup, &error);
    }
}

static enum pat_status look_together(struct checkup *checkup, struct pat_engine *engine, struct pat_error *error) {
    static const char *const of_status[] = {"lsn",       "rows", "pending_refunds", "unpriced", "newest_fact",
                                            "producers", NULL};
    static const char *const of_recovery[] = {"snapshot_lsn", "records", "torn_bytes", "fell_back", "note", NULL};
    struct pat_builder *builder = &checkup->builder;
    struct pat_value status, verify, served = pat_build_map(builder, 12);
    PAT_TRY(pat_offline_ask(engine, "status", NULL, builder->arena, &status, error));
    PAT_TRY(pat_offline_ask(engine, "verify", NULL, builder->arena, &verify, error));
    PAT_TRY(ask_control(checkup, engine, "orders", error));
    PAT_TRY(ask_control(checkup, engine, "refunds", error));
    put_members(builder, &served, &status, of_status);
    const struct pat_value *recovery = pat_value_get(&status, "recovery");
    if (recovery != NULL) put_members(builder, &served, recovery, of_recovery);
    pat_build_put(builder, &checkup->out->report, "served", served);
    const struct pat_value *checks = pat_value_get(&verify, "checks");
    if (checks != NULL) pat_build_put(builder, &checkup->out->report, "checks", *checks);
    note_checks(checkup, checks);
    return PAT_OK;
}

/* A server would start from it, and with what. */
static enum pat_status look_at_service(struct checkup *checkup, const char *path, struct pat_error *error) {
    struct pat_engine *engine = NULL;
    struct pat_error why = {0};
    enum pat_status status = pat_offline_open(&engine, path, &why);
    if (status == PAT_ERR_CORRUPT) {
        note_damage(checkup, &why);
        return PAT_OK;
    }
    if (status != PAT_OK) {
        *error = why;
        return status;
    }
    status = look_together(checkup, engine, error);
    pat_offline_close(&engine);
    return status;
}

enum pat_status pat_checkup(struct pat_checkup *out, const char *path, const struct pat_checkup_options *options,
                            struct pat_arena *arena, struct pat_error *error) {
    *out = (struct pat_checkup){.ok = true};
    struct checkup checkup = {.out = out, .options = options, .builder = {.arena = arena}};
    struct pat_builder *builder = &checkup.builder;
    struct pat_fs *fs = NULL;
    out->report = pat_build_map(builder, 16);
    checkup.files = pat_build_array(builder, 8);
    checkup.money = pat_build_array(builder, 8);
    PAT_TRY(pat_fs_open_dir_read(&fs, path, error));
    pat_build_put(builder, &out->report, "directory", pat_build_text(builder, pat_text_of(path)));
    enum pat_status status = look_at_directory(&checkup, fs, error);
    if (status == PAT_OK && !options->quick) status = look_at_service(&checkup, path, error);
    fs->ops->close(&fs);
    pat_build_put(builder, &out->report, "files", checkup.files);
    if (checkup.money.count > 0) pat_build_put(builder, &out->report, "money", checkup.money);
    pat_build_put(builder, &out->report, "ok", pat_value_bool(out->ok));
    PAT_TRY(status);
    return builder->failed ? pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the report") : PAT_OK;
}
