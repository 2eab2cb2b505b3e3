// Descriptors that lie beside the bytes of a Unix socket, before anybody has received them.
#define _GNU_SOURCE
#include "rights.h"
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

// Newer than the headers: asm-generic/socket.h of Linux 6.16.
enum { PASS_RIGHTS = 83 };

int ring3_pass_descriptors(int socket, int may) {
  return setsockopt(socket, SOL_SOCKET, PASS_RIGHTS, &may, sizeof may);
}

ssize_t ring3_peek_for_descriptors(int socket, void *bytes, size_t byte_capacity, int *has_some) {
  struct iovec part = {bytes, byte_capacity};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  ssize_t count = recvmsg(socket, &message, MSG_PEEK | MSG_DONTWAIT);
  *has_some = count >= 0 && (message.msg_flags & MSG_CTRUNC) != 0;
  return count;
}

int ring3_unread_bytes(int socket) {
  int count = 0;
  return ioctl(socket, FIONREAD, &count) == 0 ? count : -1;
}
