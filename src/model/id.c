#include "model/id.h"

#include "model/limits.h"

/* INT64_MAX has 19 digits; any 18 digits fit. */
#define NUMBER_DIGITS_MAX 19u

int64_t pat_id_number(struct pat_text text) {
    if (text.length == 0 || text.length > NUMBER_DIGITS_MAX) return -1;
    if (text.data[0] == '0') return text.length == 1 ? 0 : -1;
    uint64_t number = 0;
    for (size_t i = 0; i < text.length; i++) {
        const unsigned digit = (unsigned)(unsigned char)text.data[i] - '0';
        if (digit > 9) return -1;
        number = number * 10 + digit;
    }
    return number <= INT64_MAX ? (int64_t)number : -1;
}

/* Most ids are plain ASCII: one pass over them answers everything. */
static bool id_is_plain(struct pat_text text) {
    for (size_t i = 0; i < text.length; i++) {
        const unsigned char byte = (unsigned char)text.data[i];
        if (byte < 0x20 || byte > 0x7e) return false;
    }
    return true;
}

enum pat_id_fault pat_id_check(struct pat_text text) {
    if (text.length == 0) return PAT_ID_EMPTY;
    if (text.length > PAT_ID_BYTES_MAX) return PAT_ID_LONG;
    if (id_is_plain(text)) return PAT_ID_FINE;
    if (!pat_text_utf8_valid(text, NULL)) return PAT_ID_UTF8;
    return pat_text_has_control(text) ? PAT_ID_CONTROL : PAT_ID_FINE;
}

const char *pat_id_fault_text(enum pat_id_fault fault) {
    switch (fault) {
    case PAT_ID_FINE: return "the id is fine";
    case PAT_ID_EMPTY: return "an id must not be empty";
    case PAT_ID_LONG: return "an id has at most 64 bytes, this one is longer";
    case PAT_ID_CONTROL: return "an id must not contain control characters";
    case PAT_ID_UTF8: return "an id must be UTF-8";
    }
    return "";
}

size_t pat_id_print(int64_t number, char out[21]) {
    char reversed[20];
    size_t length = 0;
    uint64_t rest = (uint64_t)number;
    do {
        reversed[length++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    for (size_t i = 0; i < length; i++) out[i] = reversed[length - 1 - i];
    out[length] = '\0';
    return length;
}
