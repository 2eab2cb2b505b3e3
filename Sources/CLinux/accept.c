// accept4 is a GNU extension, which glibc's Swift module leaves out.
#define _GNU_SOURCE
#include "accept.h"

int ring3_accept(int listener, struct sockaddr *address, socklen_t *length) {
  return accept4(listener, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
