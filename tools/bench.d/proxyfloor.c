// The floor of passing requests on: the least that a proxy in user mode can do. epoll_wait, recv
// and send towards each side; no parsing, no limits, a connection of its own to the application for
// each client, made when that comes. Usage: proxyfloor PORT ORIGIN_PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { events_max = 256, descriptors_max = 65536 };

// The other side of each connection.
static int other[descriptors_max];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static struct sockaddr_in loopback(int port) {
  return (struct sockaddr_in){
      .sin_family = AF_INET,
      .sin_port = htons((unsigned short)port),
      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
  };
}

// All of it: what is measured here always fits the socket's buffer in the end.
static int send_all(int connection, const char *bytes, size_t count) {
  while (count > 0) {
    ssize_t sent = send(connection, bytes, count, MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR && errno != EAGAIN) return -1;
    if (sent > 0) {
      bytes += sent;
      count -= (size_t)sent;
    }
  }
  return 0;
}

static void watch(int poller, int descriptor) {
  int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
  epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event);
}

int main(int count, char **words) {
  if (count != 3) {
    fprintf(stderr, "usage: proxyfloor PORT ORIGIN_PORT\n");
    return 2;
  }
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = loopback(atoi(words[1]));
  struct sockaddr_in origin = loopback(atoi(words[2]));
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) die("bind");
  if (listen(listener, 511) != 0) die("listen");

  int poller = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  struct epoll_event events[events_max];
  static char bytes[65536];
  for (;;) {
    int ready = epoll_wait(poller, events, events_max, -1);
    for (int i = 0; i < ready; i++) {
      int from = events[i].data.fd;
      if (from == listener) {
        int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (client < 0) continue;
        int member = socket(AF_INET, SOCK_STREAM, 0);
        if (member < 0 || client >= descriptors_max || member >= descriptors_max) die("accept");
        if (connect(member, (struct sockaddr *)&origin, sizeof origin) != 0) die("connect");
        other[client] = member;
        other[member] = client;
        watch(poller, client);
        watch(poller, member);
        continue;
      }
      // Closed earlier in this batch.
      if (other[from] == 0) continue;
      ssize_t received = recv(from, bytes, sizeof bytes, MSG_DONTWAIT);
      if (received < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (received <= 0 || send_all(other[from], bytes, (size_t)received) != 0) {
        int to = other[from];
        other[from] = 0;
        other[to] = 0;
        close(to);
        close(from);
      }
    }
  }
}
