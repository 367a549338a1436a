/* A sheet of texts: printed as an aligned table for people or as CSV (RFC 4180) for programs. Lives in an arena. */
#ifndef PATRON_SHEET_H
#define PATRON_SHEET_H

#include "base/arena.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct pat_sheet {
    struct pat_arena *arena;
    unsigned columns;
    struct pat_text *heading;
    bool *right;           /* the column holds numbers */
    struct pat_text *cell; /* row by row; data NULL is an empty cell */
    size_t rows, capacity;
    bool rule_last; /* a line above the last row: it is a total */
    bool tight;     /* one blank between columns instead of two */
    bool headless;  /* in CSV: goes on with a table whose heading is out already */
    bool failed;    /* the arena had nothing left: the sheet is not to be printed */
};

void pat_sheet_begin(struct pat_sheet *sheet, struct pat_arena *arena, unsigned columns);
/* Borrows the text. */
void pat_sheet_head(struct pat_sheet *sheet, unsigned column, struct pat_text heading, bool right);
/* Adds an empty row and gives its cells, valid until the next row is added; NULL when there is no memory. */
struct pat_text *pat_sheet_row(struct pat_sheet *sheet);

/* Columns of a terminal that the table takes when nothing is made narrower; 0 without memory. */
size_t pat_sheet_width(const struct pat_sheet *sheet);
/* On a terminal columns of text become narrower, and their cells take more lines, so that the table fits its width. */
void pat_sheet_print_table(const struct pat_sheet *sheet, FILE *out);
void pat_sheet_print_csv(const struct pat_sheet *sheet, FILE *out);
/* One CSV cell, quoted where it must be. */
void pat_csv_print_cell(FILE *out, struct pat_text text);

/* Columns that a text takes on a terminal. */
size_t pat_text_width(struct pat_text text);

/* Emphasis for terminals; "" where `out` is none. */
const char *pat_style_dim(FILE *out);
const char *pat_style_bold(FILE *out);
const char *pat_style_off(FILE *out);
bool pat_is_terminal(FILE *out);
/* Of the terminal; 0 where `out` is none. */
size_t pat_terminal_width(FILE *out);

#endif
