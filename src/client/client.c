#include "client/client.h"

#include "base/mem.h"
#include "client/client_private.h"
#include "model/limits.h"
#include "proto/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* In front of an address that speaks TLS. */
#define TLS_PREFIX "tls://"
/* Answers may be larger than requests; the objects, 16 bytes each, take as much again. */
#define ANSWER_BYTES_MAX   ((size_t)1 << 30)
#define ANSWER_OBJECTS_MAX ((size_t)64 << 20)

static const struct pat_scan_limits answer_limits = {ANSWER_BYTES_MAX, ANSWER_OBJECTS_MAX, PAT_FRAME_DEPTH_MAX};

/* ---- messages --------------------------------------------------------------------------------------------------- */

/* Requests that wait for others go out when so many bytes of them are there: a few dozen small ones. */
#define QUEUED_BYTES ((size_t)32 << 10)

static enum pat_status send_queued(struct pat_client *client, struct pat_error *error) {
    if (client->queued == 0) return PAT_OK;
    const enum pat_status status = pat_client__write(client, error);
    client->queued = 0;
    pat_buf_clear(&client->out);
    return status;
}

static enum pat_status message_wait(struct pat_client *client, size_t *frame_bytes, uint64_t deadline,
                                    struct pat_error *error) {
    for (;;) {
        enum pat_status status = pat_scan_run(&client->scan, client->in.data + client->in_done,
                                              client->in.length - client->in_done, frame_bytes, error);
        if (status != PAT_ERR_MORE) {
            if (status != PAT_OK) client->broken = true;
            return status;
        }
        if (client->ended) return pat_client__lost(client, "the server closed it", error);
        PAT_TRY(send_queued(client, error));
        if (deadline == PAT_CLIENT_FOREVER) {
            /* One system call instead of two: of a round trip of small messages they are most. */
            PAT_TRY(pat_client__read(client, true, error));
            continue;
        }
        int seen = pat_client__wait(client->fd, POLLIN, deadline);
        if (seen < 0) return pat_client__lost(client, strerror(errno), error);
        if (seen == 0) return pat_client__lost(client, "no answer to hello; is that a Patron server?", error);
        PAT_TRY(pat_client__read(client, false, error));
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
    if (client->broken) return pat_client__lost(client, "an earlier message failed; open it anew", error);
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

/* Counts the request that stands in `out` behind those that are queued. */
static enum pat_status out_end(struct pat_client *client, uint32_t *msgid, struct pat_error *error) {
    const size_t bytes = client->out.length - client->queued;
    if (bytes > PAT_FRAME_BYTES_MAX) {
        client->out.length = client->queued;
        return pat_error_set(error, PAT_ERR_TOO_LARGE, "a request of %zu bytes; the server takes %u: send it in parts",
                             bytes, PAT_FRAME_BYTES_MAX);
    }
    *msgid = client->msgid_next++;
    client->in_flight++;
    client->queued = client->out.length;
    return PAT_OK;
}

static enum pat_status out_begin(struct pat_client *client, const char *method, const struct pat_value *params,
                                 struct pat_error *error) {
    if (client->broken) return pat_client__lost(client, "an earlier message failed; open it anew", error);
    if (client->ended) return pat_client__lost(client, "the server closed it", error);
    client->out.length = client->queued;
    if (pat_wire_request(&client->out, client->msgid_next, method, params) == PAT_OK) return PAT_OK;
    client->out.length = client->queued;
    return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory to send %s", method);
}

/* ---- doors ------------------------------------------------------------------------------------------------------ */

enum pat_status pat_client_send(struct pat_client *client, const char *method, const struct pat_value *params,
                                uint32_t *msgid, struct pat_error *error) {
    PAT_TRY(pat_client_queue(client, method, params, msgid, error));
    return send_queued(client, error);
}

enum pat_status pat_client_queue(struct pat_client *client, const char *method, const struct pat_value *params,
                                 uint32_t *msgid, struct pat_error *error) {
    PAT_TRY(out_begin(client, method, params, error));
    PAT_TRY(out_end(client, msgid, error));
    return client->queued >= QUEUED_BYTES ? send_queued(client, error) : PAT_OK;
}

enum pat_status pat_client__send_packed(struct pat_client *client, const char *method, const void *params, size_t bytes,
                                        uint32_t *msgid, struct pat_error *error) {
    PAT_TRY(send_queued(client, error));
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
    if (status == PAT_OK && frame_bytes == client->out.length) {
        PAT_TRY(out_end(client, msgid, error));
        return send_queued(client, error);
    }
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
    return receive(client, msgid, arena, result, failed, fault, PAT_CLIENT_FOREVER, error);
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
    return call(client, method, params, arena, result, failed, fault, PAT_CLIENT_FOREVER, error);
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
    enum pat_status status = call(client, "hello", &params, &arena, &result, &failed, &fault,
                                  pat_client__now_ms() + PAT_CLIENT_CONNECT_MS, error);
    if (status == PAT_OK && failed)
        status = pat_error_set(error, PAT_ERR_IO, "%s refused: %s: %s", client->address, fault.code, fault.message);
    if (status == PAT_ERR_PROTO)
        (void)pat_error_set(error, status, "what answers at %s is no patrond: it does not speak MessagePack-RPC",
                            client->address);
    pat_arena_deinit(&arena);
    return status;
}

/* A connected client that has said nothing yet. */
static enum pat_status client_new(struct pat_client **out, const char *address, char host[PAT_CLIENT_HOST_BYTES],
                                  struct pat_error *error) {
    int fd;
    PAT_TRY(pat_client__connect(&fd, host, address, error));
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
    pat_buf_init(&client->wire, PAT_MEM_NET);
    pat_scan_init(&client->scan, answer_limits);
    *out = client;
    return PAT_OK;
}

/* `terms` NULL: in the clear. `name` NULL: the host of the address. */
static enum pat_status client_begin(struct pat_client **out, const char *address, const struct pat_tls_terms *terms,
                                    const char *name, struct pat_error *error) {
    char host[PAT_CLIENT_HOST_BYTES];
    struct pat_client *client;
    PAT_TRY(client_new(&client, address, host, error));
    enum pat_status status = pat_client__reserve(client);
    if (status != PAT_OK) (void)pat_error_set(error, status, "no memory to connect");
    if (status == PAT_OK && terms != NULL)
        status = pat_client__secure(client, terms, name != NULL ? name : host, error);
    if (status == PAT_OK) status = say_hello(client, error);
    if (status != PAT_OK) {
        pat_client_close(&client);
        return status;
    }
    *out = client;
    return PAT_OK;
}

enum pat_status pat_client_open_tls(struct pat_client **out, const char *address, const struct pat_client_tls *tls,
                                    struct pat_error *error) {
    *out = NULL;
    if (address == NULL) address = PAT_CLIENT_HOST;
    const bool prefixed = strncmp(address, TLS_PREFIX, strlen(TLS_PREFIX)) == 0;
    if (prefixed) address += strlen(TLS_PREFIX);
    if (!prefixed && tls == NULL) return client_begin(out, address, NULL, NULL, error);
    if (strchr(address, '/') != NULL)
        return pat_error_set(error, PAT_ERR_BAD_REQUEST, "a unix socket has no TLS, and needs none: %s", address);
    const struct pat_client_tls how = tls != NULL ? *tls : (struct pat_client_tls){.insecure = false};
    /* First what takes its time: the server does not wait long for a handshake. */
    struct pat_tls_terms *terms;
    PAT_TRY(pat_tls_terms_ask(&terms, how.ca_path, how.insecure, error));
    const enum pat_status status = client_begin(out, address, terms, how.server_name, error);
    pat_tls_terms_close(&terms);
    return status;
}

enum pat_status pat_client_open(struct pat_client **out, const char *address, struct pat_error *error) {
    return pat_client_open_tls(out, address, NULL, error);
}

void pat_client_close(struct pat_client **client) {
    if (*client == NULL) return;
    (void)close((*client)->fd);
    pat_tls_close(&(*client)->tls);
    pat_buf_deinit(&(*client)->out);
    pat_buf_deinit(&(*client)->in);
    pat_buf_deinit(&(*client)->wire);
    pat_mem_free(PAT_MEM_NET, *client);
    *client = NULL;
}
