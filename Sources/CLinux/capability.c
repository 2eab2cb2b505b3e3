// capset(2) has no wrapper in glibc, and its structures no place in glibc's Swift module.
#define _GNU_SOURCE
#include "capability.h"
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

uint64_t ring3_master_capabilities(void) {
  const int needed[] = {
      CAP_CHOWN,            // the control socket's owner
      CAP_DAC_OVERRIDE,     // logs and the pid file in other users' directories
      CAP_DAC_READ_SEARCH,  // configuration files
      CAP_FOWNER,           // a stale control socket of another user
      CAP_KILL,             // workers, which have another user
      CAP_SETGID,           // becoming that user
      CAP_SETUID,
      CAP_NET_BIND_SERVICE, // ports below 1024
  };
  uint64_t mask = 0;
  for (unsigned index = 0; index < sizeof needed / sizeof *needed; index++)
    mask |= UINT64_C(1) << needed[index];
  return mask;
}

uint64_t ring3_supervisor_capabilities(void) {
  return UINT64_C(1) << CAP_SETGID | UINT64_C(1) << CAP_SETUID | UINT64_C(1) << CAP_KILL |
         UINT64_C(1) << CAP_DAC_OVERRIDE | UINT64_C(1) << CAP_DAC_READ_SEARCH;
}

int ring3_keep_capabilities(uint64_t kept) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct sets[2];
  if (syscall(SYS_capget, &header, sets) != 0) return -1;
  for (int half = 0; half < 2; half++) {
    sets[half].permitted &= (uint32_t)(kept >> (32 * half));
    sets[half].effective = sets[half].permitted;
    sets[half].inheritable = 0;
  }
  return (int)syscall(SYS_capset, &header, sets);
}
