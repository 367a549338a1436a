/* Snapshot files. First byte even: the rest is what follows a good file header. Odd: the rest is cut into blocks (u8
 * section, u16 length, bytes) that are sealed in order, so that the section readers behind the checksums are reached.
 */
#include "../unit/persist/sim_disk.h"
#include "base/buf.h"
#include "persist/bytes_private.h"
#include "persist/file_private.h"
#include "persist/snapshot_private.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_block(struct pat_buf *file, uint8_t section, const uint8_t *payload, uint32_t bytes, uint32_t sequence,
                      struct pat_digest *chain) {
    unsigned char head[PAT_BLOCK_HEADER_BYTES];
    pat_put_u32(head, PAT_BLOCK_MAGIC);
    pat_put_u32(head + 4, bytes);
    pat_put_u32(head + 8, section);
    pat_put_u32(head + 12, sequence);
    *chain = pat_digest_chain(pat_digest_chain(*chain, head, 16), payload, bytes);
    pat_put_digest(head + 16, *chain);
    PAT_ASSERT(pat_buf_append(file, head, sizeof head) == PAT_OK);
    PAT_ASSERT(pat_buf_append(file, payload, bytes) == PAT_OK);
}

static void add_blocks(struct pat_buf *file, const uint8_t *data, size_t size, struct pat_digest *chain) {
    for (uint32_t sequence = 0; size > 3;) {
        uint8_t section = data[0];
        uint32_t bytes = (uint32_t)data[1] | (uint32_t)data[2] << 8;
        data += 3;
        size -= 3;
        if (bytes > size) bytes = (uint32_t)size;
        if (bytes > 0) add_block(file, section, data, bytes, sequence++, chain);
        data += bytes;
        size -= bytes;
    }
}

static void load(struct sim_disk *disk, const struct pat_generation_entry *entry) {
    struct pat_settings settings = {.zone = "UTC", .base_currency = "EUR"};
    struct pat_store_options options = {.base_currency = "EUR", .entropy = "a fixed secret", .entropy_bytes = 14};
    struct pat_store *store;
    uint64_t blocks = 0;
    PAT_ASSERT(pat_store_open(&store, &options, NULL) == PAT_OK);
    (void)!pat_snapshot__verify(&disk->base, entry, NULL, &blocks, NULL);
    enum pat_status status = pat_snapshot__load(&disk->base, &settings, entry, store, NULL, NULL);
    PAT_ASSERT(status == PAT_OK || status == PAT_ERR_CORRUPT || status == PAT_ERR_NO_MEMORY);
    pat_store_close(&store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct pat_buf file;
    unsigned char head[PAT_FILE_HEADER_BYTES];
    struct pat_generation_entry entry = {.number = 1, .id = {11, 22}, .lsn = 1};
    struct pat_file_header header = {.id = entry.id, .number = entry.number, .lsn = entry.lsn};
    pat_buf_init(&file, PAT_MEM_OTHER);
    pat_file__header_write(PAT_FILE_SNAPSHOT, &header, head);
    PAT_ASSERT(pat_buf_append(&file, head, sizeof head) == PAT_OK);
    entry.chain = pat_file__chain(PAT_FILE_SNAPSHOT, &header);
    if (data[0] % 2 == 0) {
        PAT_ASSERT(pat_buf_append(&file, data + 1, size - 1) == PAT_OK);
    } else {
        add_blocks(&file, data + 1, size - 1, &entry.chain);
    }
    entry.bytes = file.length;
    struct sim_disk disk;
    struct pat_file *out;
    sim_init(&disk);
    PAT_ASSERT(sim_file_open(&disk.base, &out, "snapshot-00000001.ps", PAT_FILE_CREATE, NULL) == PAT_OK);
    PAT_ASSERT(sim_file_write_at(out, 0, file.data, file.length, NULL) == PAT_OK);
    sim_file_close(&out);
    load(&disk, &entry);
    sim_deinit(&disk);
    pat_buf_deinit(&file);
    return 0;
}
