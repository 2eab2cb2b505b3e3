// Who is at the other end of a Unix socket, and sockets with a path.
#define _GNU_SOURCE
#include "peer.h"
#include "rights.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int ring3_peer(int socket, pid_t *process, uid_t *user, gid_t *group) {
  struct ucred credentials;
  socklen_t size = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return -1;
  *process = credentials.pid;
  *user = credentials.uid;
  *group = credentials.gid;
  return 0;
}

static int fill(struct sockaddr_un *address, socklen_t *size, const char *path) {
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof address->sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, path, length);
  *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
  if (path[0] == '@') {
    address->sun_path[0] = 0;
    *size -= 1;
  }
  return 0;
}

static int make_stream(const char *path, int listening, int nonblocking, int barred) {
  struct sockaddr_un address;
  socklen_t size;
  if (fill(&address, &size, path) != 0) return -1;
  int number = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0);
  if (number < 0) return -1;
  if (barred) ring3_pass_descriptors(number, 0);
  int result = listening ? bind(number, (struct sockaddr *)&address, size)
                         : connect(number, (struct sockaddr *)&address, size);
  if (result != 0) {
    int code = errno;
    close(number);
    errno = code;
    return -1;
  }
  return number;
}

int ring3_unix_stream(const char *path, int listening, int nonblocking) {
  return make_stream(path, listening, nonblocking, 0);
}

int ring3_unix_connect_barred(const char *path) { return make_stream(path, 0, 1, 1); }

int ring3_unix_datagram(const char *path, const void *bytes, size_t count) {
  struct sockaddr_un address;
  socklen_t size;
  if (fill(&address, &size, path) != 0) return -1;
  int number = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (number < 0) return -1;
  ssize_t sent =
      sendto(number, bytes, count, MSG_NOSIGNAL, (struct sockaddr *)&address, size);
  int code = errno;
  close(number);
  errno = code;
  return sent == (ssize_t)count ? 0 : -1;
}
