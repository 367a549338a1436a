/* Says to systemd (Type=notify) where the server is in its life: one datagram to the socket that NOTIFY_SOCKET names.
 * Without one nothing happens. */
#ifndef PAT_NET_NOTIFY_H
#define PAT_NET_NOTIFY_H

/* "READY=1", "STOPPING=1", "RELOADING=1", each with a `status` for people, which may be NULL. */
void pat_notify(const char *state, const char *status);

#endif
