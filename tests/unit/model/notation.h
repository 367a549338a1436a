/* Values written down in tests: JSON with single quotes for double ones, so that C strings stay readable. Trusted
 * input. */
#ifndef PAT_TESTS_MODEL_NOTATION_H
#define PAT_TESTS_MODEL_NOTATION_H

#include "model/value.h"

#include <stdlib.h>
#include <string.h>

static struct pat_value notation_value(struct pat_builder *builder, const char **at);

static inline void notation_skip(const char **at) {
    while (**at == ' ' || **at == ',' || **at == ':') (*at)++;
}

static inline struct pat_text notation_string(const char **at) {
    const char *start = ++*at;
    while (**at != '\'') (*at)++;
    return (struct pat_text){start, (size_t)((*at)++ - start)};
}

static inline struct pat_value notation_number(const char **at) {
    char *end;
    if (**at != '-') {
        const unsigned long long number = strtoull(*at, &end, 10);
        if (*end != '.' && *end != 'e') {
            *at = end;
            return pat_value_uint(number);
        }
    }
    const long long integer = strtoll(*at, &end, 10);
    const double real = *end == '.' || *end == 'e' ? strtod(*at, &end) : 0;
    const bool whole = memchr(*at, '.', (size_t)(end - *at)) == NULL && memchr(*at, 'e', (size_t)(end - *at)) == NULL;
    *at = end;
    return whole ? pat_value_int(integer) : pat_value_real(real);
}

static inline struct pat_value notation_array(struct pat_builder *builder, const char **at) {
    struct pat_value array = pat_build_array(builder, 4);
    for ((*at)++, notation_skip(at); **at != ']'; notation_skip(at)) {
        pat_build_push(builder, &array, notation_value(builder, at));
    }
    (*at)++;
    return array;
}

static inline struct pat_value notation_map(struct pat_builder *builder, const char **at) {
    struct pat_value map = pat_build_map(builder, 4);
    for ((*at)++, notation_skip(at); **at != '}'; notation_skip(at)) {
        const struct pat_text key = notation_string(at);
        notation_skip(at);
        pat_build_put_text_key(builder, &map, key, notation_value(builder, at));
    }
    (*at)++;
    return map;
}

static inline struct pat_value notation_value(struct pat_builder *builder, const char **at) {
    notation_skip(at);
    switch (**at) {
    case '[': return notation_array(builder, at);
    case '{': return notation_map(builder, at);
    case '\'': return pat_value_text(notation_string(at));
    case 't': *at += 4; return pat_value_bool(true);
    case 'f': *at += 5; return pat_value_bool(false);
    case 'n': *at += 4; return pat_value_nil();
    default: return notation_number(at);
    }
}

/* The value in the arena; NULL for NULL. */
static inline const struct pat_value *notation(struct pat_arena *arena, const char *text) {
    if (text == NULL) return NULL;
    struct pat_builder builder = {.arena = arena};
    struct pat_value *value = pat_arena_alloc(arena, sizeof *value);
    *value = notation_value(&builder, &text);
    return value;
}

#endif
