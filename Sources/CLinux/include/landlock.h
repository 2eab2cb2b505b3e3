// landlock(7): three system calls without wrappers, and structures that grow with each version.
#pragma once
#include <stdint.h>

/// What a rule set governs beside files.
enum {
  RING3_LANDLOCK_FILES = 1,
  /// No TCP port may be bound; none connected to but those of rules (version 4).
  RING3_LANDLOCK_TCP = 2,
  /// No signal to a process outside, no abstract Unix socket of one (version 6).
  RING3_LANDLOCK_SCOPES = 4,
};

/// The version of Landlock's interface that the kernel has; 0: none.
int ring3_landlock_version(void);

/// A rule set of that version that forbids everything: its descriptor, close-on-exec, or -1 with
/// errno. `governed` is set to RING3_LANDLOCK_….
int ring3_landlock_create(int version, int *governed);

/// Lets files beneath an open directory be read and directories listed, or an open file be read.
/// -1 with errno.
int ring3_landlock_allow_reading(int rules, int file, int is_directory);

/// Lets a TCP port be connected to. -1 with errno.
int ring3_landlock_allow_connecting(int rules, uint16_t port);

/// Puts this process under the rules, for good. -1 with errno.
int ring3_landlock_enforce(int rules);
