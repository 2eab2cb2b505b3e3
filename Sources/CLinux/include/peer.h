// Who is at the other end of a Unix socket, and sockets with a path.
#pragma once
#include <sys/types.h>

/// SO_PEERCRED: struct ucred is a GNU extension. -1 with errno.
int ring3_peer(int socket, pid_t *process, uid_t *user, gid_t *group);

/// A Unix stream socket bound to (`listening`) or connected with a path. `abstract` paths start
/// with '@'. struct sockaddr_un holds its path as a tuple of 108 in Swift. -1 with errno.
int ring3_unix_stream(const char *path, int listening, int nonblocking);

/// The same of a connection, non-blocking, beside whose bytes no descriptor can come, where the
/// kernel can forbid it (Linux 6.16): nobody here would take it, and whoever drops it may have to
/// wait for it.
int ring3_unix_connect_barred(const char *path);

/// A Unix datagram to a path, for a service manager's notifications. -1 with errno.
int ring3_unix_datagram(const char *path, const void *bytes, size_t count);
