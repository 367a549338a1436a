#include "client/client.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "client/client_private.h"
#include "model/limits.h"
#include "proto/wire.h"

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

#define DEFAULT_HOST "127.0.0.1"
#define DEFAULT_PORT "7411"
/* To connect, and for the answer to hello: a port where something else listens is noticed. */
#define CONNECT_MS 5000
#define FOREVER    UINT64_MAX
/* Read at once: big enough that a large answer needs few calls. */
#define READ_BYTES ((size_t)256 << 10)
/* Answers may be larger than requests; the objects keep msgpack-c's 24 bytes each within what it can count. */
#define ANSWER_BYTES_MAX   ((size_t)1 << 30)
#define ANSWER_OBJECTS_MAX ((size_t)64 << 20)

struct pat_client {
    int fd; /* never blocks; poll waits */
    uint32_t msgid_next;
    unsigned in_flight;
    bool broken;        /* a send or read failed half way: where the next message starts is unknown */
    bool ended;         /* the server has closed its side */
    char address[256];  /* for messages */
    struct pat_buf out; /* the request being sent */
    struct pat_buf in;  /* received; the first `in_done` bytes have been handed out */
    size_t in_done;
    struct pat_scan scan; /* of the message at in_done */
};

static const struct pat_scan_limits answer_limits = {ANSWER_BYTES_MAX, ANSWER_OBJECTS_MAX, PAT_FRAME_DEPTH_MAX};

/* ---- connecting ------------------------------------------------------------------------------------------------- */

static uint64_t now_ms(void) {
    return pat_clock_monotonic_ns() / 1000000u;
}

/* Milliseconds for poll until `deadline`; -1 for FOREVER, 0 when it has passed. */
static int poll_ms(uint64_t deadline) {
    if (deadline == FOREVER) return -1;
    uint64_t now = now_ms();
    return now >= deadline ? 0 : (int)(deadline - now);
}

/* Gives what poll saw, 0 when the deadline passed, negative on failure. */
static int wait_for(int fd, short events, uint64_t deadline) {
    struct pollfd entry = {.fd = fd, .events = events};
    int ready;
    do {
        ready = poll(&entry, 1, poll_ms(deadline));
    } while (ready < 0 && errno == EINTR);
    return ready <= 0 ? ready : entry.revents;
}

/* 0, or the errno of the failure; the fd is closed then. */
static int connect_fd(int fd, const struct sockaddr *address, socklen_t length) {
    int failure = connect(fd, address, length) == 0 ? 0 : errno;
    if (failure == EINPROGRESS) {
        socklen_t size = sizeof failure;
        int ready = wait_for(fd, POLLOUT, now_ms() + CONNECT_MS);
        if (ready == 0) failure = ETIMEDOUT;
        if (ready < 0) failure = errno;
        if (ready > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) != 0) failure = errno;
    }
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
    if (length == 0) (void)snprintf(host, host_bytes, "%s", DEFAULT_HOST);
    return true;
}

static enum pat_status connect_tcp(int *fd, const char *address, struct pat_error *error) {
    char host[256];
    const char *port;
    if (!address_split(address, host, sizeof host, &port) || !is_port(port))
        return pat_error_set(error, PAT_ERR_BAD_REQUEST,
                             "\"%s\" is no address; expected HOST:PORT, [IPV6]:PORT or a path (with a '/')", address);
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

/* ---- bytes ------------------------------------------------------------------------------------------------------ */

static enum pat_status lost(struct pat_client *client, const char *why, struct pat_error *error) {
    client->broken = true;
    return pat_error_set(error, PAT_ERR_IO, "the connection to %s is lost: %s", client->address, why);
}

/* Makes room to read: bytes that were handed out go first, once they are most of the buffer, so that each byte moves
 * a bounded number of times. */
static enum pat_status in_reserve(struct pat_client *client) {
    if (client->in_done > client->in.length / 2) {
        pat_buf_consume(&client->in, client->in_done);
        client->in_done = 0;
    }
    return pat_buf_reserve(&client->in, READ_BYTES);
}

/* Reads what has come, without waiting. */
static enum pat_status read_some(struct pat_client *client, struct pat_error *error) {
    if (in_reserve(client) != PAT_OK) {
        client->broken = true;
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for the answers of %s", client->address);
    }
    ssize_t got = recv(client->fd, client->in.data + client->in.length, client->in.capacity - client->in.length, 0);
    if (got > 0) client->in.length += (size_t)got;
    if (got == 0) client->ended = true;
    if (got >= 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return PAT_OK;
    if (errno != ECONNRESET) return lost(client, strerror(errno), error);
    client->ended = true; /* what came before the reset is still good, and may say why */
    return PAT_OK;
}

/* The server has closed its side. It may have said why before: that is read, the request counts as sent, and receiving
 * gives the reason or, when there is none, that the connection is lost. */
static enum pat_status read_last_words(struct pat_client *client, struct pat_error *error) {
    while (!client->ended) {
        int seen = wait_for(client->fd, POLLIN, now_ms());
        if (seen <= 0)
            client->ended = true;
        else
            PAT_TRY(read_some(client, error));
    }
    return PAT_OK;
}

/* Writes all of `out`. While the server does not take it, its answers are read, so that two full buffers cannot wait
 * for each other for ever. */
static enum pat_status write_all(struct pat_client *client, struct pat_error *error) {
    size_t sent = 0;
    while (sent < client->out.length) {
        ssize_t put = send(client->fd, client->out.data + sent, client->out.length - sent, MSG_NOSIGNAL);
        if (put >= 0) {
            sent += (size_t)put;
            continue;
        }
        if (errno == EINTR) continue;
        if (errno == EPIPE || errno == ECONNRESET) return read_last_words(client, error);
        if (errno != EAGAIN && errno != EWOULDBLOCK) return lost(client, strerror(errno), error);
        /* An ended stream stays readable for ever: it is no longer asked for. */
        int seen = wait_for(client->fd, client->ended ? POLLOUT : POLLIN | POLLOUT, FOREVER);
        if (seen < 0) return lost(client, strerror(errno), error);
        if ((seen & POLLIN) != 0 && !client->ended) PAT_TRY(read_some(client, error));
    }
    return PAT_OK;
}

/* ---- messages --------------------------------------------------------------------------------------------------- */

static enum pat_status message_wait(struct pat_client *client, size_t *frame_bytes, uint64_t deadline,
                                    struct pat_error *error) {
    for (;;) {
        enum pat_status status = pat_scan_run(&client->scan, client->in.data + client->in_done,
                                              client->in.length - client->in_done, frame_bytes, error);
        if (status != PAT_ERR_MORE) {
            if (status != PAT_OK) client->broken = true;
            return status;
        }
        if (client->ended) return lost(client, "the server closed it", error);
        int seen = wait_for(client->fd, POLLIN, deadline);
        if (seen < 0) return lost(client, strerror(errno), error);
        if (seen == 0) return lost(client, "no answer to hello; is that a Patron server?", error);
        PAT_TRY(read_some(client, error));
    }
}

/* The next message, whole and in the arena: what is decoded of it borrows from there. */
static enum pat_status message_take(struct pat_client *client, struct pat_message *message, struct pat_arena *arena,
                                    uint64_t deadline, struct pat_error *error) {
    size_t frame_bytes = 0;
    PAT_TRY(message_wait(client, &frame_bytes, deadline, error));
    unsigned char *frame = pat_arena_alloc(arena, frame_bytes);
    if (frame == NULL)
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for an answer of %zu bytes", frame_bytes);
    memcpy(frame, client->in.data + client->in_done, frame_bytes);
    client->in_done += frame_bytes;
    pat_scan_init(&client->scan, answer_limits);
    return pat_wire_decode(message, frame, frame_bytes, arena, error);
}

static void copy_text(char *out, size_t capacity, struct pat_text text) {
    if (text.length >= capacity) text.length = capacity - 1;
    if (text.length > 0) memcpy(out, text.data, text.length);
    out[text.length] = '\0';
}

static void copy_member(char *out, size_t capacity, const struct pat_value *map, const char *key) {
    const struct pat_value *value = pat_value_get(map, key);
    if (value != NULL && value->type == PAT_VALUE_TEXT) copy_text(out, capacity, pat_value_as_text(value));
}

static int64_t number_member(const struct pat_value *map, const char *key) {
    const struct pat_value *value = pat_value_get(map, key);
    return value != NULL && value->type == PAT_VALUE_INT ? value->as.integer : -1;
}

/* Codes that say "the same again may work later": known here for servers that answer with strings. */
static bool code_retryable(const char *code) {
    static const char *const codes[] = {"BUSY", "READONLY", "NO_MEMORY", "NO_SPACE"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(code, codes[i]) == 0) return true;
    }
    return false;
}

/* "CODE: text"; a string that does not start with a code is all text. */
static void fault_from_string(struct pat_client_fault *fault, struct pat_text text) {
    size_t length = 0;
    while (length < text.length && ((text.data[length] >= 'A' && text.data[length] <= 'Z') || text.data[length] == '_'))
        length++;
    bool coded = length > 0 && length < sizeof fault->code && length + 1 < text.length && text.data[length] == ':' &&
                 text.data[length + 1] == ' ';
    if (coded) {
        copy_text(fault->code, sizeof fault->code, (struct pat_text){text.data, length});
        text = (struct pat_text){text.data + length + 2, text.length - length - 2};
    }
    copy_text(fault->message, sizeof fault->message, text);
    fault->retryable = code_retryable(fault->code);
}

static void fault_read(struct pat_client_fault *fault, const struct pat_value *answer) {
    *fault = (struct pat_client_fault){.code = "INTERNAL", .row = -1, .offset = -1};
    if (answer->type == PAT_VALUE_TEXT) {
        fault_from_string(fault, pat_value_as_text(answer));
        return;
    }
    if (answer->type != PAT_VALUE_MAP) {
        (void)snprintf(fault->message, sizeof fault->message, "the server's error is %s", pat_value_type_name(answer));
        return;
    }
    copy_member(fault->code, sizeof fault->code, answer, "code");
    copy_member(fault->message, sizeof fault->message, answer, "message");
    copy_member(fault->field, sizeof fault->field, answer, "field");
    fault->row = number_member(answer, "row");
    fault->offset = number_member(answer, "offset");
    const struct pat_value *retryable = pat_value_get(answer, "retryable");
    fault->retryable = retryable != NULL && retryable->type == PAT_VALUE_BOOL && retryable->as.boolean;
}

static enum pat_status receive(struct pat_client *client, uint32_t *msgid, struct pat_arena *arena,
                               struct pat_value *result, bool *failed, struct pat_client_fault *fault,
                               uint64_t deadline, struct pat_error *error) {
    if (client->broken) return lost(client, "an earlier message failed; open it anew", error);
    struct pat_message message;
    do { /* notifications of the server are for those who subscribe */
        PAT_TRY(message_take(client, &message, arena, deadline, error));
    } while (message.kind == PAT_MESSAGE_NOTIFY);
    if (message.kind != PAT_MESSAGE_RESPONSE) {
        client->broken = true;
        return pat_error_set(error, PAT_ERR_PROTO, "%s sent a request; servers answer", client->address);
    }
    if (client->in_flight > 0) client->in_flight--;
    *msgid = message.msgid;
    *failed = message.error.type != PAT_VALUE_NIL;
    if (*failed) fault_read(fault, &message.error);
    *result = message.result;
    return PAT_OK;
}

/* Sends the whole request that stands in `out`. */
static enum pat_status send_out(struct pat_client *client, uint32_t *msgid, struct pat_error *error) {
    if (client->out.length > PAT_FRAME_BYTES_MAX)
        return pat_error_set(error, PAT_ERR_TOO_LARGE, "a request of %zu bytes; the server takes %u: send it in parts",
                             client->out.length, PAT_FRAME_BYTES_MAX);
    PAT_TRY(write_all(client, error));
    *msgid = client->msgid_next++;
    client->in_flight++;
    return PAT_OK;
}

static enum pat_status out_begin(struct pat_client *client, const char *method, const struct pat_value *params,
                                 struct pat_error *error) {
    if (client->broken) return lost(client, "an earlier message failed; open it anew", error);
    if (client->ended) return lost(client, "the server closed it", error);
    pat_buf_clear(&client->out);
    if (pat_wire_request(&client->out, client->msgid_next, method, params) == PAT_OK) return PAT_OK;
    return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to send %s", method);
}

/* ---- doors ------------------------------------------------------------------------------------------------------ */

enum pat_status pat_client_send(struct pat_client *client, const char *method, const struct pat_value *params,
                                uint32_t *msgid, struct pat_error *error) {
    PAT_TRY(out_begin(client, method, params, error));
    return send_out(client, msgid, error);
}

enum pat_status pat_client__send_packed(struct pat_client *client, const char *method, const void *params, size_t bytes,
                                        uint32_t *msgid, struct pat_error *error) {
    PAT_TRY(out_begin(client, method, NULL, error));
    /* The frame ends with the empty array of params; it becomes the array of one. */
    size_t head_bytes = client->out.length;
    client->out.data[head_bytes - 1] = 0x91;
    if (pat_buf_append(&client->out, params, bytes) != PAT_OK)
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to send %s", method);
    struct pat_scan scan;
    pat_scan_init(&scan, (struct pat_scan_limits){PAT_FRAME_BYTES_MAX, PAT_FRAME_OBJECTS_MAX, PAT_FRAME_DEPTH_MAX});
    size_t frame_bytes = 0;
    enum pat_status status = pat_scan_run(&scan, client->out.data, client->out.length, &frame_bytes, error);
    if (status == PAT_OK && frame_bytes == client->out.length) return send_out(client, msgid, error);
    if (status == PAT_OK || status == PAT_ERR_MORE)
        return pat_error_set_at(error, PAT_ERR_BAD_REQUEST, NULL, -1,
                                status == PAT_OK ? (int64_t)(frame_bytes - head_bytes) : -1,
                                "params are not one whole MessagePack value");
    /* The caller's mistake, not the connection's. */
    if (status == PAT_ERR_PROTO) status = PAT_ERR_BAD_REQUEST;
    if (error == NULL) return status;
    error->status = status;
    if (error->offset >= (int64_t)head_bytes) error->offset -= (int64_t)head_bytes;
    return status;
}

enum pat_status pat_client_receive(struct pat_client *client, uint32_t *msgid, struct pat_arena *arena,
                                   struct pat_value *result, bool *failed, struct pat_client_fault *fault,
                                   struct pat_error *error) {
    return receive(client, msgid, arena, result, failed, fault, FOREVER, error);
}

static enum pat_status call(struct pat_client *client, const char *method, const struct pat_value *params,
                            struct pat_arena *arena, struct pat_value *result, bool *failed,
                            struct pat_client_fault *fault, uint64_t deadline, struct pat_error *error) {
    if (client->in_flight > 0)
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "%u answers are still to be received before %s can be called",
                             client->in_flight, method);
    uint32_t sent, answered;
    PAT_TRY(pat_client_send(client, method, params, &sent, error));
    PAT_TRY(receive(client, &answered, arena, result, failed, fault, deadline, error));
    /* A refusal that is not about a request (too many connections, a frame it cannot read) carries another id. */
    if (answered == sent || *failed) return PAT_OK;
    client->broken = true;
    return pat_error_set(error, PAT_ERR_PROTO, "%s answered request %u instead of %u", client->address, answered, sent);
}

enum pat_status pat_client_call(struct pat_client *client, const char *method, const struct pat_value *params,
                                struct pat_arena *arena, struct pat_value *result, bool *failed,
                                struct pat_client_fault *fault, struct pat_error *error) {
    return call(client, method, params, arena, result, failed, fault, FOREVER, error);
}

bool pat_client_wait(const struct pat_client *client, int wake_fd) {
    if (client->broken || client->ended || client->in.length > client->in_done) return true;
    struct pollfd entries[] = {{.fd = client->fd, .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};
    int ready;
    do {
        ready = poll(entries, 2, -1);
    } while (ready < 0 && errno == EINTR);
    return ready < 0 || entries[0].revents != 0;
}

unsigned pat_client_in_flight(const struct pat_client *client) {
    return client->in_flight;
}

static enum pat_status say_hello(struct pat_client *client, struct pat_error *error) {
    struct pat_member members[] = {
        {PAT_TEXT("client"), pat_value_string("libpatron " PATRON_VERSION)},
        {PAT_TEXT("errors"), pat_value_string("map")},
    };
    struct pat_value params = {.type = PAT_VALUE_MAP, .count = 2, .as.members = members};
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_value result;
    struct pat_client_fault fault;
    bool failed = false;
    enum pat_status status =
        call(client, "hello", &params, &arena, &result, &failed, &fault, now_ms() + CONNECT_MS, error);
    if (status == PAT_OK && failed)
        status = pat_error_set(error, PAT_ERR_IO, "%s refused: %s: %s", client->address, fault.code, fault.message);
    if (status == PAT_ERR_PROTO)
        (void)pat_error_set(error, status, "what answers at %s is no patrond: it does not speak MessagePack-RPC",
                            client->address);
    pat_arena_deinit(&arena);
    return status;
}

enum pat_status pat_client_open(struct pat_client **out, const char *address, struct pat_error *error) {
    *out = NULL;
    if (address == NULL) address = DEFAULT_HOST ":" DEFAULT_PORT;
    int fd;
    PAT_TRY(strchr(address, '/') != NULL ? connect_unix(&fd, address, error) : connect_tcp(&fd, address, error));
    struct pat_client *client = pat_mem_alloc(PAT_MEM_NET, sizeof *client);
    if (client == NULL) {
        (void)close(fd);
        return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to connect");
    }
    client->fd = fd;
    client->msgid_next = 1;
    (void)snprintf(client->address, sizeof client->address, "%s", address);
    pat_buf_init(&client->out, PAT_MEM_NET);
    pat_buf_init(&client->in, PAT_MEM_NET);
    pat_scan_init(&client->scan, answer_limits);
    enum pat_status status = in_reserve(client);
    if (status != PAT_OK) (void)pat_error_set(error, status, "no memory to connect");
    if (status == PAT_OK) status = say_hello(client, error);
    if (status != PAT_OK) {
        pat_client_close(&client);
        return status;
    }
    *out = client;
    return PAT_OK;
}

void pat_client_close(struct pat_client **client) {
    if (*client == NULL) return;
    (void)close((*client)->fd);
    pat_buf_deinit(&(*client)->out);
    pat_buf_deinit(&(*client)->in);
    pat_mem_free(PAT_MEM_NET, *client);
    *client = NULL;
}
