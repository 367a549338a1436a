#include "net/notify.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_BYTES 512u
#define NS_PER_US     UINT64_C(1000)

/* A path, or with '@' in front a name in the kernel's own space. */
static socklen_t address_make(const char *name, struct sockaddr_un *out) {
    const size_t length = strlen(name);
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (length < 2 || length >= sizeof out->sun_path || (name[0] != '/' && name[0] != '@')) return 0;
    memcpy(out->sun_path, name, length);
    if (name[0] == '@') out->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (name[0] == '/'));
}

void pat_notify(const char *state, const char *status) {
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    const socklen_t bytes = name != NULL ? address_make(name, &address) : 0;
    if (bytes == 0) return;
    char message[MESSAGE_BYTES];
    /* Reloading is dated, so that systemd can tell which READY ends it. */
    int length = snprintf(message, sizeof message, "%s\nMONOTONIC_USEC=%" PRIu64 "\n", state,
                          pat_clock_monotonic_ns() / NS_PER_US);
    if (status != NULL) {
        length += snprintf(message + length, sizeof message - (size_t)length, "STATUS=%.200s\n", status);
    }
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const ssize_t sent =
        fd >= 0 ? sendto(fd, message, (size_t)length, MSG_NOSIGNAL, (struct sockaddr *)&address, bytes) : -1;
    if (sent < 0) pat_log(PAT_LOG_WARN, "notify-failed", "state=%s reason=\"%s\"", state, strerror(errno));
    if (fd >= 0) (void)close(fd);
}
