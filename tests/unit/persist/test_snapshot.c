/* Snapshots of stores of many shapes, and snapshots while the store goes on. */
#include "kit.h"

#include "persist/bytes_private.h"
#include "persist/crew_private.h"
#include "persist/file_private.h"
#include "persist/snapshot_private.h"

#define SEED 31u

/* Values of every width, nulls, and more rows than a chunk has. */
static void fill(struct pat_store *store, uint64_t seed, uint32_t customers, uint32_t orders) {
    uint64_t random = seed;
    for (uint32_t i = 0; i < customers; i++) {
        struct pat_id_key key = {.number = (int64_t)i * 3};
        char text[70];
        if (i % 3 == 0)
            key = (struct pat_id_key){
                -1, {text, (size_t)snprintf(text, sizeof text, "customer %u %0*u", i, (int)(i % 40) + 1, i)}};
        pat_row row = pat_table_add_id(store, PAT_CUSTOMERS, key);
        pat_table_set(&store->table[PAT_CUSTOMERS], PAT_CUSTOMER_PROFILED, row, i % 2);
        char country[12];
        struct pat_text name = {country, (size_t)snprintf(country, sizeof country, "C%u", i % 300)};
        pat_table_set(&store->table[PAT_CUSTOMERS], PAT_CUSTOMER_COUNTRY, row,
                      pat_dict_add(store->table[PAT_CUSTOMERS].dict[PAT_CUSTOMER_COUNTRY], name));
    }
    for (uint32_t i = 0; i < orders; i++) {
        pat_row row = pat_table_add_id(store, PAT_ORDERS, (struct pat_id_key){.number = (int64_t)i});
        struct pat_table *table = &store->table[PAT_ORDERS];
        pat_table_set(table, PAT_ORDER_STATE, row, PAT_ORDER_PRESENT);
        pat_table_set(table, PAT_ORDER_DAY, row, 14000 + (int64_t)(i % 900));
        for (unsigned c = PAT_ORDER_DISCOUNT; c <= PAT_ORDER_COST; c++) {
            pat_table_set(table, c, row, kit_value(&random, (unsigned)(i >> 12) + c));
        }
    }
    pat_store_recount(store, &store->counts, NULL);
}

/* An attribute of each type in a table, some of them before its rows came. */
static void add_attributes(struct pat_store *store, enum pat_table_id id, unsigned from, unsigned to) {
    struct pat_table *table = &store->table[id];
    for (unsigned i = from; i < to; i++) {
        struct pat_attribute attribute = {.table = id, .type = pat_attribute_type(i)};
        assert_true(pat_attribute_set_name(&attribute, pat_text_of(pat_attribute_types[i])));
        pat_store_add_attribute(store, &attribute);
        const unsigned column = table->schema->columns - 1;
        for (pat_row row = 0; row < table->rows; row += i + 1) {
            const bool coded = table->dict[column] != NULL;
            pat_table_set(table, column, row,
                          coded ? pat_dict_add(table->dict[column], PAT_TEXT("a")) : (int64_t)(row % 2));
        }
    }
}

/* Packs what may be packed, as a server at rest does. */
static uint32_t pack(struct pat_store *store) {
    struct pat_pack_cursor cursor = {0, 0};
    static struct pat_pack job;
    uint32_t taken = 0;
    for (int sweep = 0; sweep < 2; sweep++) {
        for (bool more = true; more;) {
            more = pat_store_pack_choose(store, &job, &cursor, 100);
            pat_pack_make(&job, NULL, NULL);
            taken += pat_store_pack_take(store, &job);
        }
    }
    return taken;
}

static struct pat_settings settings = {.zone = "UTC", .base_currency = "EUR", .epoch = 1};

static struct pat_snapshot_way way = {.piece_bytes = PAT_SNAPSHOT_PIECE_BYTES, .journal_bytes = KIT_JOURNAL_BYTES};

static struct pat_generation_entry write_snapshot(struct sim_disk *disk, struct pat_store *store) {
    struct pat_view *view;
    struct pat_buf producers;
    struct pat_error error;
    struct pat_generation_entry entry = {.number = 1, .lsn = store->lsn, .id = {1, 2}};
    pat_buf_init(&producers, PAT_MEM_OTHER);
    assert_int_equal(pat_producers_write(&store->producers, &producers), PAT_OK);
    assert_int_equal(pat_view_open(&view, store), PAT_OK);
    assert_int_equal(pat_snapshot__write(&disk->base, &settings, view, &producers, &way, &entry, &error), PAT_OK);
    pat_view_close(&view);
    pat_buf_deinit(&producers);
    return entry;
}

static void test_stores_of_all_sizes_come_back_as_they_were(void **state) {
    (void)state;
    static const struct {
        uint32_t customers, orders;
    } sizes[] = {{0, 0}, {1, 0}, {0, 1}, {4096, 65536}, {4097, 65537}, {20000, 140000}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct sim_disk disk;
        struct pat_error error;
        uint64_t blocks = 0;
        sim_init(&disk);
        struct pat_store *store = kit_store();
        for (int t = 0; t < PAT_TABLES; t++) add_attributes(store, (enum pat_table_id)t, 0, (unsigned)i);
        fill(store, i, sizes[i].customers, sizes[i].orders);
        for (int t = 0; t < PAT_TABLES; t++) add_attributes(store, (enum pat_table_id)t, (unsigned)i, 8);
        store->lsn = i;
        const struct pat_digest plain = kit_digest(store);
        const uint32_t packed = pack(store);
        assert_true(packed > 0 || sizes[i].orders < 65536);
        assert_true(pat_digest_equal(kit_digest(store), plain));
        struct pat_generation_entry entry = write_snapshot(&disk, store);
        struct pat_crew *crew = i % 2 == 0 ? NULL : pat_crew__open();
        assert_int_equal(pat_snapshot__verify(&disk.base, &entry, pat_crew__spread(crew), &blocks, &error), PAT_OK);
        assert_true(blocks >= 9);
        struct pat_store *back = kit_store();
        enum pat_status status =
            pat_snapshot__load(&disk.base, &settings, &entry, back, pat_crew__spread(crew), &error);
        pat_crew__close(crew);
        if (status != PAT_OK) print_message("%s\n", error.message);
        assert_int_equal(status, PAT_OK);
        assert_true(pat_digest_equal(kit_digest(store), kit_digest(back)));
        for (pat_row chunk = 0; chunk < sizes[i].orders >> 16; chunk++) {
            assert_int_equal(back->table[PAT_ORDERS].column[PAT_ORDER_ID].dir->chunk[chunk]->width,
                             store->table[PAT_ORDERS].column[PAT_ORDER_ID].dir->chunk[chunk]->width);
        }
        for (int t = 0; t < PAT_TABLES; t++) {
            const struct pat_table_schema *schema = back->table[t].schema;
            assert_int_equal(schema->columns, schema->own_columns + 8);
            assert_string_equal(schema->field[schema->own_columns + 6].name, "attr.enum");
        }
        /* And it goes on from there: ids are found, texts have their codes. */
        if (sizes[i].customers > 3) {
            assert_int_equal(pat_table_find_id(back, PAT_CUSTOMERS, (struct pat_id_key){.number = 3}), 1);
            struct pat_dict *dict = back->table[PAT_CUSTOMERS].dict[PAT_CUSTOMER_COUNTRY];
            assert_int_equal(pat_dict_find(dict, PAT_TEXT("C2")), 2);
            assert_ptr_equal(dict, back->table[PAT_CUSTOMERS].dict[PAT_CUSTOMER_FACT_COUNTRY]);
        }
        pat_store_close(&back);
        pat_store_close(&store);
        sim_deinit(&disk);
    }
}

static void test_totals_that_differ_are_refused(void **state) {
    (void)state;
    struct sim_disk disk;
    struct pat_error error;
    sim_init(&disk);
    struct pat_store *store = kit_store();
    fill(store, 1, 100, 100);
    struct pat_generation_entry entry = write_snapshot(&disk, store), other = entry;
    struct pat_store *back = kit_store();
    other.totals.money[PAT_ORDERS]++;
    assert_int_equal(pat_snapshot__load(&disk.base, &settings, &other, back, NULL, &error), PAT_ERR_CORRUPT);
    assert_non_null(strstr(error.message, "control totals differ"));
    pat_store_close(&back);
    back = kit_store();
    struct pat_settings elsewhere = settings;
    strcpy(elsewhere.base_currency, "USD");
    assert_int_equal(pat_snapshot__load(&disk.base, &elsewhere, &entry, back, NULL, &error), PAT_ERR_CORRUPT);
    pat_store_close(&back);
    pat_store_close(&store);
    sim_deinit(&disk);
}

static void test_blocks_swapped_or_left_out_are_noticed(void **state) {
    (void)state;
    struct sim_disk disk;
    struct pat_error error;
    uint64_t blocks = 0;
    sim_init(&disk);
    struct pat_store *store = kit_store();
    struct pat_error shared;
    struct pat_crew *crew = pat_crew__open();
    const struct pat_spread *spread = pat_crew__spread(crew);
    fill(store, 2, 9000, 90000);
    struct pat_generation_entry entry = write_snapshot(&disk, store);
    struct sim_bytes *bytes = sim_bytes_of(&disk, "snapshot-00000001.ps");
    size_t offset[64], count = 0;
    for (size_t at = 64; at < bytes->length;) {
        uint32_t payload;
        memcpy(&payload, bytes->data + at + 4, sizeof payload);
        offset[count++] = at;
        at += PAT_BLOCK_HEADER_BYTES + payload;
    }
    assert_true(count > 10);
    for (size_t i = 0; i + 2 < count; i++) {
        size_t first = offset[i + 1] - offset[i], second = offset[i + 2] - offset[i + 1];
        unsigned char *saved = malloc(first + second);
        assert_non_null(saved);
        memcpy(saved, bytes->data + offset[i], first + second);
        memcpy(bytes->data + offset[i], saved + first, second);
        memcpy(bytes->data + offset[i] + second, saved, first);
        assert_int_equal(pat_snapshot__verify(&disk.base, &entry, NULL, &blocks, &error), PAT_ERR_CORRUPT);
        assert_int_equal(pat_snapshot__verify(&disk.base, &entry, spread, &blocks, &shared), PAT_ERR_CORRUPT);
        assert_string_equal(shared.message, error.message);
        memcpy(bytes->data + offset[i], saved, first + second);
        free(saved);
    }
    /* One bit in each block, header and payload: several threads tell what one does. */
    for (size_t i = 0; i < 4 * count; i++) {
        unsigned char *at = bytes->data + offset[i / 4] + (i % 4) * 11;
        *at ^= 4;
        assert_int_equal(pat_snapshot__verify(&disk.base, &entry, NULL, &blocks, &error), PAT_ERR_CORRUPT);
        assert_int_equal(pat_snapshot__verify(&disk.base, &entry, spread, &blocks, &shared), PAT_ERR_CORRUPT);
        assert_string_equal(shared.message, error.message);
        *at ^= 4;
    }
    assert_int_equal(pat_snapshot__verify(&disk.base, &entry, NULL, &blocks, &error), PAT_OK);
    assert_int_equal(pat_snapshot__verify(&disk.base, &entry, spread, &blocks, &error), PAT_OK);
    pat_crew__close(crew);
    pat_store_close(&store);
    sim_deinit(&disk);
}

/* All blocks sealed anew after a change in one of them: every checksum holds, and the manifest's is the file's. */
static void reseal(struct sim_bytes *bytes, struct pat_generation_entry *entry) {
    const struct pat_file_header header = {.id = entry->id, .number = entry->number, .lsn = entry->lsn};
    entry->chain = pat_file__chain(PAT_FILE_SNAPSHOT, &header);
    for (size_t at = PAT_FILE_HEADER_BYTES; at < bytes->length;) {
        unsigned char *const block = bytes->data + at;
        const uint32_t payload = pat_get_u32(block + 4);
        entry->chain =
            pat_digest_chain(pat_digest_chain(entry->chain, block, 16), block + PAT_BLOCK_HEADER_BYTES, payload);
        pat_put_digest(block + 16, entry->chain);
        at += PAT_BLOCK_HEADER_BYTES + payload;
    }
}

static size_t last_block(const struct sim_bytes *bytes) {
    size_t last = PAT_FILE_HEADER_BYTES;
    for (size_t at = last; at < bytes->length; at += PAT_BLOCK_HEADER_BYTES + pat_get_u32(bytes->data + at + 4)) {
        last = at;
    }
    return last;
}

/* A small snapshot whose `change` byte, counted from its last block, is another one. */
static void check_crafted(size_t change, bool sealed, const char *why) {
    struct sim_disk disk;
    struct pat_error error = {0};
    sim_init(&disk);
    struct pat_store *store = kit_store(), *back = kit_store();
    fill(store, 3, 50, 50);
    struct pat_generation_entry entry = write_snapshot(&disk, store), crafted = entry;
    struct sim_bytes *bytes = sim_bytes_of(&disk, "snapshot-00000001.ps");
    bytes->data[last_block(bytes) + change] ^= 1;
    reseal(bytes, &crafted);
    assert_int_equal(pat_snapshot__load(&disk.base, &settings, sealed ? &crafted : &entry, back, NULL, &error),
                     PAT_ERR_CORRUPT);
    assert_non_null(strstr(error.message, why));
    pat_store_close(&back);
    pat_store_close(&store);
    sim_deinit(&disk);
}

static void test_a_block_in_anothers_place_is_refused_although_its_checksum_holds(void **state) {
    (void)state;
    check_crafted(12, true, "is not the block that belongs there");
}

static void test_totals_of_the_footer_must_be_those_of_what_was_read(void **state) {
    (void)state;
    check_crafted(PAT_BLOCK_HEADER_BYTES, true, "control totals differ");
}

/* The same file as it would be after another history: whole by itself, and not the one of this manifest. */
static void test_a_whole_file_that_the_manifest_does_not_speak_of_is_refused(void **state) {
    (void)state;
    check_crafted(PAT_BLOCK_HEADER_BYTES, false, "is not the footer that the manifest speaks of");
}

static void test_a_file_of_another_length_says_both(void **state) {
    (void)state;
    struct sim_disk disk;
    struct pat_error error = {0};
    uint64_t blocks = 0;
    sim_init(&disk);
    struct pat_store *store = kit_store();
    fill(store, 4, 10, 10);
    const struct pat_generation_entry entry = write_snapshot(&disk, store);
    struct sim_bytes *bytes = sim_bytes_of(&disk, "snapshot-00000001.ps");
    const size_t lengths[] = {entry.bytes - 1, entry.bytes + 1, entry.bytes + 8, last_block(bytes)};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char said[96];
        sim_bytes_resize(bytes, lengths[i]);
        (void)snprintf(said, sizeof said, "has %zu bytes, the manifest says %llu", lengths[i],
                       (unsigned long long)entry.bytes);
        assert_int_equal(pat_snapshot__verify(&disk.base, &entry, NULL, &blocks, &error), PAT_ERR_CORRUPT);
        assert_non_null(strstr(error.message, said));
    }
    pat_store_close(&store);
    sim_deinit(&disk);
}

struct verifier {
    struct pat_persist *persist;
    pthread_t thread;
    unsigned runs;
};

static void *verify_again_and_again(void *argument) {
    struct verifier *verifier = argument;
    for (verifier->runs = 0; verifier->runs < 30; verifier->runs++) {
        uint64_t checks;
        struct pat_error error;
        enum pat_status status = pat_persist_verify(verifier->persist, &checks, &error);
        if (status != PAT_OK) {
            print_message("%s\n", error.message);
            break;
        }
        kit_sleep_ms(2);
    }
    return NULL;
}

/* Snapshots are written while groups are journaled and applied and a third thread verifies; the power goes at the end.
 */
static void test_snapshots_verify_and_ingest_go_on_side_by_side(void **state) {
    (void)state;
    enum { LAST = 240 };
    static struct pat_digest digests[LAST + 16];
    kit_digests(digests, SEED, LAST + 15, 30);
    for (int sync = PAT_SYNC_ALWAYS; sync <= PAT_SYNC_NEVER; sync++) {
        struct sim_disk disk;
        struct kit_engine engine;
        unsigned snapshots = 0;
        sim_init(&disk);
        assert_int_equal(kit_start_threads(&engine, &disk.base, (enum pat_sync)sync, SEED, 30), PAT_OK);
        struct verifier verifier = {.persist = engine.persist};
        assert_int_equal(pthread_create(&verifier.thread, NULL, verify_again_and_again, &verifier), 0);
        while (engine.store->lsn < LAST) {
            struct pat_view *view;
            assert_int_equal(kit_load(&engine, 3), PAT_OK);
            if (kit_snapshot_begin(&engine, &view) != PAT_OK) fail();
            pat_lsn seen = view->lsn;
            bool done = false;
            while (!done) { /* the journal goes on until the snapshot's event */
                struct kit_batch kit;
                kit_batch_init(&kit, SEED, engine.store->lsn + 1, 30);
                bool more = engine.store->lsn < seen + 8;
                if (more) assert_int_equal(pat_persist_write(engine.persist, &kit.entry, 1, &engine.error), PAT_OK);
                for (bool waits = true; waits;) {
                    struct pat_event event = kit_event(&engine);
                    assert_int_equal(event.status, PAT_OK);
                    if (event.kind == PAT_EVENT_SNAPSHOT) {
                        assert_int_equal(event.lsn, seen);
                        done = true;
                        waits = more;
                        more = false;
                    } else {
                        assert_int_equal(kit_apply(engine.store, &kit.entry, NULL), PAT_OK);
                        waits = false;
                    }
                    if (done && engine.store->lsn >= kit.entry.lsn) waits = false;
                }
                kit_batch_deinit(&kit);
            }
            pat_view_close(&view);
            snapshots++;
        }
        pthread_join(verifier.thread, NULL);
        assert_int_equal(verifier.runs, 30);
        pat_lsn lsn = engine.store->lsn;
        struct sim_disk killed;
        sim_copy(&killed, &disk);
        kit_close(&engine);
        assert_int_equal(kit_recover(&engine, &killed.base, PAT_SYNC_ALWAYS, SEED, 30), PAT_OK);
        assert_int_equal(engine.recovery.lsn, lsn);
        assert_true(pat_digest_equal(kit_digest(engine.store), digests[lsn]));
        assert_true(engine.recovery.generation == snapshots);
        kit_close(&engine);
        sim_deinit(&killed);
        sim_deinit(&disk);
    }
}

/* While a journal file is made of the spare one, the other thread looks whether there is one: as late as it can be. */
static struct {
    const struct pat_fs_ops *ops;
    struct pat_persist *persist;
    unsigned taken;
} spare_hook;

static enum pat_status rename_spare(struct pat_fs *fs, const char *from, const char *to, struct pat_error *error) {
    if (strcmp(from, "journal.spare") == 0) {
        spare_hook.taken++;
        pat_space__keep(spare_hook.persist);
    }
    return spare_hook.ops->rename(fs, from, to, error);
}

static void test_a_spare_file_that_is_being_taken_is_not_made_again(void **state) {
    (void)state;
    static struct pat_digest digests[13];
    struct sim_disk disk, killed;
    struct kit_engine engine;
    uint64_t checks;
    kit_digests(digests, SEED, 12, 30);
    sim_init(&disk);
    assert_int_equal(kit_start(&engine, &disk.base, PAT_SYNC_ALWAYS, SEED, 30), PAT_OK);
    spare_hook.ops = disk.base.ops;
    spare_hook.persist = engine.persist;
    spare_hook.taken = 0;
    struct pat_fs_ops hooked = *disk.base.ops;
    hooked.rename = rename_spare;
    disk.base.ops = &hooked;
    for (unsigned round = 0; round < 4; round++) {
        assert_int_equal(kit_load(&engine, 3), PAT_OK);
        assert_int_equal(kit_snapshot(&engine), PAT_OK);
        if (pat_persist_verify(engine.persist, &checks, &engine.error) != PAT_OK) fail_msg("%s", engine.error.message);
    }
    assert_true(spare_hook.taken > 0);
    disk.base.ops = spare_hook.ops;
    sim_copy(&killed, &disk);
    kit_close(&engine);
    assert_int_equal(kit_recover(&engine, &killed.base, PAT_SYNC_ALWAYS, SEED, 30), PAT_OK);
    assert_int_equal(engine.recovery.lsn, 12);
    assert_true(pat_digest_equal(kit_digest(engine.store), digests[12]));
    kit_close(&engine);
    sim_deinit(&killed);
    sim_deinit(&disk);
}

static void test_the_real_disk_keeps_it_too(void **state) {
    (void)state;
    struct pat_fs *fs;
    struct kit_engine engine;
    struct pat_error error;
    static struct pat_digest digests[21];
    char path[] = "/tmp/patron-persist-XXXXXX";
    kit_digests(digests, SEED, 20, 2000);
    assert_non_null(mkdtemp(path));
    for (unsigned round = 0; round < 4; round++) {
        assert_int_equal(pat_fs_open_dir(&fs, path, &error), PAT_OK);
        assert_int_equal(kit_start_threads(&engine, fs, PAT_SYNC_ALWAYS, SEED, 2000), PAT_OK);
        assert_int_equal(engine.recovery.lsn, round * 5);
        assert_true(pat_digest_equal(kit_digest(engine.store), digests[round * 5]));
        assert_int_equal(kit_load(&engine, 2), PAT_OK);
        if (round % 2 == 0) assert_int_equal(kit_snapshot(&engine), PAT_OK);
        assert_int_equal(kit_load(&engine, 3), PAT_OK);
        kit_close(&engine);
        fs->ops->close(&fs);
    }
    char command[80];
    (void)snprintf(command, sizeof command, "rm -r %s", path);
    assert_int_equal(system(command), 0);
}

/* ---- pieces ------------------------------------------------------------------------------------------------------ */

static enum pat_status try_snapshot(struct sim_disk *disk, const struct pat_view *view,
                                    const struct pat_snapshot_way *how, struct pat_generation_entry *entry,
                                    struct pat_error *error) {
    struct pat_buf none;
    pat_buf_init(&none, PAT_MEM_OTHER);
    *entry = (struct pat_generation_entry){.number = 1, .lsn = view->lsn, .id = {1, 2}};
    const enum pat_status status = pat_snapshot__write(&disk->base, &settings, view, &none, how, entry, error);
    pat_buf_deinit(&none);
    return status;
}

/* The thread that writes changes neither the bytes nor what happens to the disk; and whichever call fails, sync beside
 * the writing or write, the snapshot fails by it, nothing comes behind it but the cleaning up, and nothing stays. */
static void test_a_snapshot_fails_by_any_call_with_a_thread_or_without(void **state) {
    (void)state;
    static const struct pat_snapshot_way ways[] = {
        {.piece_bytes = 8192, .journal_bytes = KIT_JOURNAL_BYTES, .alone = true},
        {.piece_bytes = 8192, .journal_bytes = KIT_JOURNAL_BYTES},
    };
    struct pat_store *store = kit_store();
    struct pat_view *view;
    fill(store, 5, 3000, 20000);
    assert_int_equal(pat_view_open(&view, store), PAT_OK);
    uint64_t calls[2], syncs[2];
    struct pat_generation_entry entry[2];
    for (unsigned w = 0; w < 2; w++) {
        struct sim_disk disk;
        struct pat_error error;
        sim_init(&disk);
        assert_int_equal(try_snapshot(&disk, view, &ways[w], &entry[w], &error), PAT_OK);
        calls[w] = disk.calls;
        syncs[w] = disk.syncs;
        sim_deinit(&disk);
    }
    assert_true(syncs[0] > 3);
    assert_int_equal(calls[0], calls[1]);
    assert_int_equal(syncs[0], syncs[1]);
    assert_int_equal(entry[0].bytes, entry[1].bytes);
    assert_true(pat_digest_equal(entry[0].chain, entry[1].chain));
    for (uint64_t nth = 1; nth <= calls[0]; nth += KIT_STEP) {
        for (unsigned w = 0; w < 2; w++) {
            struct sim_disk disk;
            struct pat_error error = {0};
            sim_init(&disk);
            disk.fail_at = nth;
            assert_int_equal(try_snapshot(&disk, view, &ways[w], &entry[w], &error), PAT_ERR_IO);
            assert_non_null(strstr(error.message, "simulated"));
            assert_in_range(disk.calls, nth, nth + 1); /* the file is removed, and that is all */
            assert_int_equal(sim_used(&disk), 0);
            sim_deinit(&disk);
        }
    }
    pat_view_close(&view);
    pat_store_close(&store);
}

/* Of what the disk has, half of the low-water mark stays: by what the snapshot will need, and by what others took since
 * it began. */
static void test_a_snapshot_is_given_up_before_the_disk_is_full(void **state) {
    (void)state;
    struct pat_store *store = kit_store();
    struct pat_view *view;
    fill(store, 6, 3000, 20000);
    assert_int_equal(pat_view_open(&view, store), PAT_OK);
    for (unsigned alone = 0; alone < 2; alone++) {
        const struct pat_snapshot_way how = {
            .piece_bytes = 4096, .journal_bytes = KIT_JOURNAL_BYTES, .alone = alone != 0};
        struct pat_generation_entry entry;
        struct pat_error error;
        struct sim_disk disk;
        sim_init(&disk);
        assert_int_equal(try_snapshot(&disk, view, &how, &entry, &error), PAT_OK);
        sim_deinit(&disk);
        const uint64_t bytes = entry.bytes, low = 2 * KIT_JOURNAL_BYTES;
        sim_init(&disk);
        disk.capacity = bytes * 3 / 4; /* less than it takes */
        assert_int_equal(try_snapshot(&disk, view, &how, &entry, &error), PAT_ERR_NO_SPACE);
        assert_non_null(strstr(error.message, "the disk is full"));
        assert_int_equal(disk.most, 0); /* nothing was begun */
        disk.capacity = bytes + low + 40000;
        disk.taken_at = 20;
        disk.taken = 60000; /* somebody else's, when the snapshot is under way */
        assert_int_equal(try_snapshot(&disk, view, &how, &entry, &error), PAT_ERR_NO_SPACE);
        assert_non_null(strstr(error.message, "the disk is full"));
        assert_true(disk.most > 0);
        assert_in_range(disk.most + disk.taken, 0, disk.capacity - low);
        assert_int_equal(sim_used(&disk), 0);
        sim_deinit(&disk);
    }
    pat_view_close(&view);
    pat_store_close(&store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stores_of_all_sizes_come_back_as_they_were),
        cmocka_unit_test(test_totals_that_differ_are_refused),
        cmocka_unit_test(test_blocks_swapped_or_left_out_are_noticed),
        cmocka_unit_test(test_a_block_in_anothers_place_is_refused_although_its_checksum_holds),
        cmocka_unit_test(test_totals_of_the_footer_must_be_those_of_what_was_read),
        cmocka_unit_test(test_a_whole_file_that_the_manifest_does_not_speak_of_is_refused),
        cmocka_unit_test(test_a_file_of_another_length_says_both),
        cmocka_unit_test(test_snapshots_verify_and_ingest_go_on_side_by_side),
        cmocka_unit_test(test_a_spare_file_that_is_being_taken_is_not_made_again),
        cmocka_unit_test(test_a_snapshot_fails_by_any_call_with_a_thread_or_without),
        cmocka_unit_test(test_a_snapshot_is_given_up_before_the_disk_is_full),
        cmocka_unit_test(test_the_real_disk_keeps_it_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
