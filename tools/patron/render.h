/* Answers as people and programs want to read them: a value tree as text, tables of {columns, rows}, anything else as
 * pairs.
 *
 * Money comes as minor units with `currency` and `digits` beside it; it is shown in major units with the currency in
 * the heading. */
#ifndef PATRON_RENDER_H
#define PATRON_RENDER_H

#include "cli.h"

#include "base/arena.h"
#include "model/value.h"

#include <stdbool.h>

enum pat_shape {
    PAT_SHAPE_PLAIN,
    PAT_SHAPE_YEAR,  /* no thousands separators */
    PAT_SHAPE_SHARE, /* 0..1 shown as per cent */
    PAT_SHAPE_BYTES,
    PAT_SHAPE_INSTANT,  /* milliseconds since 1970, shown as a time */
    PAT_SHAPE_DURATION, /* milliseconds */
    PAT_SHAPE_MONEY,    /* minor units */
};

/* What minor units in some part of an answer mean. */
struct pat_render_money {
    struct pat_text currency; /* may be empty: not said */
    unsigned digits;
};

struct pat_render {
    struct pat_arena *arena;
    bool csv;      /* raw numbers, no separators */
    bool headless; /* in CSV: without the heading, which is out already */
};

/* How a field of this name is shown: "share", "birth_year", "net_minor", "bytes" ... */
enum pat_shape pat_shape_of(struct pat_text name);
/* The value in one cell. Text without memory is empty. */
struct pat_text pat_render_value(const struct pat_render *render, const struct pat_value *value, enum pat_shape shape,
                                 unsigned digits);
/* "net (GBP)" for "net_minor"; the name itself for CSV. */
struct pat_text pat_render_heading(const struct pat_render *render, struct pat_text name, enum pat_shape shape,
                                   struct pat_text currency);
/* `currency` and `digits` of a map, or those of `outer`. */
struct pat_render_money pat_render_money_of(const struct pat_value *map, struct pat_render_money outer);

/* Prints an answer in the format asked for: JSON as it came; {columns, rows} as one table; other maps as pairs and
 * tables. */
enum pat_exit pat_render_answer(const struct pat_cli *cli, struct pat_arena *arena, const struct pat_value *answer);
/* The same for {columns, rows} that come in pages. */
enum pat_exit pat_render_page(const struct pat_cli *cli, struct pat_arena *arena, const struct pat_value *answer,
                              bool first);
enum pat_exit pat_render_json(const struct pat_value *answer);
/* Below a table: as of which day, how many rows, how long. `rows` < 0: no count. Warnings and unpriced go to stderr. */
void pat_render_footer(const struct pat_value *answer, int64_t rows);
/* The same for CSV, where only stderr is free for it: warnings, undated, unpriced, and what the rows leave out. */
void pat_render_notes(const struct pat_value *answer);

#endif
