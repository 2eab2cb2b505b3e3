// capset(2) has no wrapper in glibc, and its structures no place in glibc's Swift module.
#pragma once
#include <stdint.h>

/// Numbers of linux/capability.h that the master may need, as bits.
uint64_t ring3_master_capabilities(void);

/// The same of who starts programs of other users.
uint64_t ring3_supervisor_capabilities(void);

/// Gives up all of this thread's capabilities but those in `kept` (bit n: capability n), as far as
/// it has them. 0, or -1 with errno. capget(2), capset(2).
int ring3_keep_capabilities(uint64_t kept);
