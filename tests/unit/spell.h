/* Value trees written as text, for tests:  {order: [1, 'a'], time: i64(0, 86400000), amount: ['1.5', null]}
 *
 * Values: 'text', 12, 1.5, nan, null, true, false, [..], {key: value}, and bins: i64(..) u64(..) i32(..) u32(..)
 * u16(..) u8(..). */
#ifndef PAT_TESTS_SPELL_H
#define PAT_TESTS_SPELL_H

#include "model/value.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct spell {
    const char *at;
    struct pat_builder builder;
};

static struct pat_value spell_value(struct spell *spell);

static void spell_blanks(struct spell *spell) {
    while (*spell->at == ' ' || *spell->at == ',' || *spell->at == '\n') spell->at++;
}

static bool spell_takes(struct spell *spell, const char *word) {
    if (strncmp(spell->at, word, strlen(word)) != 0) return false;
    spell->at += strlen(word);
    return true;
}

static struct pat_value spell_bin(struct spell *spell, size_t width) {
    unsigned char bytes[4096];
    size_t length = 0;
    for (spell_blanks(spell); *spell->at != ')'; spell_blanks(spell)) {
        char *end;
        int64_t value = strtoll(spell->at, &end, 10);
        assert_true(end != spell->at);
        spell->at = end;
        assert_true(length + width <= sizeof bytes);
        memcpy(bytes + length, &value, width);
        length += width;
    }
    spell->at++;
    struct pat_value bin = pat_build_text(&spell->builder, (struct pat_text){(const char *)bytes, length});
    bin.type = PAT_VALUE_BIN;
    return bin;
}

static struct pat_value spell_map(struct spell *spell) {
    struct pat_value map = pat_build_map(&spell->builder, 4);
    for (spell_blanks(spell); *spell->at != '}'; spell_blanks(spell)) {
        const char *start = spell->at;
        while (*spell->at != ':') spell->at++;
        struct pat_value key = pat_build_text(&spell->builder, (struct pat_text){start, (size_t)(spell->at - start)});
        spell->at++;
        pat_build_put_text_key(&spell->builder, &map, pat_value_as_text(&key), spell_value(spell));
    }
    spell->at++;
    return map;
}

static struct pat_value spell_number(struct spell *spell) {
    char *end;
    size_t length = strspn(spell->at, "+-0123456789.eE");
    const char *start = spell->at;
    spell->at += length;
    if (memchr(start, '.', length) != NULL || memchr(start, 'e', length) != NULL)
        return pat_value_real(strtod(start, &end));
    if (*start == '-') return pat_value_int(strtoll(start, &end, 10));
    return pat_value_uint(strtoull(start, &end, 10));
}

static struct pat_value spell_value(struct spell *spell) {
    static const struct {
        const char *word;
        size_t width;
    } bins[] = {{"i64(", 8}, {"i32(", 4}, {"u8(", 1}, {"u16(", 2}, {"u32(", 4}, {"u64(", 8}};
    spell_blanks(spell);
    if (spell_takes(spell, "null")) return pat_value_nil();
    if (spell_takes(spell, "true")) return pat_value_bool(true);
    if (spell_takes(spell, "false")) return pat_value_bool(false);
    if (spell_takes(spell, "{")) return spell_map(spell);
    if (spell_takes(spell, "nan")) return pat_value_real((double)NAN);
    for (size_t i = 0; i < sizeof bins / sizeof bins[0]; i++) {
        if (spell_takes(spell, bins[i].word)) return spell_bin(spell, bins[i].width);
    }
    if (spell_takes(spell, "[")) {
        struct pat_value array = pat_build_array(&spell->builder, 4);
        for (spell_blanks(spell); *spell->at != ']'; spell_blanks(spell))
            pat_build_push(&spell->builder, &array, spell_value(spell));
        spell->at++;
        return array;
    }
    if (spell_takes(spell, "'")) {
        const char *start = spell->at;
        while (*spell->at != '\'') spell->at++;
        return pat_build_text(&spell->builder, (struct pat_text){start, (size_t)(spell->at++ - start)});
    }
    return spell_number(spell);
}

#endif
