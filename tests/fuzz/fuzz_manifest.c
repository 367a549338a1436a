/* MANIFEST. First byte even: the rest is the file. Odd: the rest is what follows a good head (of the oldest version
 * with two bits set), sealed, so that the reader behind the digest is reached; what it takes must be written again and
 * read as the same. */
#include "../unit/persist/sim_disk.h"
#include "base/buf.h"
#include "persist/bytes_private.h"
#include "persist/file_private.h"
#include "persist/manifest_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As the head of manifest_private.h says. */
enum { VERSION_AT = 8, BYTES_AT = 12, DIGEST_AT = 16, CONTENT_AT = 32 };

static void seal(struct pat_buf *file, const uint8_t *data, size_t size, uint32_t version) {
    static const unsigned char head[CONTENT_AT] = "PATMNFT\n";
    PAT_ASSERT(pat_buf_append(file, head, sizeof head) == PAT_OK);
    PAT_ASSERT(pat_buf_append(file, data, size) == PAT_OK);
    /* Each version that is read: what tells them apart is the first byte. */
    pat_put_u32(file->data + VERSION_AT, version);
    pat_put_u32(file->data + BYTES_AT, (uint32_t)file->length);
    pat_put_digest(file->data + DIGEST_AT, pat_digest_of(file->data, file->length));
}

static void write_again(const struct pat_manifest *manifest, struct sim_disk *disk) {
    static struct pat_manifest again; /* larger than a stack likes */
    bool replaced;
    PAT_ASSERT(pat_manifest__write(manifest, &disk->base, &replaced, NULL) == PAT_OK && replaced);
    PAT_ASSERT(pat_manifest__read(&again, &disk->base, NULL) == PAT_OK);
    PAT_ASSERT(again.durable.lsn == manifest->durable.lsn && again.next_journal == manifest->next_journal);
    PAT_ASSERT(again.generations == manifest->generations && again.journals == manifest->journals);
    for (uint32_t i = 0; i < again.generations; i++) {
        PAT_ASSERT(pat_manifest__totals_equal(&again.generation[i].totals, &manifest->generation[i].totals));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct pat_manifest manifest;
    if (size == 0) return 0;
    struct pat_buf bytes;
    struct sim_disk disk;
    struct pat_file *file;
    pat_buf_init(&bytes, PAT_MEM_OTHER);
    sim_init(&disk);
    if (data[0] % 2 == 0) {
        PAT_ASSERT(pat_buf_append(&bytes, data + 1, size - 1) == PAT_OK);
    } else {
        seal(&bytes, data + 1, size - 1, data[0] % 4 == 3 ? PAT_MANIFEST_VERSION_OLDEST : PAT_MANIFEST_VERSION);
    }
    PAT_ASSERT(sim_file_open(&disk.base, &file, PAT_MANIFEST_NAME, PAT_FILE_CREATE, NULL) == PAT_OK);
    PAT_ASSERT(sim_file_write_at(file, 0, bytes.data, bytes.length, NULL) == PAT_OK);
    sim_file_close(&file);
    const enum pat_status status = pat_manifest__read(&manifest, &disk.base, NULL);
    PAT_ASSERT(status == PAT_OK || status == PAT_ERR_CORRUPT || status == PAT_ERR_NO_MEMORY);
    if (status == PAT_OK) write_again(&manifest, &disk);
    sim_deinit(&disk);
    pat_buf_deinit(&bytes);
    return 0;
}
