#include "base/log.h"

#include "base/clock.h"
#include "base/log_private.h"
#include "base/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* One value before escaping, and a key with its signs; longer ones are cut. */
#define VALUE_BYTES 640u
#define KEY_BYTES   40u
/* What a line that was cut ends with, brace and line end included. */
#define TAIL_BYTES 20u
/* "%-08.*llu" and the like. */
#define SPEC_BYTES 24u

static _Atomic int level_max = PAT_LOG_INFO;
static _Atomic int format_now = PAT_LOG_LOGFMT;

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const char *const format_names[] = {"logfmt", "json"};

void pat_log_set_level(enum pat_log_level level) {
    atomic_store_explicit(&level_max, (int)level, memory_order_relaxed);
}

void pat_log_set_format(enum pat_log_format format) {
    atomic_store_explicit(&format_now, (int)format, memory_order_relaxed);
}

int pat_log_level_parse(const char *name) {
    for (int level = PAT_LOG_ERROR; level <= PAT_LOG_DEBUG; level++) {
        if (strcmp(name, level_names[level]) == 0) return level;
    }
    return -1;
}

int pat_log_format_parse(const char *name) {
    for (int format = PAT_LOG_LOGFMT; format <= PAT_LOG_JSON; format++) {
        if (strcmp(name, format_names[format]) == 0) return format;
    }
    return -1;
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

struct value {
    char text[VALUE_BYTES];
    size_t length;
    bool quoted; /* the format says so */
    bool number; /* of one conversion that prints one, and nothing else */
};

static void value_add(struct value *value, const char *text, size_t length) {
    const size_t room = sizeof value->text - value->length;
    const size_t taken = length < room ? length : room;
    memcpy(value->text + value->length, text, taken);
    value->length += taken;
    if (taken < length) memcpy(value->text + sizeof value->text - 3, "...", 3);
}

/* The conversion at *at, which is behind its '%', with what it takes from `args`. */
static void value_convert(struct value *value, const char **at, va_list *args) {
    char spec[SPEC_BYTES] = "%", text[VALUE_BYTES];
    size_t used = 1;
    int longs = 0, stars[2] = {0, 0}, star = 0;
    bool size = false;
    for (; **at != '\0' && strchr("diouxXeEfFgGcsp%", **at) == NULL && used + 2 < sizeof spec; (*at)++) {
        if (**at == '*' && star < 2) stars[star++] = va_arg(*args, int);
        longs += **at == 'l';
        size |= **at == 'z' || **at == 'j' || **at == 't';
        spec[used++] = **at;
    }
    if (**at == '\0') return;
    const char kind = *(*at)++;
    spec[used] = kind;
    spec[used + 1] = '\0';
    int length = 0;
/* The format is the caller's own, checked by the compiler at the call. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
#define CONVERT(type)                                                                                                  \
    do {                                                                                                               \
        const type given = va_arg(*args, type);                                                                        \
        length = star == 2   ? snprintf(text, sizeof text, spec, stars[0], stars[1], given)                            \
                 : star == 1 ? snprintf(text, sizeof text, spec, stars[0], given)                                      \
                             : snprintf(text, sizeof text, spec, given);                                               \
    } while (0)
    if (kind == '%') {
        text[length++] = '%';
    } else if (strchr("eEfFgG", kind) != NULL) {
        CONVERT(double);
    } else if (kind == 's') {
        CONVERT(char *);
    } else if (kind == 'p') {
        CONVERT(void *);
    } else if (size) {
        CONVERT(size_t);
    } else if (longs == 2) {
        CONVERT(long long);
    } else if (longs == 1) {
        CONVERT(long);
    } else {
        CONVERT(int);
    }
#undef CONVERT
#pragma GCC diagnostic pop
    if (length < 0) return;
    value->number = value->length == 0 && strchr("dioufFgGeE", kind) != NULL;
    const bool whole = (size_t)length < sizeof text;
    value_add(value, text, whole ? (size_t)length : sizeof text - 1);
    if (!whole) value_add(value, "....", 4); /* does not fit, and says so */
}

/* The value at *at, up to what ends it in the format. */
static void value_read(struct value *value, const char **at, va_list *args) {
    value->length = 0;
    value->number = false;
    value->quoted = **at == '"';
    if (value->quoted) (*at)++;
    const char end = value->quoted ? '"' : ' ';
    while (**at != '\0' && **at != end) {
        if (**at == '%') {
            (*at)++;
            value_convert(value, at, args);
            continue;
        }
        value->number = false;
        value_add(value, (*at)++, 1);
    }
    if (value->quoted) value->number = false;
    if (**at != '\0' && value->quoted) (*at)++;
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

struct line {
    char text[PAT_LOG_LINE_BYTES];
    size_t used;
    bool json;
    bool cut;
};

static void line_put(struct line *line, const char *text, size_t length) {
    if (line->cut || line->used + length > sizeof line->text - TAIL_BYTES) {
        line->cut = true;
        return;
    }
    memcpy(line->text + line->used, text, length);
    line->used += length;
}

static bool is_plain(const struct value *value) {
    for (size_t i = 0; i < value->length; i++) {
        const unsigned char byte = (unsigned char)value->text[i];
        if (!isalnum(byte) && strchr("_.:/+-,@%", byte) == NULL) return false;
    }
    return value->length > 0;
}

/* With what JSON wants escaped, which logfmt readers understand as well. */
static void line_put_quoted(struct line *line, const struct value *value) {
    const bool utf8 = pat_text_utf8_valid((struct pat_text){value->text, value->length}, NULL);
    const size_t before = line->used;
    line_put(line, "\"", 1);
    for (size_t i = 0; i < value->length; i++) {
        const unsigned char byte = (unsigned char)value->text[i];
        char escaped[8];
        int length = 1;
        escaped[0] = (char)byte;
        if (byte == '"' || byte == '\\') {
            length = snprintf(escaped, sizeof escaped, "\\%c", byte);
        } else if (byte < 0x20 || byte == 0x7F) {
            length = snprintf(escaped, sizeof escaped, "\\u%04x", byte);
        } else if (byte >= 0x80 && !utf8) {
            escaped[0] = '?';
        }
        line_put(line, escaped, (size_t)length);
    }
    line_put(line, "\"", 1);
    if (line->cut) line->used = before;
}

static void line_pair(struct line *line, const char *key, size_t key_length, const struct value *value) {
    const size_t before = line->used;
    char head[KEY_BYTES + 8];
    const int length = line->json
                           ? snprintf(head, sizeof head, "%s\"%.*s\":", line->used > 1 ? "," : "", (int)key_length, key)
                           : snprintf(head, sizeof head, "%s%.*s=", line->used > 0 ? " " : "", (int)key_length, key);
    line_put(line, head, (size_t)length);
    if (value->number || (!line->json && !value->quoted && is_plain(value))) {
        line_put(line, value->text, value->length);
    } else {
        line_put_quoted(line, value);
    }
    if (line->cut) line->used = before;
}

static void line_pair_text(struct line *line, const char *key, const char *text) {
    struct value value = {.length = 0};
    value_add(&value, text, strlen(text));
    line_pair(line, key, strlen(key), &value);
}

static void line_begin(struct line *line, enum pat_log_level level, const char *event) {
    char now_text[40];
    const int64_t now = pat_clock_wall_ms();
    const time_t seconds = (time_t)(now / 1000);
    struct tm utc;
    (void)gmtime_r(&seconds, &utc);
    const size_t used = strftime(now_text, sizeof now_text, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(now_text + used, sizeof now_text - used, ".%03dZ", (int)(now % 1000));
    line->used = 0;
    line->cut = false;
    if (line->json) line_put(line, "{", 1);
    line_pair_text(line, "time", now_text);
    line_pair_text(line, "level", level_names[level]);
    line_pair_text(line, "event", event);
}

static void line_end(struct line *line) {
    if (line->cut) {
        const char *tail = line->json ? ",\"cut\":\"yes\"" : " cut=yes";
        memcpy(line->text + line->used, tail, strlen(tail));
        line->used += strlen(tail);
    }
    if (line->json) line->text[line->used++] = '}';
    line->text[line->used++] = '\n';
}

size_t pat_log__dropped(char out[PAT_LOG_LINE_BYTES], uint64_t count) {
    struct line line = {.json = atomic_load_explicit(&format_now, memory_order_relaxed) == PAT_LOG_JSON};
    struct value value = {.number = true};
    value.length = (size_t)snprintf(value.text, sizeof value.text, "%" PRIu64, count);
    line_begin(&line, PAT_LOG_WARN, "log-dropped");
    line_pair(&line, "count", strlen("count"), &value);
    line_end(&line);
    memcpy(out, line.text, line.used);
    return line.used;
}

void pat_log(enum pat_log_level level, const char *event, const char *format, ...) {
    if ((int)level > atomic_load_explicit(&level_max, memory_order_relaxed)) return;
    struct line line = {.json = atomic_load_explicit(&format_now, memory_order_relaxed) == PAT_LOG_JSON};
    struct value value;
    line_begin(&line, level, event);
    va_list args;
    va_start(args, format);
    for (const char *at = format; *at != '\0';) {
        const size_t length = strcspn(at, "= ");
        if (at[length] != '=' || length > KEY_BYTES) break; /* a mistake in the format, which is tested */
        const char *key = at;
        at += length + 1;
        value_read(&value, &at, &args);
        line_pair(&line, key, length, &value);
        while (*at == ' ') at++;
    }
    va_end(args);
    line_end(&line);
    pat_log__put(line.text, line.used);
}
