/* CSV files, plain and compressed, as `patron load` reads them. First byte: the delimiter, and whether the first
 * records are looked at before. Cells lie within what was read; lines only grow; a second reading, which takes plain
 * rows many at a time where they are, gives the same. */
#include "../../tools/patron/csv.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(void *context, const struct pat_csv_record *record) {
    (void)record;
    ++*(unsigned *)context;
}

static struct pat_digest digest_cell(struct pat_digest digest, struct pat_text cell) {
    return pat_digest_chain(digest, cell.length > 0 ? cell.data : "", cell.length);
}

static struct pat_digest digest_rows(struct pat_digest digest, const struct pat_csv_rows *rows, unsigned count) {
    for (unsigned row = 0; row < count; row++) {
        for (unsigned c = 0; c < rows->cells; c++) {
            const uint32_t *end = rows->end + (size_t)row * rows->stride + c;
            const uint32_t start = end[0] + 1;
            PAT_ASSERT(end[1] - start <= PAT_CSV_RECORD_BYTES_MAX);
            digest = digest_cell(digest, (struct pat_text){rows->text + start, end[1] - start});
        }
        digest = pat_digest_chain(digest, &(uint64_t){rows->line + row}, sizeof rows->line);
    }
    return digest;
}

/* Digest of all cells and lines; the status that reading ended with goes into it. `many`: plain rows are taken
 * together, and now and then fewer than there are. */
static struct pat_digest read_all(const char *path, uint8_t how, bool many) {
    static const char delimiters[] = {',', ';', '\t', '|'};
    struct pat_digest digest = {0, 0};
    struct pat_input *input;
    struct pat_csv csv;
    const atomic_bool stop = false;
    unsigned sampled = 0;
    PAT_ASSERT(pat_input_open(&input, path, &stop, NULL) == PAT_OK);
    PAT_ASSERT(pat_csv_init(&csv, input, delimiters[how % 4], NULL) == PAT_OK);
    enum pat_status status = how & 4 ? pat_csv_sample(&csv, 7, look, &sampled, NULL) : PAT_OK;
    PAT_ASSERT(sampled <= 7);
    uint64_t line = 0;
    unsigned cells = 0;
    for (bool more = true; status == PAT_OK;) {
        struct pat_csv_record record;
        struct pat_csv_rows rows;
        if (many && pat_csv_rows(&csv, cells, &rows) > 0) {
            const unsigned count = rows.line % 5 == 0 ? (rows.rows + 1) / 2 : rows.rows;
            digest = digest_rows(digest, &rows, count);
            line = rows.line + count - 1;
            pat_csv_pass(&csv, &rows, count);
            continue;
        }
        status = pat_csv_next(&csv, &record, &more, NULL);
        if (status != PAT_OK || !more) break;
        PAT_ASSERT(record.line > line && record.cells <= PAT_CSV_CELLS_MAX);
        PAT_ASSERT(record.raw.length <= PAT_CSV_RECORD_BYTES_MAX);
        line = record.line;
        cells = record.cells;
        for (unsigned i = 0; record.fault == NULL && i < record.cells; i++)
            digest = digest_cell(digest, record.cell[i]);
        digest = pat_digest_chain(digest, &record.line, sizeof record.line);
    }
    PAT_ASSERT(status == PAT_OK || status == PAT_ERR_BAD_REQUEST || status == PAT_ERR_CORRUPT);
    digest = pat_digest_chain(digest, &status, sizeof status);
    pat_csv_deinit(&csv);
    pat_input_close(&input);
    return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    char path[32];
    const int fd = memfd_create("csv", 0);
    PAT_ASSERT(fd >= 0 && write(fd, data + 1, size - 1) == (ssize_t)(size - 1));
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const struct pat_digest once = read_all(path, data[0], false);
    PAT_ASSERT(pat_digest_equal(once, read_all(path, data[0], true)));
    (void)close(fd);
    return 0;
}
