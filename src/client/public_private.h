/* What the files behind include/patron/patron.h share. */
#ifndef PAT_CLIENT_PUBLIC_PRIVATE_H
#define PAT_CLIENT_PUBLIC_PRIVATE_H

#include "base/buf.h"
#include "base/status.h"
#include "patron/patron.h"

struct pat_client;

struct patron {
    struct pat_client *client;
    struct pat_buf answer; /* of the last patron_receive */
};

/* Fills `out` (may be NULL) from `error`; gives PATRON_FAILED. */
enum patron_status patron__fail(struct patron_error *out, const struct pat_error *error);

#endif
