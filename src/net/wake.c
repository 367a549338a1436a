/* How other threads wake the loop: an eventfd of our own, that a write makes readable.
 *
 * Not uv_async_send: who calls that says first that he is at it and last that he is done, and the loop, which the write
 * in between has woken, spins until then. Where there are fewer cores than threads it has taken that caller's core, and
 * spins for 30 us before it yields. */
#include "net/net_private.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_rung(uv_poll_t *poll, int failed, int events) {
    struct pat_wake *wake = poll->data;
    uint64_t count;
    (void)failed;
    (void)events;
    (void)!read(wake->fd, &count, sizeof count);
    wake->woken_cb(wake->server);
}

enum pat_status pat_wake__open(struct pat_wake *wake, struct pat_server *server,
                               void (*woken_cb)(struct pat_server *server), struct pat_error *error) {
    wake->server = server;
    wake->woken_cb = woken_cb;
    wake->poll.data = wake;
    wake->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake->fd < 0)
        return pat_error_set(error, PAT_ERR_IO, "no descriptor for waking the loop: %s",
                             uv_strerror(uv_translate_sys_error(errno)));
    int failed = uv_poll_init(&server->loop, &wake->poll, wake->fd);
    if (failed == 0) failed = uv_poll_start(&wake->poll, UV_READABLE, on_rung);
    return failed == 0 ? PAT_OK : pat_error_set(error, PAT_ERR_IO, "the loop cannot be woken: %s", uv_strerror(failed));
}

void pat_wake__ring(struct pat_wake *wake) {
    const uint64_t one = 1;
    (void)!write(wake->fd, &one, sizeof one); /* fails only when it is rung 2^64 times already */
}

void pat_wake__close(struct pat_wake *wake) {
    if (wake->fd >= 0) (void)close(wake->fd);
    wake->fd = -1;
}
