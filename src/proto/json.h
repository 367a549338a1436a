/* JSON to and from value trees: for the command line now, for HTTP later. The only door to <jansson.h> is json.c. */
#ifndef PAT_PROTO_JSON_H
#define PAT_PROTO_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "model/value.h"

/* Duplicate keys, trailing text, depth over PAT_FRAME_DEPTH_MAX and broken UTF-8 are errors with the byte offset. */
enum pat_status pat_json_parse(struct pat_value *out, struct pat_text text, struct pat_arena *arena,
                               struct pat_error *error) PAT_MUST_CHECK;
/* Appends JSON; `pretty` indents by two. Doubles print in their shortest form that reads back; bin prints as base64. */
enum pat_status pat_json_print(struct pat_buf *out, const struct pat_value *value, bool pretty) PAT_MUST_CHECK;

#endif
