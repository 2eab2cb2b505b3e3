// The floor: the least that a server in user mode can do. epoll_wait, recv, send of a canned reply;
// no parsing, no files, no limits. Usage: floor PORT|PATH|fd BODY_BYTES (fd: it is descriptor 3)
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { events_max = 256 };

static void die(const char *what) {
  perror(what);
  exit(1);
}

// The rest of a reply that the socket did not take at once: waits for it, which is fair, because a
// reply of the sizes measured always fits the socket's buffer in the end.
static int send_all(int connection, const char *bytes, size_t count) {
  while (count > 0) {
    ssize_t sent = send(connection, bytes, count, MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) return -1;
    if (sent > 0) {
      bytes += sent;
      count -= (size_t)sent;
    }
  }
  return 0;
}

static int listen_on_path(const char *path) {
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) die("bind");
  if (listen(listener, 511) != 0) die("listen");
  return listener;
}

static int listen_on(int port) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  struct sockaddr_in address = {
      .sin_family = AF_INET,
      .sin_port = htons((unsigned short)port),
      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
  };
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) die("bind");
  if (listen(listener, 511) != 0) die("listen");
  return listener;
}

int main(int count, char **words) {
  if (count != 3) {
    fprintf(stderr, "usage: floor PORT|PATH|fd BODY_BYTES\n");
    return 2;
  }
  int listener = strcmp(words[1], "fd") == 0 ? 3
                 : words[1][0] == '/'        ? listen_on_path(words[1])
                                             : listen_on(atoi(words[1]));
  size_t body = strtoul(words[2], NULL, 10);

  char *reply = malloc(body + 512);
  if (reply == NULL) die("malloc");
  size_t head = (size_t)sprintf(
      reply,
      "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nServer: floor\r\n"
      "Content-Type: application/octet-stream\r\nContent-Length: %zu\r\n"
      "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\nETag: \"0-0\"\r\n\r\n",
      body);
  memset(reply + head, 'x', body);

  int poller = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  struct epoll_event events[events_max];
  char request[16384];
  for (;;) {
    int ready = epoll_wait(poller, events, events_max, -1);
    for (int i = 0; i < ready; i++) {
      int from = events[i].data.fd;
      if (from == listener) {
        int connection = accept4(listener, NULL, NULL, 0);
        if (connection < 0) continue;
        int on = 1;
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        event = (struct epoll_event){.events = EPOLLIN, .data.fd = connection};
        epoll_ctl(poller, EPOLL_CTL_ADD, connection, &event);
        continue;
      }
      ssize_t received = recv(from, request, sizeof request, 0);
      if (received <= 0 || send_all(from, reply, head + body) != 0) close(from);
    }
  }
}
