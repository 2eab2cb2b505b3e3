// landlock(7). The header of older systems lacks what newer kernels know: all is named here.
#define _GNU_SOURCE
#include "landlock.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

// The same numbers on every architecture.
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 };
enum { CREATE_RULESET_VERSION = 1 };
enum { RULE_PATH_BENEATH = 1, RULE_NET_PORT = 2 };

// Rights over files, one bit each, in the order in which versions brought them.
static const uint64_t READ_FILE = 1 << 2, READ_DIR = 1 << 3;
static const uint64_t FILES_1 = (1 << 13) - 1;
static const uint64_t REFER_2 = 1 << 13, TRUNCATE_3 = 1 << 14, DEVICE_5 = 1 << 15;
static const uint64_t BIND_TCP = 1 << 0, CONNECT_TCP = 1 << 1;
static const uint64_t SCOPE_ABSTRACT_SOCKET = 1 << 0, SCOPE_SIGNAL = 1 << 1;

struct ruleset {
  uint64_t files, net, scoped;
};
struct path_beneath {
  uint64_t allowed;
  int32_t parent;
} __attribute__((packed));
struct net_port {
  uint64_t allowed, port;
};

int ring3_landlock_version(void) {
  long version = syscall(CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);
  return version < 0 ? 0 : (int)version;
}

int ring3_landlock_create(int version, int *governed) {
  struct ruleset rules;
  memset(&rules, 0, sizeof rules);
  rules.files = FILES_1;
  *governed = RING3_LANDLOCK_FILES;
  if (version >= 2) rules.files |= REFER_2;
  if (version >= 3) rules.files |= TRUNCATE_3;
  if (version >= 5) rules.files |= DEVICE_5;
  // The kernel takes the longer structure if what it does not know is zero.
  if (version >= 4) {
    rules.net = BIND_TCP | CONNECT_TCP;
    *governed |= RING3_LANDLOCK_TCP;
  }
  if (version >= 6) {
    rules.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
    *governed |= RING3_LANDLOCK_SCOPES;
  }
  return (int)syscall(CREATE_RULESET, &rules, sizeof rules, 0);
}

int ring3_landlock_allow_reading(int rules, int file, int is_directory) {
  struct path_beneath rule = {
      .allowed = is_directory ? READ_FILE | READ_DIR : READ_FILE, .parent = file};
  return (int)syscall(ADD_RULE, rules, RULE_PATH_BENEATH, &rule, 0);
}

int ring3_landlock_allow_connecting(int rules, uint16_t port) {
  struct net_port rule = {.allowed = CONNECT_TCP, .port = port};
  return (int)syscall(ADD_RULE, rules, RULE_NET_PORT, &rule, 0);
}

int ring3_landlock_enforce(int rules) { return (int)syscall(RESTRICT_SELF, rules, 0); }
