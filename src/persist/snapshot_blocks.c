/* A snapshot's file, block by block; verifying it takes nothing more. */
#include "persist/blocks_private.h"

#include "base/mem.h"
#include "persist/bytes_private.h"

#include <inttypes.h>
#include <string.h>

#define SLOT_BYTES ((size_t)PAT_BLOCK_HEADER_BYTES + PAT_BLOCK_PAYLOAD_BYTES)
/* Pieces of chunks that wait to be copied out of the window: at 4 KiB, the least of a whole chunk, all of it. */
#define COPIES_MAX 4096u
/* Copies that one thread does in a piece. */
#define COPIES_PART 8u

enum pat_status pat_blocks__fail(const struct pat_blocks *s, uint64_t offset, const char *why) {
    return pat_error_set_at(s->error, PAT_ERR_CORRUPT, s->name, -1, (int64_t)offset,
                            "%s: block at offset %" PRIu64 ": %s", s->name, offset, why);
}

/* ---- blocks ----------------------------------------------------------------------------------------------------- */

static enum pat_status block_read(struct pat_blocks *s, size_t at, size_t bytes) {
    size_t got;
    PAT_TRY(s->file->ops->file_read_at(s->file, s->offset + at, s->block + at, bytes, &got, s->error));
    return got == bytes ? PAT_OK : pat_blocks__fail(s, s->offset, "the file ends inside it");
}

/* What the header in memory says. */
static void block_take(struct pat_blocks *s, struct pat_digest chain) {
    const uint32_t payload = pat_get_u32(s->block + 4);
    s->chain = chain;
    s->section = pat_get_u32(s->block + 8);
    s->length = payload;
    s->used = 0;
    s->offset += PAT_BLOCK_HEADER_BYTES + payload;
    s->sequence++;
}

/* Reads the block at `offset` and checks it against the one before. */
static enum pat_status block_check(struct pat_blocks *s) {
    uint64_t left = s->size - s->offset;
    if (left < PAT_BLOCK_HEADER_BYTES) return pat_blocks__fail(s, s->offset, "the file ends where it should be");
    PAT_TRY(block_read(s, 0, PAT_BLOCK_HEADER_BYTES));
    uint32_t payload = pat_get_u32(s->block + 4);
    if (pat_get_u32(s->block) != PAT_BLOCK_MAGIC || payload == 0 || payload > PAT_BLOCK_PAYLOAD_BYTES) {
        return pat_blocks__fail(s, s->offset, "its header is damaged");
    }
    if (payload > left - PAT_BLOCK_HEADER_BYTES) return pat_blocks__fail(s, s->offset, "the file ends inside it");
    PAT_TRY(block_read(s, PAT_BLOCK_HEADER_BYTES, payload));
    struct pat_digest chain =
        pat_digest_chain(pat_digest_chain(s->chain, s->block, 16), s->block + PAT_BLOCK_HEADER_BYTES, payload);
    if (!pat_digest_equal(chain, pat_get_digest(s->block + 16)))
        return pat_blocks__fail(s, s->offset, "checksum does not match");
    if (pat_get_u32(s->block + 12) != s->sequence)
        return pat_blocks__fail(s, s->offset, "is not the block that belongs there");
    block_take(s, chain);
    return PAT_OK;
}

/* ---- blocks, some together --------------------------------------------------------------------------------------- */

static unsigned char *slot_bytes(const struct pat_blocks *s, uint32_t slot) {
    return s->window + slot * SLOT_BYTES;
}

/* Whatever is wrong here is found and told when it is the block's turn. */
static void slot_part(void *context, uint32_t part, unsigned lane) {
    (void)lane;
    struct pat_blocks *s = context;
    struct pat_block_slot *const slot = &s->slot[part];
    struct pat_blocks own = {.file = s->file,
                             .size = s->size,
                             .offset = slot->offset,
                             .chain = slot->before,
                             .sequence = s->sequence + part,
                             .block = slot_bytes(s, part)};
    slot->checked = block_check(&own) == PAT_OK;
    slot->after = own.chain;
}

/* Finds the next blocks by their headers. Each says the digest of the one before, so that all can be checked at once:
 * when every block goes with what the one before says of itself, the chain holds. */
static void window_find(struct pat_blocks *s) {
    struct pat_digest before = s->chain;
    uint64_t offset = s->offset;
    for (s->slots = 0; s->slots < s->window_max && s->size - offset >= PAT_BLOCK_HEADER_BYTES; s->slots++) {
        unsigned char header[PAT_BLOCK_HEADER_BYTES];
        size_t got;
        if (s->file->ops->file_read_at(s->file, offset, header, sizeof header, &got, NULL) != PAT_OK) return;
        const uint32_t payload = pat_get_u32(header + 4);
        if (got != sizeof header || pat_get_u32(header) != PAT_BLOCK_MAGIC || payload == 0) return;
        if (payload > PAT_BLOCK_PAYLOAD_BYTES || payload > s->size - offset - sizeof header) return;
        s->slot[s->slots] = (struct pat_block_slot){.offset = offset, .before = before};
        before = pat_get_digest(header + 16);
        offset += sizeof header + payload;
    }
}

static void copy_part(void *context, uint32_t part, unsigned lane) {
    (void)lane;
    const struct pat_blocks *s = context;
    const uint32_t first = part * COPIES_PART;
    for (uint32_t i = first; i < s->copies && i < first + COPIES_PART; i++) {
        memcpy(s->copy[i].to, s->copy[i].from, s->copy[i].bytes);
    }
}

void pat_blocks__copy(struct pat_blocks *s) {
    pat_spread_run(s->spread, copy_part, s, (s->copies + COPIES_PART - 1) / COPIES_PART);
    s->copies = 0;
}

/* The next block, checked. */
static enum pat_status block_next(struct pat_blocks *s) {
    if (s->next_slot == s->slots) {
        pat_blocks__copy(s);
        s->next_slot = s->slots = 0;
        if (s->window_max > 1) window_find(s);
        pat_spread_run(s->spread, slot_part, s, s->slots);
    }
    s->block = slot_bytes(s, s->next_slot);
    if (s->next_slot == s->slots) return block_check(s);
    const struct pat_block_slot *slot = &s->slot[s->next_slot++];
    if (!slot->checked) return block_check(s);
    block_take(s, slot->after);
    return PAT_OK;
}

uint64_t pat_blocks__offset(const struct pat_blocks *s) {
    return s->offset - s->length - PAT_BLOCK_HEADER_BYTES;
}

enum pat_status pat_blocks__section_next(struct pat_blocks *s) {
    if (s->used != s->length)
        return pat_blocks__fail(s, pat_blocks__offset(s), "its section is longer than its content");
    return block_next(s);
}

enum pat_status pat_blocks__section_begin(struct pat_blocks *s, enum pat_section section) {
    PAT_TRY(pat_blocks__section_next(s));
    return s->section == section ? PAT_OK : pat_blocks__fail(s, pat_blocks__offset(s), "belongs to another section");
}

/* The next bytes of the section, at most `bytes`, in one piece. */
static enum pat_status get_piece(struct pat_blocks *s, size_t bytes, const unsigned char **from, size_t *here) {
    if (s->used == s->length) {
        uint32_t section = s->section;
        PAT_TRY(block_next(s));
        if (s->section != section)
            return pat_blocks__fail(s, pat_blocks__offset(s), "the section before it ends too early");
    }
    size_t room = s->length - s->used;
    *here = bytes < room ? bytes : room;
    *from = s->block + PAT_BLOCK_HEADER_BYTES + s->used;
    s->used += (uint32_t)*here;
    return PAT_OK;
}

enum pat_status pat_blocks__get(struct pat_blocks *s, void *out, size_t bytes) {
    unsigned char *to = out;
    for (size_t here = 0; bytes > 0; to += here, bytes -= here) {
        const unsigned char *from = NULL;
        PAT_TRY(get_piece(s, bytes, &from, &here));
        memcpy(to, from, here);
    }
    return PAT_OK;
}

enum pat_status pat_blocks__get_later(struct pat_blocks *s, unsigned char *to, size_t bytes) {
    if (s->copy == NULL) return pat_blocks__get(s, to, bytes);
    for (size_t here = 0; bytes > 0; to += here, bytes -= here) {
        const unsigned char *from = NULL;
        PAT_TRY(get_piece(s, bytes, &from, &here));
        if (s->copies == COPIES_MAX) pat_blocks__copy(s);
        s->copy[s->copies++] = (struct pat_block_copy){to, from, here};
    }
    return PAT_OK;
}

uint64_t pat_blocks__left(const struct pat_blocks *s) {
    return (uint64_t)(s->length - s->used) + (s->size - s->offset);
}

enum pat_status pat_blocks__senseless(const struct pat_blocks *s) {
    return pat_blocks__fail(s, pat_blocks__offset(s), "its content makes no sense, although its checksum holds");
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

/* Room for one block is needed, which is not larger than its file; more of them, and copies that wait, are for speed.
 */
static enum pat_status source_window(struct pat_blocks *s) {
    const uint64_t blocks = s->size / SLOT_BYTES + 1;
    s->window_max = blocks < PAT_BLOCKS_WINDOW ? (uint32_t)blocks : PAT_BLOCKS_WINDOW;
    if (s->spread == NULL) s->window_max = 1;
    if (s->window_max > 1) {
        s->window = pat_mem_alloc_big(PAT_MEM_SNAPSHOT, s->window_max * SLOT_BYTES);
        s->copy = pat_mem_alloc(PAT_MEM_SNAPSHOT, COPIES_MAX * sizeof *s->copy);
    }
    if (s->window == NULL) {
        s->window_max = 1;
        s->window = pat_mem_alloc(PAT_MEM_SNAPSHOT, s->size < SLOT_BYTES ? (size_t)s->size : SLOT_BYTES);
    }
    if (s->window == NULL) return pat_error_set(s->error, PAT_ERR_NO_MEMORY, "%s: no memory to read it", s->name);
    s->block = s->window;
    return PAT_OK;
}

static enum pat_status source_start(struct pat_blocks *s, const struct pat_generation_entry *entry) {
    struct pat_file_header header = {.id = entry->id, .number = entry->number, .lsn = entry->lsn};
    PAT_TRY(pat_file__header_check(s->file, PAT_FILE_SNAPSHOT, &header, s->error));
    PAT_TRY(s->file->ops->file_size(s->file, &s->size, s->error));
    if (s->size != entry->bytes) {
        return pat_error_set_at(s->error, PAT_ERR_CORRUPT, s->name, -1, (int64_t)s->size,
                                "%s: has %" PRIu64 " bytes, the manifest says %" PRIu64, s->name, s->size,
                                entry->bytes);
    }
    s->offset = PAT_FILE_HEADER_BYTES;
    s->chain = pat_file__chain(PAT_FILE_SNAPSHOT, &header);
    return source_window(s);
}

static enum pat_status source_end(const struct pat_blocks *s, const struct pat_generation_entry *entry) {
    if (s->offset != s->size || s->section != PAT_SECTION_FOOTER)
        return pat_blocks__fail(s, s->offset, "the file does not end with its footer");
    if (pat_digest_equal(s->chain, entry->chain)) return PAT_OK;
    return pat_blocks__fail(s, pat_blocks__offset(s), "is not the footer that the manifest speaks of");
}

static void source_close(struct pat_blocks *s) {
    pat_mem_free(PAT_MEM_SNAPSHOT, s->copy);
    pat_mem_free(PAT_MEM_SNAPSHOT, s->window);
    s->file->ops->file_close(&s->file);
}

static enum pat_status source_open(struct pat_blocks *s, const struct pat_generation_entry *entry) {
    pat_file__name(PAT_FILE_SNAPSHOT, entry->number, s->name);
    enum pat_status status = s->fs->ops->file_open(s->fs, &s->file, s->name, PAT_FILE_READ, s->error);
    if (status == PAT_ERR_NOT_FOUND) {
        return pat_error_set_at(s->error, PAT_ERR_CORRUPT, s->name, -1, -1, "%s: is missing", s->name);
    }
    PAT_TRY(status);
    status = source_start(s, entry);
    if (status != PAT_OK) source_close(s);
    return status;
}

enum pat_status pat_blocks__with(struct pat_blocks *s, const struct pat_generation_entry *entry, void *context,
                                 enum pat_status (*use)(struct pat_blocks *s, void *context)) {
    PAT_TRY(source_open(s, entry));
    enum pat_status status = use(s, context);
    if (status == PAT_OK) status = source_end(s, entry);
    source_close(s);
    return status;
}

static enum pat_status verify_blocks(struct pat_blocks *s, void *context) {
    uint64_t *blocks = context;
    while (s->offset < s->size) {
        PAT_TRY(block_next(s));
        ++*blocks;
    }
    return PAT_OK;
}

enum pat_status pat_snapshot__verify(struct pat_fs *fs, const struct pat_generation_entry *entry,
                                     const struct pat_spread *spread, uint64_t *blocks, struct pat_error *error) {
    struct pat_blocks source = {.fs = fs, .spread = spread, .error = error};
    return pat_blocks__with(&source, entry, blocks, verify_blocks);
}

/* ---- the same in pieces ------------------------------------------------------------------------------------------ */

struct pat_snapshot_check {
    struct pat_blocks source;
    struct pat_generation_entry entry;
};

enum pat_status pat_snapshot__check_open(struct pat_snapshot_check **out, struct pat_fs *fs,
                                         const struct pat_generation_entry *entry, struct pat_error *error) {
    struct pat_snapshot_check *check = pat_mem_alloc(PAT_MEM_SNAPSHOT, sizeof *check);
    if (check == NULL) return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to read a snapshot");
    *check = (struct pat_snapshot_check){.source = {.fs = fs, .error = error}, .entry = *entry};
    const enum pat_status status = source_open(&check->source, entry);
    if (status != PAT_OK) {
        pat_mem_free(PAT_MEM_SNAPSHOT, check);
        return status;
    }
    pat_file__forget(check->source.file, 0, 0);
    *out = check;
    return PAT_OK;
}

/* Of the footer, which is in memory. */
static enum pat_status check_totals(const struct pat_snapshot_check *check) {
    const struct pat_blocks *s = &check->source;
    const unsigned char *payload = s->block + PAT_BLOCK_HEADER_BYTES;
    struct pat_reader reader = {.at = payload, .end = payload + s->length};
    const struct pat_totals totals = pat_manifest__totals_read(&reader);
    if (!reader.bad && pat_manifest__totals_equal(&totals, &check->entry.totals)) return PAT_OK;
    return pat_blocks__fail(s, pat_blocks__offset(s), "its control totals are not those of the manifest");
}

enum pat_status pat_snapshot__check_some(struct pat_snapshot_check *check, uint64_t bytes, uint64_t *read,
                                         uint64_t *blocks, bool *done, struct pat_error *error) {
    struct pat_blocks *s = &check->source;
    const uint64_t from = s->offset;
    enum pat_status status = PAT_OK;
    s->error = error;
    while (status == PAT_OK && s->offset < s->size && s->offset - from < bytes) {
        status = block_next(s);
        if (status == PAT_OK) ++*blocks;
        if (status == PAT_OK && s->section == PAT_SECTION_FOOTER) status = check_totals(check);
    }
    *read += s->offset - from;
    pat_file__forget(s->file, from, s->offset - from);
    *done = s->offset >= s->size;
    return status == PAT_OK && *done ? source_end(s, &check->entry) : status;
}

void pat_snapshot__check_close(struct pat_snapshot_check **handle) {
    if (*handle == NULL) return;
    source_close(&(*handle)->source);
    pat_mem_free(PAT_MEM_SNAPSHOT, *handle);
    *handle = NULL;
}
