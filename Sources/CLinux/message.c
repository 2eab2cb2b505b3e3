// Packets with descriptors beside them, over Unix sockets.
#define _GNU_SOURCE
#include "message.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define CONTROL_BYTES CMSG_SPACE(sizeof(int) * RING3_MESSAGE_DESCRIPTORS_MAX)

ssize_t ring3_message_send(
    int socket, const void *bytes, size_t byte_count, const int *descriptors,
    size_t descriptor_count) {
  if (descriptor_count > RING3_MESSAGE_DESCRIPTORS_MAX) {
    errno = EINVAL;
    return -1;
  }
  struct iovec part = {(void *)bytes, byte_count};
  _Alignas(struct cmsghdr) char control[CONTROL_BYTES];
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (descriptor_count > 0) {
    size_t size = sizeof(int) * descriptor_count;
    memset(control, 0, CMSG_SPACE(size));
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(size);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), descriptors, size);
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t receive(
    int socket, void *bytes, size_t byte_capacity, int *descriptors, size_t *descriptor_count,
    int *flags, int how) {
  struct iovec part = {bytes, byte_capacity};
  _Alignas(struct cmsghdr) char control[CONTROL_BYTES];
  struct msghdr message = {
      .msg_iov = &part,
      .msg_iovlen = 1,
      .msg_control = control,
      .msg_controllen = sizeof control,
  };
  *descriptor_count = 0;
  *flags = 0;
  ssize_t count = recvmsg(socket, &message, how | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (count < 0) return -1;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t arrived = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(descriptors + *descriptor_count, CMSG_DATA(header), arrived * sizeof(int));
    *descriptor_count += arrived;
  }
  if (message.msg_flags & MSG_TRUNC) *flags |= 1;
  if (message.msg_flags & MSG_CTRUNC) *flags |= 2;
  return count;
}

ssize_t ring3_message_receive(
    int socket, void *bytes, size_t byte_capacity, int *descriptors, size_t *descriptor_count,
    int *flags) {
  return receive(socket, bytes, byte_capacity, descriptors, descriptor_count, flags, 0);
}

ssize_t ring3_message_peek(
    int socket, void *bytes, size_t byte_capacity, int *descriptors, size_t *descriptor_count,
    int *flags) {
  return receive(socket, bytes, byte_capacity, descriptors, descriptor_count, flags, MSG_PEEK);
}
