// accept4 is a GNU extension, which glibc's Swift module leaves out.
#pragma once
#include <sys/socket.h>

/// accept4(2) with SOCK_NONBLOCK and SOCK_CLOEXEC.
int ring3_accept(int listener, struct sockaddr *address, socklen_t *length);
