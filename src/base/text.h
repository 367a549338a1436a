/* A borrowed run of bytes: not NUL-terminated, not owned. */
#ifndef PAT_BASE_TEXT_H
#define PAT_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pat_text {
    const char *data; /* may be NULL when length is 0 */
    size_t length;
};

#define PAT_TEXT(literal) ((struct pat_text){(literal), sizeof(literal) - 1})

/* NULL gives the empty text. Of a literal the length is known when it is compiled. */
static inline struct pat_text pat_text_of(const char *string) {
    return (struct pat_text){string, string != NULL ? strlen(string) : 0};
}
bool pat_text_equal(struct pat_text a, struct pat_text b);
bool pat_text_is_whole(struct pat_text text, const char *string);
/* Most are told apart by their first byte, without measuring the string or a call. */
static inline bool pat_text_is(struct pat_text text, const char *string) {
    return text.length == 0 ? string[0] == '\0' : text.data[0] == string[0] && pat_text_is_whole(text, string);
}
int pat_text_compare(struct pat_text a, struct pat_text b); /* bytewise: <0, 0, >0 */

/* True for well-formed UTF-8 (no surrogates, no overlong forms). *bad_offset (may be NULL) is the first wrong byte. */
bool pat_text_utf8_valid(struct pat_text text, size_t *bad_offset);

/* True when a control character (U+0000..U+001F, U+007F) is in `text`. */
bool pat_text_has_control(struct pat_text text);

/* Copies `text` for showing in a message: control characters and broken UTF-8 become '?', cut at capacity with "...".
 * Always terminates; capacity >= 4. Gives `out`. */
const char *pat_text_printable(struct pat_text text, char *out, size_t capacity);

/* Edit distance with insert, delete, replace and swap of neighbours, ASCII case folded; texts over 64 bytes give 64. */
unsigned pat_text_distance(struct pat_text a, struct pat_text b);

/* Whether a candidate at `distance` may be what was meant: at most a third of `name` (but two letters) differs, and at
 * least half of the letters agree. For "did you mean". */
bool pat_text_is_near(struct pat_text name, struct pat_text candidate, unsigned distance);

/* The candidate nearest to `name`, or -1 when none is near. */
int pat_text_nearest(struct pat_text name, const char *const *candidates, size_t count);

#endif
