/* Journal files whose checksums and chain hold, but which are not what belongs there: nobody but a person with the
 * source, an old backup or a fault of our own makes them, and each is refused by its name. */
#include "kit.h"

#include "persist/file_private.h"

#define NAME "journal-00000001.pj"

static const struct pat_journal_entry entry = {.number = 1, .id = {11, 22}, .first_lsn = 1};

/* A file being made, and where its last record ends. */
struct made {
    struct pat_buf bytes;
    struct pat_journal_point end;
};

static void made_init(struct made *made) {
    const struct pat_file_header header = {.id = entry.id, .number = entry.number, .lsn = entry.first_lsn};
    unsigned char head[PAT_FILE_HEADER_BYTES];
    pat_file__header_write(PAT_FILE_JOURNAL, &header, head);
    pat_buf_init(&made->bytes, PAT_MEM_OTHER);
    assert_int_equal(pat_buf_append(&made->bytes, head, sizeof head), PAT_OK);
    made->end = (struct pat_journal_point){sizeof head, 0, pat_file__chain(PAT_FILE_JOURNAL, &header), 0};
}

/* A record of one row that says `content`; its checksum, its check and what it is chained to are right. */
static void made_add(struct made *made, pat_lsn lsn, pat_lsn durable, const char content[8]) {
    unsigned char record[PAT_RECORD_HEADER_BYTES + 8];
    memcpy(record + PAT_RECORD_HEADER_BYTES, content, 8);
    pat_journal__header_put(record, 8, lsn, durable, ++made->end.rows);
    made->end.chain = pat_journal__seal(record, entry.id, made->end.chain);
    made->end.lsn = lsn;
    assert_int_equal(pat_buf_append(&made->bytes, record, sizeof record), PAT_OK);
    made->end.offset = made->bytes.length;
}

static enum pat_status count_record(void *context, pat_lsn lsn, const unsigned char *payload, size_t bytes,
                                    uint64_t offset, struct pat_error *error) {
    (void)lsn, (void)payload, (void)bytes, (void)offset, (void)error;
    ++*(unsigned *)context;
    return PAT_OK;
}

/* Reads the bytes as the file of `as`, and drops them. */
static enum pat_status read_as(struct made *made, const struct pat_journal_entry *as, pat_lsn proven, unsigned *records,
                               struct pat_error *error) {
    struct sim_disk disk;
    struct pat_file *file;
    struct pat_journal_found found;
    sim_init(&disk);
    assert_int_equal(disk.base.ops->file_open(&disk.base, &file, NAME, PAT_FILE_CREATE, NULL), PAT_OK);
    assert_int_equal(file->ops->file_write_at(file, 0, made->bytes.data, made->bytes.length, NULL), PAT_OK);
    file->ops->file_close(&file);
    *records = 0;
    const struct pat_journal_scan scan = {.fs = &disk.base,
                                          .entry = *as,
                                          .bytes_max = UINT64_MAX,
                                          .proven = {proven, PAT_ROWS_UNKNOWN},
                                          .record_cb = count_record,
                                          .context = records};
    const enum pat_status status = pat_journal__scan(&scan, &found, error);
    sim_deinit(&disk);
    pat_buf_deinit(&made->bytes);
    return status;
}

static void test_a_record_with_another_lsn_is_refused_although_its_checksum_holds(void **state) {
    (void)state;
    static const struct { pat_lsn lsn, durable; } second[] = {{2, 1}, {1, 1}, {3, 1}, {0, 0}, {2, 2}};
    for (size_t i = 0; i < sizeof second / sizeof second[0]; i++) {
        struct made made;
        struct pat_error error = {0};
        unsigned records;
        made_init(&made);
        made_add(&made, 1, 0, "the one ");
        made_add(&made, second[i].lsn, second[i].durable, "another ");
        const enum pat_status status = read_as(&made, &entry, 0, &records, &error);
        if (i == 0) { /* as it should be */
            assert_int_equal(status, PAT_OK);
            assert_int_equal(records, 2);
            continue;
        }
        assert_int_equal(status, PAT_ERR_CORRUPT);
        assert_int_equal(records, 1);
        assert_non_null(strstr(error.message, NAME ": record at offset 128 (lsn 2): another lsn stands there"));
    }
}

/* Another history of the same file, as when a directory was restored from a backup, went on, and one of its files came
 * back from before. */
static void test_a_closed_file_must_end_as_the_manifest_says(void **state) {
    (void)state;
    for (unsigned other = 0; other < 2; other++) {
        struct made one, two;
        struct pat_error error = {0};
        unsigned records;
        made_init(&one);
        made_init(&two);
        made_add(&one, 1, 0, "the same");
        made_add(&two, 1, 0, "the same");
        made_add(&one, 2, 1, "then one");
        made_add(&two, 2, 1, "then two");
        struct pat_journal_entry closed = entry;
        closed.closed = true;
        closed.end = one.end;
        const enum pat_status status = read_as(other != 0 ? &two : &one, &closed, 0, &records, &error);
        pat_buf_deinit(other != 0 ? &one.bytes : &two.bytes);
        assert_int_equal(status, other != 0 ? PAT_ERR_CORRUPT : PAT_OK);
        if (other != 0) assert_non_null(strstr(error.message, "do not end as the manifest says (offset 192, lsn 2)"));
    }
}

/* Of a file whose length nobody knows: those of version 2 had no room behind their records. */
static void test_a_file_that_ends_before_what_was_acknowledged_is_refused(void **state) {
    (void)state;
    for (unsigned closed = 0; closed < 2; closed++) {
        for (pat_lsn acknowledged = 1; acknowledged < 4; acknowledged++) {
            struct made made, whole;
            struct pat_error error = {0};
            unsigned records;
            made_init(&made);
            made_init(&whole);
            for (pat_lsn lsn = 1; lsn <= acknowledged; lsn++) {
                if (lsn <= 2) made_add(&made, lsn, 0, "a record");
                made_add(&whole, lsn, 0, "a record");
            }
            struct pat_journal_entry as = entry;
            as.closed = closed != 0;
            as.end = whole.end;
            pat_buf_deinit(&whole.bytes);
            const enum pat_status status = read_as(&made, &as, closed != 0 ? 0 : acknowledged, &records, &error);
            assert_int_equal(status, acknowledged > 2 ? PAT_ERR_CORRUPT : PAT_OK);
            if (acknowledged > 2) assert_non_null(strstr(error.message, "lsn 3 was acknowledged"));
        }
    }
}

static void test_a_damaged_header_is_told_from_that_of_another_file(void **state) {
    (void)state;
    struct pat_error error = {0};
    unsigned records;
    for (size_t bit = 0; bit < (size_t)8 * PAT_FILE_HEADER_BYTES; bit++) {
        struct made made;
        made_init(&made);
        made.bytes.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_equal(read_as(&made, &entry, 0, &records, &error), PAT_ERR_CORRUPT);
        assert_non_null(strstr(error.message, NAME ": checksum of the header at offset 0 does not match"));
    }
    const struct pat_file_header others[] = {{.id = {11, 23}, .number = 1, .lsn = 1},
                                             {.id = {11, 22}, .number = 2, .lsn = 1},
                                             {.id = {11, 22}, .number = 1, .lsn = 2}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct made made;
        made_init(&made);
        pat_file__header_write(PAT_FILE_JOURNAL, &others[i], made.bytes.data);
        assert_int_equal(read_as(&made, &entry, 0, &records, &error), PAT_ERR_CORRUPT);
        assert_non_null(strstr(error.message, NAME ": is not the file the manifest speaks of"));
    }
    const struct pat_file_header newer = {.id = entry.id, .number = 1, .lsn = 1, .version = PAT_JOURNAL_VERSION + 1};
    struct made made;
    made_init(&made);
    pat_file__header_write(PAT_FILE_JOURNAL, &newer, made.bytes.data);
    assert_int_equal(read_as(&made, &entry, 0, &records, &error), PAT_ERR_CORRUPT);
    assert_non_null(strstr(error.message, NAME ": has format version"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record_with_another_lsn_is_refused_although_its_checksum_holds),
        cmocka_unit_test(test_a_closed_file_must_end_as_the_manifest_says),
        cmocka_unit_test(test_a_file_that_ends_before_what_was_acknowledged_is_refused),
        cmocka_unit_test(test_a_damaged_header_is_told_from_that_of_another_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
