#include "sheet.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void pat_sheet_init(struct pat_sheet *sheet, struct pat_arena *arena, unsigned columns) {
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

static void print_padded(FILE *out, struct pat_text text, size_t width, bool right, bool last) {
    const size_t used = pat_text_width(text);
    const int pad = used < width ? (int)(width - used) : 0;
    if (right) (void)fprintf(out, "%*s", pad, "");
    (void)fwrite(text.data != NULL ? text.data : "", 1, text.length, out);
    if (!right && !last) (void)fprintf(out, "%*s", pad, "");
}

static void print_row(const struct pat_sheet *sheet, const struct pat_text *cell, const size_t *width, FILE *out) {
    for (unsigned c = 0; c < sheet->columns; c++) {
        if (c > 0) (void)fputs("  ", out);
        print_padded(out, cell[c], width[c], sheet->right[c], c + 1 == sheet->columns);
    }
}

static void print_rule(const struct pat_sheet *sheet, const size_t *width, FILE *out) {
    (void)fputs(pat_style_dim(out), out);
    for (unsigned c = 0; c < sheet->columns; c++) {
        if (c > 0) (void)fputs("  ", out);
        for (size_t i = 0; i < width[c]; i++) (void)fputs("\u2500", out);
    }
    (void)fprintf(out, "%s\n", pat_style_off(out));
}

void pat_sheet_print_table(const struct pat_sheet *sheet, FILE *out) {
    size_t *width = pat_arena_array(sheet->arena, sheet->columns, sizeof *width);
    if (sheet->failed || width == NULL) return;
    for (unsigned c = 0; c < sheet->columns; c++) {
        width[c] = pat_text_width(sheet->heading[c]);
        for (size_t r = 0; r < sheet->rows; r++) {
            const size_t cell = pat_text_width(sheet->cell[r * sheet->columns + c]);
            if (cell > width[c]) width[c] = cell;
        }
    }
    (void)fputs(pat_style_bold(out), out);
    print_row(sheet, sheet->heading, width, out);
    (void)fprintf(out, "%s\n", pat_style_off(out));
    print_rule(sheet, width, out);
    for (size_t r = 0; r < sheet->rows; r++) {
        if (sheet->rule_last && r + 1 == sheet->rows) print_rule(sheet, width, out);
        print_row(sheet, &sheet->cell[r * sheet->columns], width, out);
        (void)fputc('\n', out);
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
    print_csv_row(sheet, sheet->heading, out);
    for (size_t r = 0; r < sheet->rows; r++) print_csv_row(sheet, &sheet->cell[r * sheet->columns], out);
}

bool pat_is_terminal(FILE *out) {
    return isatty(fileno(out)) == 1;
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
