#include "csv.h"

#include "base/mem.h"

#include <string.h>

/* Room for the longest record, and for what is read behind it. */
#define WINDOW_BYTES ((size_t)4 << 20)
_Static_assert(WINDOW_BYTES > PAT_CSV_RECORD_BYTES_MAX + 2 * PAT_INPUT_BLOCK_BYTES, "a record must fit the window");
/* Bytes that are looked at together; as many may be read behind what is filled. */
#define MARKED_BYTES 64u
_Static_assert(MARKED_BYTES >= PAT_CSV_BEHIND, "what may be read behind the last cell");
/* Plain rows are looked for in so much at once: text, places and the batch's columns stay in the first cache. */
#define LOOK_BYTES_MAX ((size_t)16 << 10)
/* Where rows that are not plain come often, less is looked at, and at last not at every record. */
#define LOOK_BYTES_MIN ((size_t)1 << 10)
#define WAIT_MAX       63u

enum pat_status pat_csv_init(struct pat_csv *csv, struct pat_input *input, char delimiter, struct pat_error *error) {
    *csv = (struct pat_csv){.input = input, .delimiter = delimiter, .line = 1, .capacity = WINDOW_BYTES};
    csv->marked = SIZE_MAX;
    pat_buf_init(&csv->scratch, PAT_MEM_OTHER);
    csv->cell_capacity = PAT_CSV_CELLS_MAX;
    csv->kernels = pat_kernels_find("auto");
    csv->look_bytes = LOOK_BYTES_MAX;
    csv->window = pat_mem_alloc(PAT_MEM_OTHER, WINDOW_BYTES + MARKED_BYTES);
    csv->ends = pat_mem_alloc(PAT_MEM_OTHER, (1 + LOOK_BYTES_MAX + PAT_CELL_ENDS_SLACK) * sizeof *csv->ends);
    csv->cell = pat_mem_alloc(PAT_MEM_OTHER, csv->cell_capacity * sizeof *csv->cell);
    csv->doubled = pat_mem_alloc(PAT_MEM_OTHER, csv->cell_capacity * sizeof *csv->doubled);
    if (csv->window != NULL && csv->ends != NULL && csv->cell != NULL && csv->doubled != NULL) return PAT_OK;
    pat_csv_deinit(csv);
    return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to read CSV");
}

void pat_csv_deinit(struct pat_csv *csv) {
    pat_mem_free(PAT_MEM_OTHER, csv->window);
    pat_mem_free(PAT_MEM_OTHER, csv->ends);
    pat_mem_free(PAT_MEM_OTHER, csv->cell);
    pat_mem_free(PAT_MEM_OTHER, csv->doubled);
    pat_buf_deinit(&csv->scratch);
    *csv = (struct pat_csv){0};
}

/* ---- the window ----------------------------------------------------------------------------------------------- */

/* Moves what is left to the front and reads on until `bytes` are there. Few at a time: the same pages, which are in the
 * cache, are filled again and again. */
static enum pat_status refill(struct pat_csv *csv, size_t bytes, struct pat_error *error) {
    if (csv->at > 0) memmove(csv->window, csv->window + csv->at, csv->end - csv->at);
    csv->end -= csv->at;
    csv->at = 0;
    csv->marked = SIZE_MAX;
    while (!csv->eof && csv->end < bytes) {
        size_t got;
        PAT_TRY(pat_input_read(csv->input, csv->window + csv->end, csv->capacity - csv->end, &got, error));
        csv->end += got;
        csv->eof = got == 0;
    }
    return PAT_OK;
}

/* ---- what is no CSV ------------------------------------------------------------------------------------------- */

struct magic {
    const char *bytes;
    size_t length;
    const char *what;
};

static const struct magic magics[] = {
    {"\xff\xd8\xff", 3, "a JPEG image"},
    {"\x89PNG", 4, "a PNG image"},
    {"GIF8", 4, "a GIF image"},
    {"%PDF", 4, "a PDF document"},
    {"PK\x03\x04", 4, "a zip archive (an Excel or LibreOffice sheet? save it as CSV, UTF-8)"},
    {"\xd0\xcf\x11\xe0", 4, "an old Office document (save it as CSV, UTF-8)"},
    {"\x7f"
     "ELF",
     4, "a program"},
    {"PAR1", 4, "a Parquet file"},
    {"BZh", 3, "bzip2 data (decompress it into a pipe and load -)"},
    {"\xfd"
     "7zXZ",
     5, "xz data (decompress it into a pipe and load -)"},
    {"\xff\xfe", 2, "UTF-16 text (iconv -f UTF-16 -t UTF-8 makes it readable)"},
    {"\xfe\xff", 2, "UTF-16 text (iconv -f UTF-16 -t UTF-8 makes it readable)"},
};

static enum pat_status begin(struct pat_csv *csv, struct pat_error *error) {
    csv->begun = true;
    /* More than a record has at the most: what pat_csv_sample shows. */
    PAT_TRY(refill(csv, PAT_CSV_RECORD_BYTES_MAX + 1, error));
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
        if (csv->end < magics[i].length || memcmp(csv->window, magics[i].bytes, magics[i].length) != 0) continue;
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "line 1: this is not CSV but %s", magics[i].what);
    }
    if (csv->end >= 3 && memcmp(csv->window, "\xef\xbb\xbf", 3) == 0) csv->at = 3;
    return PAT_OK;
}

/* ---- one record ----------------------------------------------------------------------------------------------- */

/* Where a scan of the window stands. */
struct scan {
    const unsigned char *at, *end;
    bool eof;     /* nothing comes after `end` */
    bool doubled; /* some cell has doubled quotes */
    unsigned cells;
    uint64_t newlines; /* inside quotes */
    const char *fault;
};

enum step { STEP_CELL, STEP_RECORD, STEP_MORE, STEP_NUL, STEP_OPEN };

/* Behind a cell: a delimiter, a line end or the end of the file. */
static inline enum step scan_end(struct scan *scan, char delimiter) {
    if (scan->at == scan->end) return scan->eof ? STEP_RECORD : STEP_MORE;
    const unsigned char c = *scan->at;
    if (c == (unsigned char)delimiter) {
        scan->at++;
        return STEP_CELL;
    }
    if (c == '\n') {
        scan->at++;
        return STEP_RECORD;
    }
    /* '\r': alone it ends a line, too, but whether it is alone shows the next byte. */
    if (scan->at + 1 == scan->end && !scan->eof) return STEP_MORE;
    scan->at += scan->at + 1 < scan->end && scan->at[1] == '\n' ? 2 : 1;
    return STEP_RECORD;
}

/* Sixteen bytes at once, as compilers for any processor know them. */
typedef unsigned char bytes16 __attribute__((vector_size(16)));

/* Bit i says that byte i of the eight has its lowest bit set; the others must be zero. */
static inline uint64_t low_bits(uint64_t eight) {
    return eight * UINT64_C(0x0102040810204080) >> 56;
}

static uint64_t marks_of(const unsigned char byte[MARKED_BYTES], char delimiter) {
    uint64_t marks = 0;
    for (unsigned i = 0; i < MARKED_BYTES; i += sizeof(bytes16)) {
        bytes16 at;
        memcpy(&at, byte + i, sizeof at);
        const bytes16 ends = ((bytes16)(at == (unsigned char)delimiter) | (bytes16)(at == '\n') |
                              (bytes16)(at == '\r') | (bytes16)(at == 0)) &
                             1;
        uint64_t half[2];
        memcpy(half, &ends, sizeof half);
        marks |= (low_bits(half[0]) | low_bits(half[1]) << 8) << i;
    }
    return marks;
}

/* find_end beyond the bytes that are marked. */
static __attribute__((noinline)) const unsigned char *find_end_behind(struct pat_csv *csv, size_t place) {
    for (size_t block = place / MARKED_BYTES * MARKED_BYTES; block < csv->end; block += MARKED_BYTES) {
        csv->marks = marks_of(csv->window + block, csv->delimiter);
        csv->marked = block;
        const uint64_t marks = place > block ? csv->marks >> (place - block) << (place - block) : csv->marks;
        if (marks != 0) return csv->window + block + (unsigned)__builtin_ctzll(marks);
    }
    return csv->window + csv->end;
}

/* The first byte from `at` on that ends a plain cell or cannot stand in one; where the window is filled to, if that
 * comes first. Cells are short: looking for the end of each by itself would be a loop whose end nothing foretells. */
static inline const unsigned char *find_end(struct pat_csv *csv, const unsigned char *at, const unsigned char *end) {
    const size_t place = (size_t)(at - csv->window);
    const uint64_t marks = place / MARKED_BYTES * MARKED_BYTES == csv->marked ? csv->marks >> place % MARKED_BYTES : 0;
    const unsigned char *const found = marks != 0 ? at + (unsigned)__builtin_ctzll(marks) : find_end_behind(csv, place);
    return found < end ? found : end;
}

static inline enum step scan_plain(struct pat_csv *csv, struct scan *scan, struct pat_text *cell) {
    const unsigned char *const start = scan->at, *const at = find_end(csv, start, scan->end);
    if (at < scan->end && *at == 0) return STEP_NUL;
    *cell = (struct pat_text){(const char *)start, (size_t)(at - start)};
    scan->at = at;
    return scan_end(scan, csv->delimiter);
}

static enum step scan_quoted(struct pat_csv *csv, struct scan *scan, struct pat_text *cell, bool *doubled) {
    const unsigned char *start = scan->at + 1, *at = start, *const end = scan->end;
    for (;;) {
        while (at < end && *at != '"' && *at != 0) {
            scan->newlines += *at == '\n';
            at++;
        }
        if (at == end) return scan->eof ? STEP_OPEN : STEP_MORE;
        if (*at == 0) return STEP_NUL;
        if (at + 1 == end && !scan->eof) return STEP_MORE;
        if (at + 1 == end || at[1] != '"') break;
        *doubled = scan->doubled = true;
        at += 2;
    }
    *cell = (struct pat_text){(const char *)start, (size_t)(at - start)};
    scan->at = at + 1;
    if (scan->at < end && *scan->at != (unsigned char)csv->delimiter && *scan->at != '\n' && *scan->at != '\r') {
        scan->fault = "text stands behind a closing quote";
        struct pat_text behind;
        return scan_plain(csv, scan, &behind);
    }
    return scan_end(scan, csv->delimiter);
}

static enum step scan_record(struct pat_csv *csv, struct scan *scan) {
    for (;;) {
        if (scan->cells == csv->cell_capacity) {
            /* The rest of the record is passed over in the last cell. */
            scan->fault = "more cells than any table has";
            scan->cells--;
        }
        struct pat_text *cell = &csv->cell[scan->cells];
        bool *doubled = &csv->doubled[scan->cells];
        *doubled = false;
        enum step step;
        if (scan->at < scan->end && *scan->at == '"') {
            step = scan_quoted(csv, scan, cell, doubled);
        } else {
            step = scan_plain(csv, scan, cell);
        }
        scan->cells++;
        if (step != STEP_CELL) return step;
    }
}

/* Undoes doubled quotes in a copy, so that the record's raw text stays what it was. */
static enum pat_status undouble(struct pat_csv *csv, unsigned cells) {
    size_t bytes = 0;
    for (unsigned i = 0; i < cells; i++) bytes += csv->doubled[i] ? csv->cell[i].length : 0;
    pat_buf_clear(&csv->scratch);
    PAT_TRY(pat_buf_reserve(&csv->scratch, bytes));
    char *to = (char *)csv->scratch.data;
    for (unsigned i = 0; i < cells; i++) {
        if (!csv->doubled[i]) continue;
        const struct pat_text from = csv->cell[i];
        char *start = to;
        for (size_t b = 0; b < from.length; b++) {
            *to++ = from.data[b];
            if (from.data[b] == '"') b++;
        }
        csv->cell[i] = (struct pat_text){start, (size_t)(to - start)};
    }
    return PAT_OK;
}

static enum pat_status not_csv(const struct pat_csv *csv, const struct scan *scan, enum step step,
                               struct pat_error *error) {
    if (step == STEP_NUL) {
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "line %llu: a NUL byte: this is not CSV text",
                             (unsigned long long)(csv->line + scan->newlines));
    }
    if (step == STEP_OPEN) {
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "line %llu: a quote is opened and never closed",
                             (unsigned long long)csv->line);
    }
    return pat_error_set(error, PAT_ERR_BAD_REQUEST,
                         "line %llu: a record of more than %zu bytes: a quote that is never closed, or not CSV",
                         (unsigned long long)csv->line, PAT_CSV_RECORD_BYTES_MAX);
}

static bool is_blank(const struct pat_csv *csv, const struct scan *scan, size_t raw_bytes) {
    return raw_bytes == 0 && scan->cells == 1 && csv->cell[0].length == 0;
}

enum pat_status pat_csv_next(struct pat_csv *csv, struct pat_csv_record *record, bool *more, struct pat_error *error) {
    if (!csv->begun) PAT_TRY(begin(csv, error));
    for (;;) {
        struct scan scan = {.at = csv->window + csv->at, .end = csv->window + csv->end, .eof = csv->eof};
        const unsigned char *start = scan.at;
        *more = !(scan.at == scan.end && csv->eof);
        if (!*more) return PAT_OK;
        const enum step step = scan_record(csv, &scan);
        if (step == STEP_MORE && csv->sampling) {
            *more = false;
            return PAT_OK;
        }
        if (step == STEP_MORE && csv->end - csv->at <= PAT_CSV_RECORD_BYTES_MAX) {
            /* Half as much again: a long record that comes in small pieces is not gone through for each. */
            const size_t left = csv->end - csv->at;
            PAT_TRY(refill(csv, left + left / 2 + 1, error));
            continue;
        }
        if (step != STEP_RECORD) return not_csv(csv, &scan, step, error);
        size_t raw = (size_t)(scan.at - start);
        bool newline = false;
        while (raw > 0 && (start[raw - 1] == '\n' || start[raw - 1] == '\r')) {
            raw--;
            newline = true;
        }
        record->line = csv->line;
        csv->line += scan.newlines + (newline ? 1 : 0);
        csv->at += (size_t)(scan.at - start);
        if (is_blank(csv, &scan, raw)) continue;
        if (scan.doubled && undouble(csv, scan.cells) != PAT_OK)
            return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to read CSV");
        record->cell = csv->cell;
        record->cells = scan.cells;
        record->raw = (struct pat_text){(const char *)start, raw};
        record->fault = scan.fault;
        return PAT_OK;
    }
}

/* ---- plain rows ------------------------------------------------------------------------------------------------- */

/* How many rows of `stride` marks there are from the first on that are plain. */
static unsigned rows_plain(const struct pat_csv *csv, const char *text, unsigned stride, unsigned cells, size_t marks) {
    const bool pair = stride > cells;
    const uint32_t *end = csv->ends + 1;
    for (unsigned row = 0;; row++, end += stride) {
        if (marks < stride || text[end[cells - 1]] != (pair ? '\r' : '\n')) return row;
        if (pair && (end[cells] != end[cells - 1] + 1 || text[end[cells]] != '\n')) return row;
        for (unsigned c = 0; c + 1 < cells; c++) {
            if (text[end[c]] != csv->delimiter) return row;
        }
        marks -= stride;
    }
}

/* True when each of `rows` rows ends where it must, and nothing but delimiters stands elsewhere: `others` are all marks
 * that are none. Looks at the ends of rows only. */
static bool rows_are_plain(const struct pat_csv *csv, const char *text, unsigned stride, unsigned cells, size_t marks,
                           size_t others, size_t rows) {
    const bool pair = stride > cells;
    const char last = pair ? '\r' : '\n';
    const uint32_t *end = csv->ends + cells;
    bool good = true;
    for (size_t row = 0; row < rows; row++, end += stride) {
        good &= text[*end] == last;
        if (pair) good &= text[end[1]] == '\n' && end[1] == *end + 1;
    }
    for (size_t mark = rows * stride; mark < marks; mark++) others -= text[csv->ends[1 + mark]] != csv->delimiter;
    return good && others == rows * (stride - cells + 1);
}

/* What came of a look says how far the next one goes. */
static void rows_learn(struct pat_csv *csv, const struct pat_csv_rows *rows, bool all) {
    if (rows->rows == 0) {
        csv->wait = csv->wait_next = csv->wait_next * 2 + 1 < WAIT_MAX ? csv->wait_next * 2 + 1 : WAIT_MAX;
        csv->look_bytes = LOOK_BYTES_MIN;
        return;
    }
    csv->wait_next = 0;
    const size_t used = rows->end[rows->rows * rows->stride], next = all ? csv->look_bytes * 2 : used * 2;
    csv->look_bytes = next < LOOK_BYTES_MIN ? LOOK_BYTES_MIN : next < LOOK_BYTES_MAX ? next : LOOK_BYTES_MAX;
}

unsigned pat_csv_rows(struct pat_csv *csv, unsigned cells, struct pat_csv_rows *rows) {
    *rows = (struct pat_csv_rows){.text = (const char *)csv->window + csv->at, .end = csv->ends, .line = csv->line};
    if (!csv->begun || cells < 2) return 0; /* a line of one cell may be blank, and is none then */
    if (csv->wait > 0) {
        csv->wait--;
        return 0;
    }
    const size_t left = csv->end - csv->at;
    size_t others;
    csv->ends[0] = UINT32_MAX;
    const size_t marks =
        csv->kernels->cell_ends((const uint8_t *)rows->text, left < csv->look_bytes ? left : csv->look_bytes,
                                (uint8_t)csv->delimiter, csv->ends + 1, &others);
    if (marks < cells) {
        /* Long rows are looked for in more, at last one by one; at the window's end there is nothing to learn. */
        if (left > csv->look_bytes && csv->look_bytes < LOOK_BYTES_MAX) csv->look_bytes = LOOK_BYTES_MAX;
        return 0;
    }
    rows->cells = cells;
    rows->stride = rows->text[csv->ends[cells]] == '\r' ? cells + 1 : cells;
    const size_t whole = marks / rows->stride;
    const bool all = rows_are_plain(csv, rows->text, rows->stride, cells, marks, others, whole);
    rows->rows = all ? (unsigned)whole : rows_plain(csv, rows->text, rows->stride, cells, marks);
    rows_learn(csv, rows, all);
    return rows->rows;
}

void pat_csv_pass(struct pat_csv *csv, const struct pat_csv_rows *rows, unsigned count) {
    csv->at += rows->end[count * rows->stride] + 1u;
    csv->line += count;
}

/* ---- a look before reading -------------------------------------------------------------------------------------- */

enum pat_status pat_csv_sample(struct pat_csv *csv, unsigned records, pat_csv_sample_cb sample_cb, void *context,
                               struct pat_error *error) {
    PAT_ASSERT(!csv->begun);
    PAT_TRY(begin(csv, error));
    const size_t at = csv->at;
    const uint64_t line = csv->line;
    csv->sampling = true;
    enum pat_status status = PAT_OK;
    for (unsigned i = 0; i < records && status == PAT_OK; i++) {
        struct pat_csv_record record;
        bool more = false;
        status = pat_csv_next(csv, &record, &more, error);
        if (status != PAT_OK || !more) break;
        sample_cb(context, &record);
    }
    csv->sampling = false;
    csv->at = at;
    csv->line = line;
    return status;
}
