// Packets with descriptors beside them, over Unix sockets.
#pragma once
#include <stddef.h>
#include <sys/types.h>

/// The most descriptors that one packet may carry: SCM_MAX_FD of the kernel.
#define RING3_MESSAGE_DESCRIPTORS_MAX 253

/// sendmsg(2) with SCM_RIGHTS. In C because the CMSG_ macros are not imported into Swift.
/// Returns the number of bytes sent or -1 with errno.
ssize_t ring3_message_send(
    int socket, const void *bytes, size_t byte_count, const int *descriptors,
    size_t descriptor_count);

/// recvmsg(2) with SCM_RIGHTS; descriptors arrive close-on-exec. In C because of CMSG_ too.
/// `descriptors` has room for RING3_MESSAGE_DESCRIPTORS_MAX. `flags` receives 1 if the packet was
/// cut, 2 if descriptors were lost (those that did arrive are returned). -1 with errno.
ssize_t ring3_message_receive(
    int socket, void *bytes, size_t byte_capacity, int *descriptors, size_t *descriptor_count,
    int *flags);

/// The same without taking anything: the descriptors are copies, as for whoever receives them
/// later.
ssize_t ring3_message_peek(
    int socket, void *bytes, size_t byte_capacity, int *descriptors, size_t *descriptor_count,
    int *flags);
