#include "net/address.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* What a message shows of a text that may be anything. */
#define SHOWN_BYTES 80

static enum pat_status refuse(struct pat_error *error, const char *text, const char *why) {
    char shown[SHOWN_BYTES];
    return pat_error_set(error, PAT_ERR_BAD_REQUEST, "\"%s\" is not an address to listen on: %s",
                         pat_text_printable(pat_text_of(text), shown, sizeof shown), why);
}

static bool port_parse(const char *text, in_port_t *out) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0') return false;
    unsigned value = 0;
    for (size_t i = 0; i < digits; i++) value = value * 10 + (unsigned)(text[i] - '0');
    if (value > UINT16_MAX) return false;
    *out = htons((uint16_t)value);
    return true;
}

/* The four bytes of an IPv4 address, or the sixteen of one of IPv6 that is none. */
static size_t bytes_of(const struct sockaddr *address, unsigned char out[16]) {
    if (address->sa_family != AF_INET6) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        memcpy(out, &v4.sin_addr, 4);
        return 4;
    }
    struct sockaddr_in6 v6;
    memcpy(&v6, address, sizeof v6);
    memcpy(out, &v6.sin6_addr, 16);
    if (!IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) return 16;
    memmove(out, out + 12, 4);
    return 4;
}

bool pat_address_is_loopback(const struct sockaddr *address) {
    unsigned char bytes[16];
    if (bytes_of(address, bytes) == 4) return bytes[0] == 127;
    return memcmp(bytes, &in6addr_loopback, sizeof bytes) == 0;
}

void pat_address_site(const struct sockaddr *address, unsigned char out[PAT_ADDRESS_SITE_BYTES]) {
    unsigned char bytes[16];
    const size_t length = bytes_of(address, bytes);
    memset(out, 0, PAT_ADDRESS_SITE_BYTES);
    out[0] = length == 4 ? 4 : 6;
    memcpy(out + 1, bytes, length == 4 ? 4 : 8);
}

enum pat_status pat_address_parse(struct pat_address *out, const char *text, struct pat_error *error) {
    char host[INET6_ADDRSTRLEN];
    const bool tls = strncmp(text, PAT_ADDRESS_TLS, strlen(PAT_ADDRESS_TLS)) == 0;
    if (tls) text += strlen(PAT_ADDRESS_TLS);
    const char *colon = strrchr(text, ':');
    if (colon == NULL) return refuse(error, text, "expected HOST:PORT, such as 127.0.0.1:7411");
    in_port_t port;
    if (!port_parse(colon + 1, &port)) return refuse(error, text, "the port is a number from 0 (a free one) to 65535");
    bool bracketed = text[0] == '[' && colon > text + 1 && colon[-1] == ']';
    const char *start = bracketed ? text + 1 : text;
    size_t length = (size_t)(colon - start) - (bracketed ? 1 : 0);
    if (length >= sizeof host) return refuse(error, text, "the host is a numeric address or localhost");
    memcpy(host, start, length);
    host[length] = '\0';
    if (strcmp(host, "localhost") == 0) memcpy(host, "127.0.0.1", sizeof "127.0.0.1");
    *out = (struct pat_address){0};
    if (!bracketed && inet_pton(AF_INET, host, &out->at.v4.sin_addr) == 1) {
        out->at.v4.sin_family = AF_INET;
        out->at.v4.sin_port = port;
    } else if (bracketed && inet_pton(AF_INET6, host, &out->at.v6.sin6_addr) == 1) {
        out->at.v6.sin6_family = AF_INET6;
        out->at.v6.sin6_port = port;
    } else {
        return refuse(error, text, "the host is a numeric IPv4 address, an IPv6 address in [ ], or localhost");
    }
    out->tls = tls || !pat_address_is_loopback(&out->at.any);
    return PAT_OK;
}

enum pat_status pat_address_allow(const struct pat_address *address, bool certificate, bool users,
                                  struct pat_error *error) {
    char text[PAT_ADDRESS_BYTES];
    (void)pat_address_format(&address->at.any, text);
    const bool loopback = pat_address_is_loopback(&address->at.any);
    if (!loopback && !(certificate && users))
        return pat_error_set(error, PAT_ERR_AUTH,
                             "%s is not a loopback address: others can reach it and hear what is said, so it is served "
                             "only with TLS and users who log in; missing: %s%s%s. Without them listen on 127.0.0.1",
                             text, certificate ? "" : "--tls-cert FILE and --tls-key FILE",
                             certificate || users ? "" : ", and ",
                             users ? "" : "--users FILE (`patron user add NAME --file FILE` makes one)");
    if (address->tls && !certificate)
        return pat_error_set(error, PAT_ERR_AUTH, PAT_ADDRESS_TLS "%s needs --tls-cert FILE and --tls-key FILE", text);
    return PAT_OK;
}

const char *pat_address_format(const struct sockaddr *address, char *out) {
    char host[INET6_ADDRSTRLEN] = "?";
    unsigned port = 0;
    bool v6 = address->sa_family == AF_INET6;
    if (v6) {
        struct sockaddr_in6 at;
        memcpy(&at, address, sizeof at);
        (void)inet_ntop(AF_INET6, &at.sin6_addr, host, sizeof host);
        port = ntohs(at.sin6_port);
    } else if (address->sa_family == AF_INET) {
        struct sockaddr_in at;
        memcpy(&at, address, sizeof at);
        (void)inet_ntop(AF_INET, &at.sin_addr, host, sizeof host);
        port = ntohs(at.sin_port);
    }
    (void)snprintf(out, PAT_ADDRESS_BYTES, v6 ? "[%s]:%u" : "%s:%u", host, port);
    return out;
}
