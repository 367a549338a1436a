/* Where to listen, as a person writes it. Until there is TLS only loopback is taken: whoever reaches the port may do
 * everything. */
#ifndef PAT_NET_ADDRESS_H
#define PAT_NET_ADDRESS_H

#include "base/status.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct pat_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
};

/* "[" + the longest IPv6 text + "]:65535" and its end. */
#define PAT_ADDRESS_BYTES 64

/* HOST:PORT with HOST a numeric IPv4 address, "[IPv6]" or "localhost"; port 0 takes a free one. No names are looked up.
 * Fails: PAT_ERR_BAD_REQUEST; PAT_ERR_AUTH for anything but loopback. */
enum pat_status pat_address_parse(struct pat_address *out, const char *text, struct pat_error *error) PAT_MUST_CHECK;
/* "127.0.0.1:7411", "[::1]:7411"; gives `out`, which has PAT_ADDRESS_BYTES. */
const char *pat_address_format(const struct sockaddr *address, char *out);

#endif
