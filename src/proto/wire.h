/* MessagePack-RPC on value trees: a bounded scanner in front, the decoder behind it.
 *
 *   bytes -> pat_scan (resumable, checks every count against limits before anything is allocated)
 *         -> a whole frame that is known to be well-formed -> pat_wire_decode -> pat_value in the arena */
#ifndef PAT_PROTO_WIRE_H
#define PAT_PROTO_WIRE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "model/limits.h"
#include "model/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keys remembered over all open maps: a load's parameters and its columns fit; a bigger map is walked once more at its
 * end. */
#define PAT_SCAN_KEYS_KEPT 64u

struct pat_scan_limits {
    size_t bytes_max;   /* of one frame; below 4 GiB */
    size_t objects_max; /* in one frame, at every level together */
    unsigned depth_max;
};

/* Scans one frame as its bytes arrive. State is O(depth); a byte is looked at once however slowly it comes. Checked
 * while scanning: the frame is an array of 3 or 4; counts fit the limits (each element is at least a byte, so counts
 * are compared with what bytes_max leaves); depth; reserved byte 0xc1 is refused; strings are UTF-8 (method may be
 * bin); a map's keys that are str or bin are UTF-8, and each is there once. Ext types and other keys are MessagePack
 * and pass: what to say to them depends on the message, which is the decoder's. */
struct pat_scan {
    struct pat_scan_limits limits;
    size_t at; /* bytes of this frame looked at so far */
    size_t objects;
    unsigned depth;
    /* private to scan.c from here */
    size_t pending;  /* values announced and not yet passed; the frame is whole at 0 */
    size_t wait_for; /* length below which there is nothing to do, however often pat_scan_run is called */
    struct {
        uint32_t left; /* values still to come on this level (map: keys and values) */
        bool map;
        bool keys_dropped;  /* map: its keys did not fit `key` and are found again when it ends */
        uint32_t keys_from; /* map: place of its first key in `key` */
        size_t start;       /* offset of the container's first byte */
    } level[PAT_FRAME_DEPTH_MAX + 1];
    uint32_t keys;
    uint32_t key[PAT_SCAN_KEYS_KEPT]; /* offsets of the keys of all open maps, innermost last */
    size_t heads_read;                /* value heads decoded, repeats included: what the test of linear work counts */
};

void pat_scan_init(struct pat_scan *scan, struct pat_scan_limits limits);
/* Looks at data[scan->at .. length) where `data` starts at the frame's first byte and holds all bytes that came so far.
 * PAT_OK: the frame is whole, *frame_bytes long (more may follow it). PAT_ERR_MORE: more bytes are needed.
 * PAT_ERR_PROTO or PAT_ERR_TOO_LARGE: this connection is to be closed; error->offset is the byte. */
enum pat_status pat_scan_run(struct pat_scan *scan, const unsigned char *data, size_t length, size_t *frame_bytes,
                             struct pat_error *error) PAT_MUST_CHECK;

enum pat_message_kind { PAT_MESSAGE_REQUEST = 0, PAT_MESSAGE_RESPONSE = 1, PAT_MESSAGE_NOTIFY = 2 };

struct pat_message {
    enum pat_message_kind kind;
    uint32_t msgid;          /* request, response */
    struct pat_text method;  /* request, notify; str or bin */
    struct pat_value params; /* request, notify: the array */
    struct pat_value error;  /* response */
    struct pat_value result; /* response */
    bool has_msgid;          /* false when a broken request had none to answer to */
};

/* Decodes a scanned frame; texts and bins are borrowed from `data`, trees are in the arena.
 * Fails: PAT_ERR_PROTO (not MessagePack-RPC: the connection ends), PAT_ERR_BAD_REQUEST (a mistake in a message that can
 * be answered or ignored: out->kind and, but for notifications, out->msgid are set; ext types and keys that are no
 * strings are such mistakes), PAT_ERR_NO_MEMORY. */
enum pat_status pat_wire_decode(struct pat_message *out, const unsigned char *data, size_t length,
                                struct pat_arena *arena, struct pat_error *error) PAT_MUST_CHECK;

/* The msgid of a request of which only the first bytes may be there, or that there is no memory to decode; false, and
 * *msgid as it was, when they do not show one. Takes any bytes. */
bool pat_wire_peek_msgid(const unsigned char *data, size_t length, uint32_t *msgid);

/* What requests have in common that differ in nothing but their msgid and one id: who has decoded the first of them has
 * decoded all. Borrows from the first one's frame. */
struct pat_wire_like {
    const unsigned char *front, *back; /* between the msgid and the id; behind the id */
    size_t front_bytes, back_bytes;
};
/* Of a request that was decoded and is no mistake; `key` names the id in its argument. False when it is too large to be
 * compared, or has no such key. */
bool pat_wire_like_open(struct pat_wire_like *out, const unsigned char *frame, size_t bytes, const char *key);
/* The bytes of a frame like that at the front of `data`, its msgid and its id: a number, or -1 and a text of printable
 * ASCII that stands in `data`. 0 for anything else, which may be a good request all the same. */
size_t pat_wire_like_take(const struct pat_wire_like *like, const unsigned char *data, size_t bytes, uint32_t *msgid,
                          int64_t *number, struct pat_text *text);

/* The one positional argument of params: [] and [nil] give *out = NULL, [{}] the map. PAT_ERR_BAD_REQUEST for anything
 * else. */
enum pat_status pat_wire_argument(const struct pat_message *message, const struct pat_value **out,
                                  struct pat_error *error) PAT_MUST_CHECK;

/* Append whole frames. */
enum pat_status pat_wire_request(struct pat_buf *out, uint32_t msgid, const char *method,
                                 const struct pat_value *params) PAT_MUST_CHECK; /* NULL params: [] */
enum pat_status pat_wire_result(struct pat_buf *out, uint32_t msgid, const struct pat_value *result) PAT_MUST_CHECK;
/* errors as "CODE: text" or, when `map`, {code, message, field, row, offset, retryable, retry_after_ms}. */
enum pat_status pat_wire_error(struct pat_buf *out, uint32_t msgid, const struct pat_error *error,
                               bool map) PAT_MUST_CHECK;
/* One value, for tests and tools. */
enum pat_status pat_wire_value(struct pat_buf *out, const struct pat_value *value) PAT_MUST_CHECK;

#endif
