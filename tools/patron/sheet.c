#include "sheet.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void pat_sheet_begin(struct pat_sheet *sheet, struct pat_arena *arena, unsigned columns) {
    *sheet = (struct pat_sheet){.arena = arena, .columns = columns};
    sheet->heading = pat_arena_array(arena, columns, sizeof *sheet->heading);
    sheet->right = pat_arena_array(arena, columns, sizeof *sheet->right);
    sheet->failed = sheet->heading == NULL || sheet->right == NULL;
}

void pat_sheet_head(struct pat_sheet *sheet, unsigned column, struct pat_text heading, bool right) {
    if (sheet->failed) return;
    sheet->heading[column] = heading;
    sheet->right[column] = right;
}

struct pat_text *pat_sheet_row(struct pat_sheet *sheet) {
    if (sheet->failed) return NULL;
    if (sheet->rows == sheet->capacity) {
        size_t capacity = sheet->capacity == 0 ? 32 : sheet->capacity * 2;
        struct pat_text *cell = pat_arena_array(sheet->arena, capacity * sheet->columns, sizeof *cell);
        if (cell == NULL) {
            sheet->failed = true;
            return NULL;
        }
        if (sheet->rows > 0) memcpy(cell, sheet->cell, sheet->rows * sheet->columns * sizeof *cell);
        sheet->cell = cell;
        sheet->capacity = capacity;
    }
    return &sheet->cell[sheet->rows++ * sheet->columns];
}

/* East Asian wide forms take two columns, combining marks none. */
static size_t code_point_width(uint32_t c) {
    if (c >= 0x300 && c <= 0x36f) return 0;
    const bool wide = (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) || (c >= 0xac00 && c <= 0xd7a3) ||
                      (c >= 0xf900 && c <= 0xfaff) || (c >= 0xfe30 && c <= 0xfe4f) || (c >= 0xff00 && c <= 0xff60) ||
                      (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1faff) || (c >= 0x20000 && c <= 0x3fffd);
    return wide ? 2 : 1;
}

size_t pat_text_width(struct pat_text text) {
    size_t width = 0;
    for (size_t i = 0; i < text.length;) {
        const unsigned char lead = (unsigned char)text.data[i];
        const unsigned bytes = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        uint32_t c = bytes == 1 ? lead : lead & (0x7fu >> bytes);
        for (unsigned b = 1; b < bytes && i + b < text.length; b++)
            c = c << 6 | ((unsigned char)text.data[i + b] & 0x3f);
        width += code_point_width(c);
        i += bytes;
    }
    return width;
}

/* Bytes of the longest beginning of `text` that takes at most `width` columns, ended at a space where there is one. */
static size_t fitting(struct pat_text text, size_t width) {
    size_t used = 0, space = 0, i = 0;
    while (i < text.length) {
        size_t next = i + 1;
        while (next < text.length && ((unsigned char)text.data[next] & 0xc0) == 0x80) next++;
        used += pat_text_width((struct pat_text){text.data + i, next - i});
        if (used > width) return space > 0 ? space : i > 0 ? i : next;
        i = next;
        if (i < text.length && text.data[i] == ' ') space = i;
    }
    return text.length;
}

/* Takes what fits off the beginning of `text`. */
static struct pat_text take_line(struct pat_text *text, size_t width) {
    if (text->length == 0) return *text;
    const struct pat_text line = {text->data, fitting(*text, width)};
    size_t used = line.length;
    while (used > 0 && used < text->length && text->data[used] == ' ') used++;
    *text = (struct pat_text){text->data + used, text->length - used};
    return line;
}

static size_t gap_of(const struct pat_sheet *sheet) {
    return sheet->tight ? 1 : 2;
}

static void print_padded(FILE *out, struct pat_text text, size_t width, bool right, bool last) {
    const size_t used = pat_text_width(text);
    const int pad = used < width ? (int)(width - used) : 0;
    if (right) (void)fprintf(out, "%*s", pad, "");
    (void)fwrite(text.data != NULL ? text.data : "", 1, text.length, out);
    if (!right && !last) (void)fprintf(out, "%*s", pad, "");
}

/* Uses the cells up. `rest` has room for them. */
static void print_row(const struct pat_sheet *sheet, const struct pat_text *cell, struct pat_text *rest,
                      const size_t *width, FILE *out) {
    memcpy(rest, cell, sheet->columns * sizeof *rest);
    for (bool more = true; more;) {
        more = false;
        for (unsigned c = 0; c < sheet->columns; c++) {
            if (c > 0) (void)fputs(sheet->tight ? " " : "  ", out);
            print_padded(out, take_line(&rest[c], width[c]), width[c], sheet->right[c], c + 1 == sheet->columns);
            more = more || rest[c].length > 0;
        }
        (void)fputc('\n', out);
    }
}

static void print_rule(const struct pat_sheet *sheet, const size_t *width, FILE *out) {
    (void)fputs(pat_style_dim(out), out);
    for (unsigned c = 0; c < sheet->columns; c++) {
        if (c > 0) (void)fputs(sheet->tight ? " " : "  ", out);
        for (size_t i = 0; i < width[c]; i++) (void)fputs("\u2500", out);
    }
    (void)fprintf(out, "%s\n", pat_style_off(out));
}

static void measure(const struct pat_sheet *sheet, size_t *width) {
    for (unsigned c = 0; c < sheet->columns; c++) {
        width[c] = pat_text_width(sheet->heading[c]);
        for (size_t r = 0; r < sheet->rows; r++) {
            const size_t cell = pat_text_width(sheet->cell[r * sheet->columns + c]);
            if (cell > width[c]) width[c] = cell;
        }
    }
}

static size_t longest_word(struct pat_text text) {
    size_t longest = 0;
    for (size_t start = 0, i = 0; i <= text.length; i++) {
        if (i < text.length && text.data[i] != ' ') continue;
        const size_t word = pat_text_width((struct pat_text){text.data + start, i - start});
        if (word > longest) longest = word;
        start = i + 1;
    }
    return longest;
}

/* What a column needs at the least: numbers and words stay whole. */
static size_t least_width(const struct pat_sheet *sheet, unsigned column, size_t width) {
    if (sheet->right[column]) return width;
    size_t least = longest_word(sheet->heading[column]);
    for (size_t r = 0; r < sheet->rows; r++) {
        const size_t cell = longest_word(sheet->cell[r * sheet->columns + column]);
        if (cell > least) least = cell;
    }
    return least;
}

/* Takes from whichever column has most to give. A table that cannot fit stays as it is: the terminal breaks its lines,
 * and that reads no worse. */
static void narrow(const struct pat_sheet *sheet, size_t *width, size_t *least, size_t most) {
    size_t sum = 0, sum_least = 0;
    for (unsigned c = 0; c < sheet->columns; c++) {
        least[c] = least_width(sheet, c, width[c]);
        sum += width[c] + (c > 0 ? gap_of(sheet) : 0);
        sum_least += least[c] + (c > 0 ? gap_of(sheet) : 0);
    }
    for (; sum > most && sum_least <= most; sum--) {
        unsigned widest = 0;
        for (unsigned c = 1; c < sheet->columns; c++) {
            if (width[widest] == least[widest] || (width[c] > least[c] && width[c] > width[widest])) widest = c;
        }
        width[widest]--;
    }
}

size_t pat_sheet_width(const struct pat_sheet *sheet) {
    size_t *width = pat_arena_array(sheet->arena, sheet->columns, sizeof *width);
    if (sheet->failed || width == NULL) return 0;
    measure(sheet, width);
    size_t sum = (sheet->columns - 1) * gap_of(sheet);
    for (unsigned c = 0; c < sheet->columns; c++) sum += width[c];
    return sum;
}

void pat_sheet_print_table(const struct pat_sheet *sheet, FILE *out) {
    size_t *width = pat_arena_array(sheet->arena, sheet->columns, sizeof *width);
    size_t *least = pat_arena_array(sheet->arena, sheet->columns, sizeof *least);
    struct pat_text *rest = pat_arena_array(sheet->arena, sheet->columns, sizeof *rest);
    if (sheet->failed || width == NULL || least == NULL || rest == NULL) return;
    measure(sheet, width);
    const size_t most = pat_terminal_width(out);
    if (most > 0) narrow(sheet, width, least, most);
    (void)fputs(pat_style_bold(out), out);
    print_row(sheet, sheet->heading, rest, width, out);
    (void)fputs(pat_style_off(out), out);
    print_rule(sheet, width, out);
    for (size_t r = 0; r < sheet->rows; r++) {
        if (sheet->rule_last && r + 1 == sheet->rows) print_rule(sheet, width, out);
        print_row(sheet, &sheet->cell[r * sheet->columns], rest, width, out);
    }
}

void pat_csv_print_cell(FILE *out, struct pat_text text) {
    bool quote = text.length > 0 && (text.data[0] == ' ' || text.data[text.length - 1] == ' ');
    for (size_t i = 0; i < text.length && !quote; i++) {
        const char c = text.data[i];
        quote = c == ',' || c == '"' || c == '\n' || c == '\r';
    }
    if (!quote) {
        if (text.length > 0) (void)fwrite(text.data, 1, text.length, out);
        return;
    }
    (void)fputc('"', out);
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] == '"') (void)fputc('"', out);
        (void)fputc(text.data[i], out);
    }
    (void)fputc('"', out);
}

static void print_csv_row(const struct pat_sheet *sheet, const struct pat_text *cell, FILE *out) {
    for (unsigned c = 0; c < sheet->columns; c++) {
        if (c > 0) (void)fputc(',', out);
        pat_csv_print_cell(out, cell[c]);
    }
    (void)fputs("\r\n", out);
}

void pat_sheet_print_csv(const struct pat_sheet *sheet, FILE *out) {
    if (sheet->failed) return;
    if (!sheet->headless) print_csv_row(sheet, sheet->heading, out);
    for (size_t r = 0; r < sheet->rows; r++) print_csv_row(sheet, &sheet->cell[r * sheet->columns], out);
}

bool pat_is_terminal(FILE *out) {
    return isatty(fileno(out)) == 1;
}

size_t pat_terminal_width(FILE *out) {
    struct winsize size;
    return pat_is_terminal(out) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* NO_COLOR is what people set who want none (no-color.org). */
static bool styled(FILE *out) {
    const char *plain = getenv("NO_COLOR");
    return (plain == NULL || plain[0] == '\0') && pat_is_terminal(out);
}

const char *pat_style_dim(FILE *out) {
    return styled(out) ? "\x1b[2m" : "";
}

const char *pat_style_bold(FILE *out) {
    return styled(out) ? "\x1b[1m" : "";
}

const char *pat_style_off(FILE *out) {
    return styled(out) ? "\x1b[0m" : "";
}
