/* Where to listen, as a person writes it.
 *
 *   127.0.0.1:7411          loopback: plain
 *   tls://127.0.0.1:7411    loopback, with TLS
 *   10.0.0.5:7411           anywhere else: always TLS, and only with users who log in */
#ifndef PAT_NET_ADDRESS_H
#define PAT_NET_ADDRESS_H

#include "base/status.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

struct pat_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    bool tls;
};

/* "[" + the longest IPv6 text + "]:65535" and its end. */
#define PAT_ADDRESS_BYTES 64
/* In front of an address that speaks TLS. */
#define PAT_ADDRESS_TLS "tls://"

/* HOST:PORT with HOST a numeric IPv4 address, "[IPv6]" or "localhost", after PAT_ADDRESS_TLS or not; port 0 takes a
 * free one. No names are looked up. Sets `tls` where that is asked for or the address is not loopback.
 * Fails: PAT_ERR_BAD_REQUEST. */
enum pat_status pat_address_parse(struct pat_address *out, const char *text, struct pat_error *error) PAT_MUST_CHECK;
/* May be served by a server that has a certificate (or not) and users (or not)? PAT_ERR_AUTH with what is missing. */
enum pat_status pat_address_allow(const struct pat_address *address, bool certificate, bool users,
                                  struct pat_error *error) PAT_MUST_CHECK;
/* A program on this machine, however its address is written. */
bool pat_address_is_loopback(const struct sockaddr *address);
/* Whom an address belongs to, as far as it shows: IPv4 addresses are counted one by one, also where a socket of IPv6
 * shows them (::ffff:10.0.0.5); a site of IPv6 has 2^64 addresses and is one. */
#define PAT_ADDRESS_SITE_BYTES 9
void pat_address_site(const struct sockaddr *address, unsigned char out[PAT_ADDRESS_SITE_BYTES]);
/* "127.0.0.1:7411", "[::1]:7411"; gives `out`, which has PAT_ADDRESS_BYTES. */
const char *pat_address_format(const struct sockaddr *address, char *out);

#endif
