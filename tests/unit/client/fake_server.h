/* A server of few methods on a thread of its own, for the client's tests. It answers each request before it reads the
 * next, with blocking writes: a client that does not read while it writes would hang on it.
 *
 * echo, load.*: the argument · fail: a map error · fail.string: a string error · hold: answered behind the next request
 * · notify: a notification, then the answer · request: a request instead of an answer · wrong.id: an answer to another
 * request · garbage: no MessagePack · half: half an answer and the end · close: the end */
#ifndef PAT_TESTS_FAKE_SERVER_H
#define PAT_TESTS_FAKE_SERVER_H

#include "base/status.h"
#include "proto/wire.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct fake_server {
    int listener;
    char directory[64];  /* of the unix socket; "" for TCP */
    char address[100];   /* what to connect to */
    const char *refusal; /* answers hello with this error and closes; set before a client connects */
    pthread_t thread;
    bool holding; /* `held` is still to be answered */
    uint32_t held;
};

static void fake_write(int fd, struct pat_buf *out) {
    for (size_t sent = 0; sent < out->length;) {
        ssize_t put = send(fd, out->data + sent, out->length - sent, MSG_NOSIGNAL);
        if (put <= 0) break; /* the client went away */
        sent += (size_t)put;
    }
    pat_buf_clear(out);
}

static enum pat_status fake_error(struct pat_buf *out, uint32_t msgid, bool map) {
    struct pat_error error;
    (void)pat_error_set_at(&error, map ? PAT_ERR_BAD_REQUEST : PAT_ERR_BUSY, map ? "amount" : NULL, map ? 7 : -1, -1,
                           "no such luck: %d", 42);
    return pat_wire_error(out, msgid, &error, map);
}

static enum pat_status fake_hello(struct fake_server *server, struct pat_buf *out, uint32_t msgid, bool *live) {
    struct pat_value nothing = pat_value_nil();
    if (server->refusal == NULL) return pat_wire_result(out, msgid, &nothing);
    *live = false;
    struct pat_error error;
    (void)pat_error_set(&error, PAT_ERR_BUSY, "%s", server->refusal);
    return pat_wire_error(out, 0, &error, true); /* id 0: a server that is full has read no request */
}

/* False when the connection is to end. */
static bool fake_answer(struct fake_server *server, const struct pat_message *message, struct pat_buf *out) {
    const struct pat_value *argument = NULL;
    bool live = true;
    struct pat_value nil = pat_value_nil();
    enum pat_status status = pat_wire_argument(message, &argument, NULL);
    const struct pat_value *result = argument != NULL ? argument : &nil;
    if (pat_text_is(message->method, "hello")) {
        status = fake_hello(server, out, message->msgid, &live);
    } else if (pat_text_is(message->method, "fail") || pat_text_is(message->method, "fail.string")) {
        status = fake_error(out, message->msgid, pat_text_is(message->method, "fail"));
    } else if (pat_text_is(message->method, "hold")) {
        server->holding = true;
        server->held = message->msgid;
    } else if (pat_text_is(message->method, "request")) {
        status = pat_wire_request(out, 5, "why", NULL);
    } else if (pat_text_is(message->method, "wrong.id")) {
        status = pat_wire_result(out, message->msgid + 1000, result);
    } else if (pat_text_is(message->method, "garbage")) {
        status = pat_buf_append(out, "HTTP/1.1 400", 12);
    } else if (pat_text_is(message->method, "half")) {
        status = pat_buf_append(out, "\x94\x01\x05\xc0\xa9half", 9);
        live = false;
    } else if (pat_text_is(message->method, "close")) {
        live = false;
    } else {
        if (pat_text_is(message->method, "notify")) status = pat_buf_append(out, "\x93\x02\xa4news\x91\x01", 9);
        PAT_ASSERT(status == PAT_OK);
        status = pat_wire_result(out, message->msgid, result);
        if (status == PAT_OK && server->holding) status = pat_wire_result(out, server->held, &nil);
        server->holding = false;
    }
    PAT_ASSERT(status == PAT_OK);
    return live;
}

static bool fake_serve_frame(struct fake_server *server, int fd, const unsigned char *frame, size_t bytes) {
    struct pat_arena arena;
    pat_arena_init(&arena, 0);
    struct pat_buf out;
    pat_buf_init(&out, PAT_MEM_OTHER);
    struct pat_message message;
    struct pat_error error;
    enum pat_status status = pat_wire_decode(&message, frame, bytes, &arena, &error);
    PAT_ASSERT(status == PAT_OK);
    bool live = fake_answer(server, &message, &out);
    fake_write(fd, &out);
    pat_buf_deinit(&out);
    pat_arena_deinit(&arena);
    return live;
}

static void fake_serve(struct fake_server *server, int fd) {
    static const struct pat_scan_limits limits = {PAT_FRAME_BYTES_MAX, PAT_FRAME_OBJECTS_MAX, PAT_FRAME_DEPTH_MAX};
    struct pat_buf in;
    pat_buf_init(&in, PAT_MEM_OTHER);
    struct pat_scan scan;
    pat_scan_init(&scan, limits);
    for (bool live = true; live;) {
        enum pat_status status = pat_buf_reserve(&in, 65536);
        PAT_ASSERT(status == PAT_OK);
        ssize_t got = recv(fd, in.data + in.length, 65536, 0);
        if (got <= 0) break;
        in.length += (size_t)got;
        size_t bytes = 0;
        struct pat_error error;
        while (live && (status = pat_scan_run(&scan, in.data, in.length, &bytes, &error)) == PAT_OK) {
            live = fake_serve_frame(server, fd, in.data, bytes);
            pat_buf_consume(&in, bytes);
            pat_scan_init(&scan, limits);
        }
        PAT_ASSERT(!live || status == PAT_ERR_MORE);
    }
    pat_buf_deinit(&in);
    (void)close(fd);
}

static void *fake_main(void *context) {
    struct fake_server *server = context;
    for (;;) {
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0) return NULL;
        fake_serve(server, fd);
    }
}

static void fake_listen_unix(struct fake_server *server) {
    (void)snprintf(server->directory, sizeof server->directory, "/tmp/patron-test-XXXXXX");
    PAT_ASSERT(mkdtemp(server->directory) != NULL);
    (void)snprintf(server->address, sizeof server->address, "%s/socket", server->directory);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", server->address);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    PAT_ASSERT(bind(server->listener, (const struct sockaddr *)&address, sizeof address) == 0);
}

static void fake_listen_tcp(struct fake_server *server) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    server->directory[0] = '\0';
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    PAT_ASSERT(bind(server->listener, (const struct sockaddr *)&address, length) == 0);
    PAT_ASSERT(getsockname(server->listener, (struct sockaddr *)&address, &length) == 0);
    (void)snprintf(server->address, sizeof server->address, "127.0.0.1:%u", ntohs(address.sin_port));
}

/* Listens on a unix socket in a new directory or on a free port of 127.0.0.1. */
static void fake_server_listen(struct fake_server *server, bool tcp) {
    *server = (struct fake_server){.refusal = NULL};
    if (tcp) {
        fake_listen_tcp(server);
    } else {
        fake_listen_unix(server);
    }
    PAT_ASSERT(listen(server->listener, 8) == 0);
}

static void fake_server_close(struct fake_server *server) {
    (void)close(server->listener);
    if (server->directory[0] == '\0') return;
    (void)unlink(server->address);
    (void)rmdir(server->directory);
}

/* Serves one client after another. */
static void fake_server_start(struct fake_server *server, bool tcp, const char *refusal) {
    fake_server_listen(server, tcp);
    server->refusal = refusal;
    PAT_ASSERT(pthread_create(&server->thread, NULL, fake_main, server) == 0);
}

/* The last client must have been closed. */
static void fake_server_stop(struct fake_server *server) {
    (void)shutdown(server->listener, SHUT_RDWR); /* wakes accept */
    (void)pthread_join(server->thread, NULL);
    fake_server_close(server);
}

#endif
