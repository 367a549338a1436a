/* What public.c needs of the client beyond client.h. */
#ifndef PAT_CLIENT_CLIENT_PRIVATE_H
#define PAT_CLIENT_CLIENT_PRIVATE_H

#include "client/client.h"

#include <stddef.h>

/* pat_client_send with params as `bytes` of MessagePack, one value that the caller packed. It is scanned before it is
 * sent. Fails also: PAT_ERR_BAD_REQUEST with the offset in `params` (nothing was sent). */
enum pat_status pat_client__send_packed(struct pat_client *client, const char *method, const void *params, size_t bytes,
                                        uint32_t *msgid, struct pat_error *error) PAT_MUST_CHECK;

#endif
