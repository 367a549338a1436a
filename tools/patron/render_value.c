/* One value in one cell. */
#include "render.h"

#include "model/date.h"
#include "model/decimal.h"
#include "proto/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Items of a list in one cell of a table: a dictionary of 300 countries is for --format json. */
#define ITEMS_SHOWN 12u

static bool ends_with(struct pat_text name, const char *end) {
    const size_t length = strlen(end);
    return name.length >= length && memcmp(name.data + name.length - length, end, length) == 0;
}

enum pat_shape pat_shape_of(struct pat_text name) {
    if (ends_with(name, "_minor")) return PAT_SHAPE_MONEY;
    if (pat_text_is(name, "share") || ends_with(name, "_share")) return PAT_SHAPE_SHARE;
    if (ends_with(name, "year") || ends_with(name, "year)") || pat_text_is(name, "epoch")) return PAT_SHAPE_YEAR;
    if (pat_text_is(name, "bytes") || ends_with(name, "_bytes")) return PAT_SHAPE_BYTES;
    if (pat_text_is(name, "saved_ms")) return PAT_SHAPE_INSTANT;
    if (pat_text_is(name, "uptime_ms")) return PAT_SHAPE_DURATION;
    return PAT_SHAPE_PLAIN;
}

struct pat_text pat_render_heading(const struct pat_render *render, struct pat_text name, enum pat_shape shape,
                                   struct pat_text currency) {
    if (shape == PAT_SHAPE_DURATION && !render->csv && ends_with(name, "_ms")) name.length -= strlen("_ms");
    if (shape != PAT_SHAPE_MONEY) return name;
    if (ends_with(name, "_minor")) name.length -= strlen("_minor");
    if (render->csv || currency.length == 0) return name;
    return pat_arena_printf(render->arena, "%.*s (%.*s)", (int)name.length, name.data, (int)currency.length,
                            currency.data);
}

/* "-1234567.50" to "-1,234,567.50"; `out` has room for a third more. */
static void separate_thousands(const char *plain, char *out) {
    if (*plain == '-') *out++ = *plain++;
    const size_t digits = strspn(plain, "0123456789");
    for (size_t i = 0; i < digits; i++) {
        if (i > 0 && (digits - i) % 3 == 0) *out++ = ',';
        *out++ = plain[i];
    }
    (void)strcpy(out, plain + digits);
}

static struct pat_text number_text(const struct pat_render *render, const char *plain, bool separated) {
    char out[96];
    if (separated && !render->csv) {
        separate_thousands(plain, out);
        plain = out;
    }
    return pat_arena_text(render->arena, pat_text_of(plain));
}

static struct pat_text bytes_text(const struct pat_render *render, int64_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    unsigned unit = 0;
    for (; value >= 1024 && unit < 4; unit++) value /= 1024;
    return pat_arena_printf(render->arena, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

/* The two greatest units that say something: "3 d 4 h", "59 s". */
static struct pat_text duration_text(const struct pat_render *render, int64_t ms) {
    const int64_t s = ms / 1000;
    if (s < 60) return pat_arena_printf(render->arena, "%" PRId64 " s", s);
    if (s < 3600) return pat_arena_printf(render->arena, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
    if (s < 86400) return pat_arena_printf(render->arena, "%" PRId64 " h %" PRId64 " min", s / 3600, s / 60 % 60);
    return pat_arena_printf(render->arena, "%" PRId64 " d %" PRId64 " h", s / 86400, s / 3600 % 24);
}

static struct pat_text integer_text(const struct pat_render *render, int64_t value, enum pat_shape shape,
                                    unsigned digits) {
    char plain[32];
    if (shape == PAT_SHAPE_MONEY) {
        pat_minor_print(value, digits, plain);
        return number_text(render, plain, true);
    }
    if (shape == PAT_SHAPE_BYTES && !render->csv && value >= 0) return bytes_text(render, value);
    if (shape == PAT_SHAPE_DURATION && !render->csv && value >= 0) return duration_text(render, value);
    if (shape == PAT_SHAPE_INSTANT && !render->csv && value > 0) {
        pat_stamp_print(value / 1000, 0, plain);
        return number_text(render, plain, false);
    }
    (void)snprintf(plain, sizeof plain, "%" PRId64, value);
    return number_text(render, plain, shape != PAT_SHAPE_YEAR);
}

static struct pat_text real_text(const struct pat_render *render, double value, enum pat_shape shape) {
    char plain[48];
    if (!render->csv) {
        if (shape == PAT_SHAPE_SHARE) return pat_arena_printf(render->arena, "%.1f %%", 100 * value);
        if (fabs(value) >= 1e15 || (value != 0 && fabs(value) < 1e-3)) {
            (void)snprintf(plain, sizeof plain, "%.4g", value);
        } else {
            (void)snprintf(plain, sizeof plain, "%.*f", fabs(value) >= 100 ? 2 : 3, value);
        }
        return number_text(render, plain, true);
    }
    /* The shortest form that reads back. */
    for (int precision = 15; precision <= 17; precision++) {
        (void)snprintf(plain, sizeof plain, "%.*g", precision, value);
        if (strtod(plain, NULL) >= value && strtod(plain, NULL) <= value) break;
    }
    return number_text(render, plain, false);
}

static struct pat_text tree_text(const struct pat_render *render, const struct pat_value *value) {
    struct pat_buf buf;
    pat_buf_init(&buf, PAT_MEM_OTHER);
    struct pat_text text = {0};
    if (pat_json_print(&buf, value, false) == PAT_OK) {
        text = pat_arena_text(render->arena, (struct pat_text){(const char *)buf.data, buf.length});
    }
    pat_buf_deinit(&buf);
    return text;
}

/* Sets of names read better without brackets and quotes. */
static struct pat_text array_text(const struct pat_render *render, const struct pat_value *value) {
    struct pat_text text = {"", 0};
    const uint32_t shown = render->csv || value->count <= ITEMS_SHOWN ? value->count : ITEMS_SHOWN;
    for (uint32_t i = 0; i < shown; i++) {
        const struct pat_value *item = &value->as.items[i];
        if (item->type == PAT_VALUE_ARRAY || item->type == PAT_VALUE_MAP) return tree_text(render, value);
        const struct pat_text part = pat_render_value(render, item, PAT_SHAPE_PLAIN, 0);
        const char *between = i == 0 ? "" : render->csv ? "|" : ", ";
        text = pat_arena_printf(render->arena, "%.*s%s%.*s", (int)text.length, text.data, between, (int)part.length,
                                part.data != NULL ? part.data : "");
        if (text.data == NULL) return text;
    }
    if (shown == value->count) return text;
    return pat_arena_printf(render->arena, "%.*s, ... (%" PRIu32 ")", (int)text.length, text.data, value->count);
}

static struct pat_text string_text(const struct pat_render *render, const struct pat_value *value) {
    const struct pat_text text = pat_value_as_text(value);
    if (render->csv || !pat_text_has_control(text)) return text;
    char *shown = pat_arena_alloc(render->arena, text.length + 4);
    if (shown == NULL) return (struct pat_text){0};
    return pat_text_of(pat_text_printable(text, shown, text.length + 4));
}

struct pat_text pat_render_value(const struct pat_render *render, const struct pat_value *value, enum pat_shape shape,
                                 unsigned digits) {
    switch ((enum pat_value_type)value->type) {
    case PAT_VALUE_NIL: return render->csv ? (struct pat_text){0} : PAT_TEXT("-");
    case PAT_VALUE_BOOL:
        if (render->csv) return value->as.boolean ? PAT_TEXT("true") : PAT_TEXT("false");
        return value->as.boolean ? PAT_TEXT("yes") : PAT_TEXT("no");
    case PAT_VALUE_INT:
        if (shape == PAT_SHAPE_SHARE && !render->csv) return real_text(render, (double)value->as.integer, shape);
        return integer_text(render, value->as.integer, shape, digits);
    case PAT_VALUE_UINT: return pat_arena_printf(render->arena, "%" PRIu64, value->as.uinteger);
    case PAT_VALUE_FLOAT: return real_text(render, value->as.real, shape);
    case PAT_VALUE_TEXT: return string_text(render, value);
    case PAT_VALUE_BIN: return pat_arena_printf(render->arena, "%" PRIu32 " bytes", value->count);
    case PAT_VALUE_ARRAY: return array_text(render, value);
    case PAT_VALUE_MAP: return tree_text(render, value);
    }
    return (struct pat_text){0};
}
