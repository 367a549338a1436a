/* An address to a connected socket. */
#include "client/client_private.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_PORT "7411"

/* ---- waiting ---------------------------------------------------------------------------------------------------- */

uint64_t pat_client__now_ms(void) {
    return pat_clock_monotonic_ns() / 1000000u;
}

/* Milliseconds for poll until `deadline`; -1 for ever, 0 when it has passed. */
static int poll_ms(uint64_t deadline) {
    if (deadline == PAT_CLIENT_FOREVER) return -1;
    uint64_t now = pat_client__now_ms();
    return now >= deadline ? 0 : (int)(deadline - now);
}

int pat_client__wait(int fd, short events, uint64_t deadline) {
    struct pollfd entry = {.fd = fd, .events = events};
    int ready;
    do {
        ready = poll(&entry, 1, poll_ms(deadline));
    } while (ready < 0 && errno == EINTR);
    return ready <= 0 ? ready : entry.revents;
}

/* ---- connecting ------------------------------------------------------------------------------------------------- */

/* 0, or the errno of the failure; the fd is closed then. */
static int connect_fd(int fd, const struct sockaddr *address, socklen_t length) {
    int failure = connect(fd, address, length) == 0 ? 0 : errno;
    if (failure == EINPROGRESS) {
        socklen_t size = sizeof failure;
        int ready = pat_client__wait(fd, POLLOUT, pat_client__now_ms() + PAT_CLIENT_CONNECT_MS);
        if (ready == 0) failure = ETIMEDOUT;
        if (ready < 0) failure = errno;
        if (ready > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) != 0) failure = errno;
    }
    /* Connecting had a time limit; from here on each call says whether it waits. */
    if (failure == 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) != 0) failure = errno;
    if (failure != 0) (void)close(fd);
    return failure;
}

static enum pat_status cannot_connect(const char *address, int failure, struct pat_error *error) {
    return pat_error_set(error, PAT_ERR_IO, "cannot connect to %s: %s (is patrond running there?)", address,
                         strerror(failure));
}

static enum pat_status connect_unix(int *fd, const char *path, struct pat_error *error) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "the path of a unix socket has at most %zu bytes: %s",
                             sizeof address.sun_path - 1, path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int failure = *fd < 0 ? errno : connect_fd(*fd, (const struct sockaddr *)&address, sizeof address);
    return failure == 0 ? PAT_OK : cannot_connect(path, failure, error);
}

static void tune_tcp(int fd) {
    int on = 1;
    /* Small requests go out at once; a server whose machine vanished is noticed. Neither is needed for correctness. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

static bool is_digits(const char *text) {
    return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* getaddrinfo takes 99999 for the port 34463. */
static bool is_port(const char *text) {
    return is_digits(text) && strlen(text) <= 5 && atoi(text) >= 1 && atoi(text) <= 65535;
}

/* Splits HOST:PORT or [V6]:PORT. An address without a port, or an empty host or port, takes the default; a number by
 * itself is a port. */
static bool address_split(const char *address, char *host, size_t host_bytes, const char **port) {
    const char *end;
    const char *start = address;
    if (is_digits(address)) {
        *port = end = address;
    } else if (*address == '[') {
        start++;
        end = strchr(address, ']');
        if (end == NULL || (end[1] != ':' && end[1] != '\0')) return false;
        *port = end[1] == ':' ? end + 2 : DEFAULT_PORT;
    } else {
        end = strrchr(address, ':');
        *port = end != NULL ? end + 1 : DEFAULT_PORT;
        if (end == NULL) end = address + strlen(address);
    }
    if (**port == '\0') *port = DEFAULT_PORT;
    size_t length = (size_t)(end - start);
    if (length >= host_bytes) return false;
    (void)snprintf(host, host_bytes, "%.*s", (int)length, start);
    if (length == 0) (void)snprintf(host, host_bytes, "%s", PAT_CLIENT_HOST);
    return true;
}

static enum pat_status connect_tcp(int *fd, char host[PAT_CLIENT_HOST_BYTES], const char *address,
                                   struct pat_error *error) {
    const char *port;
    if (!address_split(address, host, PAT_CLIENT_HOST_BYTES, &port) || !is_port(port))
        return pat_error_set(error, PAT_ERR_BAD_REQUEST,
                             "\"%s\" is no address; expected HOST:PORT, [IPV6]:PORT, tls:// and either of them, or a "
                             "path (with a '/')",
                             address);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    int failure = getaddrinfo(host, port, &hints, &list);
    if (failure != 0)
        return pat_error_set(error, PAT_ERR_IO, "cannot find %s: %s", address,
                             failure == EAI_SYSTEM ? strerror(errno) : gai_strerror(failure));
    failure = ENOENT;
    for (const struct addrinfo *entry = list; entry != NULL && failure != 0; entry = entry->ai_next) {
        *fd = socket(entry->ai_family, entry->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, entry->ai_protocol);
        failure = *fd < 0 ? errno : connect_fd(*fd, entry->ai_addr, entry->ai_addrlen);
    }
    freeaddrinfo(list);
    char shown[300];
    (void)snprintf(shown, sizeof shown, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
    if (failure != 0) return cannot_connect(shown, failure, error);
    tune_tcp(*fd);
    return PAT_OK;
}

enum pat_status pat_client__connect(int *fd, char host[PAT_CLIENT_HOST_BYTES], const char *address,
                                    struct pat_error *error) {
    host[0] = '\0';
    return strchr(address, '/') != NULL ? connect_unix(fd, address, error) : connect_tcp(fd, host, address, error);
}
