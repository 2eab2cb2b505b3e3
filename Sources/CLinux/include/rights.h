// Descriptors that lie beside the bytes of a Unix socket, before anybody has received them.
#pragma once
#include <stddef.h>
#include <sys/types.h>

/// Whether descriptors may be sent to a socket, and to those accepted from it: EPERM for whoever
/// tries if not. SO_PASSRIGHTS, since Linux 6.16; -1 on older ones, where they always may.
int ring3_pass_descriptors(int socket, int may);

/// What a receive of so many bytes would bring, without taking anything: how many bytes, and
/// whether descriptors lie beside them, which are not touched. recvmsg(2), MSG_PEEK; -1 and errno.
ssize_t ring3_peek_for_descriptors(int socket, void *bytes, size_t byte_capacity, int *has_some);

/// FIONREAD; -1 on failure.
int ring3_unread_bytes(int socket);
