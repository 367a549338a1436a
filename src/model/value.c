#include "model/value.h"

#include "base/size.h"
#include "base/status.h"
#include "model/date.h"
#include "model/types.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* A value has no room for the capacity of a container, and only containers under construction need one: it stands in
 * front of the elements. 16 bytes keep the elements at the arena's alignment. */
struct container_header {
    uint32_t capacity;
    uint32_t unused[3];
};
_Static_assert(sizeof(struct container_header) == 16, "elements stay aligned to 16");

static void *container_alloc(struct pat_builder *builder, uint32_t capacity, size_t element_bytes) {
    if (builder->failed) return NULL;
    size_t bytes;
    struct container_header *header = NULL;
    if (pat_size_mul(capacity, element_bytes, &bytes) && pat_size_add(bytes, sizeof *header, &bytes)) {
        header = pat_arena_alloc(builder->arena, bytes);
    }
    if (header == NULL) {
        builder->failed = true;
        return NULL;
    }
    header->capacity = capacity;
    return header + 1;
}

static uint32_t container_capacity(const void *elements) {
    return ((const struct container_header *)elements)[-1].capacity;
}

/* Gives elements with room for one more than `count`, or NULL when there is no memory. */
static void *container_reserve(struct pat_builder *builder, void *elements, uint32_t count, size_t element_bytes) {
    if (builder->failed) return NULL;
    PAT_ASSERT(elements != NULL);
    const uint32_t capacity = container_capacity(elements);
    if (count < capacity) return elements;
    if (capacity > UINT32_MAX / 2) {
        builder->failed = true;
        return NULL;
    }
    void *grown = container_alloc(builder, capacity < 4 ? 8 : capacity * 2, element_bytes);
    if (grown != NULL && count > 0) memcpy(grown, elements, count * element_bytes);
    return grown;
}

struct pat_value pat_build_map(struct pat_builder *builder, uint32_t capacity) {
    return (struct pat_value){.type = PAT_VALUE_MAP,
                              .as.members = container_alloc(builder, capacity, sizeof(struct pat_member))};
}

struct pat_value pat_build_array(struct pat_builder *builder, uint32_t capacity) {
    return (struct pat_value){.type = PAT_VALUE_ARRAY,
                              .as.items = container_alloc(builder, capacity, sizeof(struct pat_value))};
}

struct pat_value pat_build_text(struct pat_builder *builder, struct pat_text text) {
    if (builder->failed) return pat_value_nil();
    PAT_ASSERT(text.length <= UINT32_MAX);
    const struct pat_text copy = pat_arena_text(builder->arena, text);
    if (copy.data == NULL) {
        builder->failed = true;
        return pat_value_nil();
    }
    return pat_value_text(copy);
}

struct pat_value pat_build_printf(struct pat_builder *builder, const char *format, ...) {
    if (builder->failed) return pat_value_nil();
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    PAT_ASSERT(length >= 0);
    char *text = pat_arena_alloc(builder->arena, (size_t)length + 1);
    if (text == NULL) {
        builder->failed = true;
    } else {
        (void)vsnprintf(text, (size_t)length + 1, format, again);
    }
    va_end(again);
    if (text == NULL) return pat_value_nil();
    return pat_value_text((struct pat_text){text, (size_t)length});
}

struct pat_value pat_build_day(struct pat_builder *builder, int64_t day) {
    if (day == PAT_NULL) return pat_value_nil();
    PAT_ASSERT(day >= PAT_DAY_MIN && day <= PAT_DAY_MAX);
    char text[11];
    pat_day_print((pat_day)day, text);
    return pat_build_text(builder, (struct pat_text){text, sizeof text - 1});
}

void pat_build_put_text_key(struct pat_builder *builder, struct pat_value *map, struct pat_text key,
                            struct pat_value value) {
    PAT_ASSERT(map->type == PAT_VALUE_MAP);
    struct pat_member *members = container_reserve(builder, map->as.members, map->count, sizeof *members);
    if (members == NULL) return;
    map->as.members = members;
    members[map->count++] = (struct pat_member){key, value};
}

void pat_build_push(struct pat_builder *builder, struct pat_value *array, struct pat_value value) {
    PAT_ASSERT(array->type == PAT_VALUE_ARRAY);
    struct pat_value *items = container_reserve(builder, array->as.items, array->count, sizeof *items);
    if (items == NULL) return;
    array->as.items = items;
    items[array->count++] = value;
}

static struct pat_text copy_key(struct pat_builder *builder, struct pat_text key) {
    const struct pat_text copy = pat_arena_text(builder->arena, key);
    if (copy.data == NULL) builder->failed = true;
    return copy;
}

/* As deep as answers are, which nest a few levels. */
struct pat_value pat_build_copy(struct pat_builder *builder, const struct pat_value *value) {
    struct pat_value copy = *value;
    switch ((enum pat_value_type)value->type) {
    case PAT_VALUE_TEXT: return pat_build_text(builder, pat_value_as_text(value));
    case PAT_VALUE_BIN:
        copy = pat_build_text(builder, (struct pat_text){(const char *)value->as.bin, value->count});
        if (copy.type == PAT_VALUE_TEXT) copy.type = PAT_VALUE_BIN;
        return copy;
    case PAT_VALUE_ARRAY:
        copy = pat_build_array(builder, value->count);
        for (uint32_t i = 0; i < value->count; i++) {
            pat_build_push(builder, &copy, pat_build_copy(builder, &value->as.items[i]));
        }
        return copy;
    case PAT_VALUE_MAP:
        copy = pat_build_map(builder, value->count);
        for (uint32_t i = 0; i < value->count; i++) {
            const struct pat_member *member = &value->as.members[i];
            pat_build_put_text_key(builder, &copy, copy_key(builder, member->key),
                                   pat_build_copy(builder, &member->value));
        }
        return copy;
    default: return copy;
    }
}

const struct pat_value *pat_value_get(const struct pat_value *map, const char *key) {
    if (map == NULL || map->type != PAT_VALUE_MAP) return NULL;
    const size_t length = strlen(key);
    for (uint32_t i = 0; i < map->count; i++) {
        const struct pat_member *member = &map->as.members[i];
        if (member->key.length == length && (length == 0 || memcmp(member->key.data, key, length) == 0))
            return &member->value;
    }
    return NULL;
}

bool pat_value_is_text(const struct pat_value *value, const char *string) {
    return value != NULL && value->type == PAT_VALUE_TEXT && pat_text_is(pat_value_as_text(value), string);
}

const char *pat_value_type_name(const struct pat_value *value) {
    if (value == NULL) return "nil";
    switch ((enum pat_value_type)value->type) {
    case PAT_VALUE_NIL: return "nil";
    case PAT_VALUE_BOOL: return "bool";
    case PAT_VALUE_INT:
    case PAT_VALUE_UINT: return "integer";
    case PAT_VALUE_FLOAT: return "number";
    case PAT_VALUE_TEXT: return "string";
    case PAT_VALUE_BIN: return "bin";
    case PAT_VALUE_ARRAY: return "array";
    case PAT_VALUE_MAP: return "map";
    }
    return "nil";
}
