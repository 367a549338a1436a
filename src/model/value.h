/* A tree of values: what a request's parameters and an answer are made of, whatever the wire form (MessagePack now,
 * JSON in the command line and later over HTTP). Everything lives in an arena or is borrowed from the frame. */
#ifndef PAT_MODEL_VALUE_H
#define PAT_MODEL_VALUE_H

#include "base/arena.h"
#include "base/status.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum pat_value_type {
    PAT_VALUE_NIL,
    PAT_VALUE_BOOL,
    PAT_VALUE_INT,  /* int64 */
    PAT_VALUE_UINT, /* above INT64_MAX only; smaller ones are PAT_VALUE_INT */
    PAT_VALUE_FLOAT,
    PAT_VALUE_TEXT, /* UTF-8, checked by the reader of the frame */
    PAT_VALUE_BIN,
    PAT_VALUE_ARRAY,
    PAT_VALUE_MAP, /* keys are texts, each once */
};

struct pat_member;

struct pat_value {
    uint8_t type;   /* enum pat_value_type */
    uint32_t count; /* bytes of text and bin, items of array, members of map */
    union {
        bool boolean;
        int64_t integer;
        uint64_t uinteger;
        double real;
        const char *text;
        const unsigned char *bin;
        struct pat_value *items;
        struct pat_member *members;
    } as;
};

struct pat_member {
    struct pat_text key;
    struct pat_value value;
};

static inline struct pat_value pat_value_nil(void) {
    return (struct pat_value){.type = PAT_VALUE_NIL};
}
static inline struct pat_value pat_value_bool(bool value) {
    return (struct pat_value){.type = PAT_VALUE_BOOL, .as.boolean = value};
}
static inline struct pat_value pat_value_int(int64_t value) {
    return (struct pat_value){.type = PAT_VALUE_INT, .as.integer = value};
}
static inline struct pat_value pat_value_uint(uint64_t value) {
    if (value <= INT64_MAX) return pat_value_int((int64_t)value);
    return (struct pat_value){.type = PAT_VALUE_UINT, .as.uinteger = value};
}
static inline struct pat_value pat_value_real(double value) {
    return (struct pat_value){.type = PAT_VALUE_FLOAT, .as.real = value};
}
/* Borrows. */
static inline struct pat_value pat_value_text(struct pat_text text) {
    return (struct pat_value){.type = PAT_VALUE_TEXT, .count = (uint32_t)text.length, .as.text = text.data};
}
static inline struct pat_value pat_value_string(const char *string) {
    return pat_value_text(pat_text_of(string));
}
static inline struct pat_text pat_value_as_text(const struct pat_value *value) {
    return (struct pat_text){value->as.text, value->count};
}

/* Builders. A map or array is made with a capacity and then filled. When the arena has nothing left, `failed` is set,
 * later calls do nothing, and whoever finishes the answer turns it into PAT_ERR_NO_MEMORY. */
struct pat_builder {
    struct pat_arena *arena;
    bool failed; /* set once memory ran out; the tree is then not to be sent */
};

/* Gives an empty map with room for `capacity` members. */
struct pat_value pat_build_map(struct pat_builder *builder, uint32_t capacity);
struct pat_value pat_build_array(struct pat_builder *builder, uint32_t capacity);
/* A copy of the text in the arena. */
struct pat_value pat_build_text(struct pat_builder *builder, struct pat_text text);
struct pat_value pat_build_printf(struct pat_builder *builder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "YYYY-MM-DD", or nil for PAT_NULL. */
struct pat_value pat_build_day(struct pat_builder *builder, int64_t day);
/* Adds; grows the container by doubling when the capacity given was too small. `key` is borrowed (a literal, mostly).
 */
void pat_build_put_text_key(struct pat_builder *builder, struct pat_value *map, struct pat_text key,
                            struct pat_value value);
static inline void pat_build_put(struct pat_builder *builder, struct pat_value *map, const char *key,
                                 struct pat_value value) {
    pat_build_put_text_key(builder, map, pat_text_of(key), value);
}
void pat_build_push(struct pat_builder *builder, struct pat_value *array, struct pat_value value);

/* The value with everything in it, texts and keys too, in the builder's arena. */
struct pat_value pat_build_copy(struct pat_builder *builder, const struct pat_value *value);

/* Lookups. NULL when there is no such member. */
const struct pat_value *pat_value_get(const struct pat_value *map, const char *key);
bool pat_value_is_text(const struct pat_value *value, const char *string);
/* "nil", "bool", "integer", "number", "string", "bin", "array", "map": for messages. */
const char *pat_value_type_name(const struct pat_value *value);

#endif
