// Processes: what glibc's Swift module leaves out or marks unavailable.
#define _GNU_SOURCE
#include "process.h"
#include <errno.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t ring3_fork_process(void) { return fork(); }

int ring3_close_range(unsigned first, unsigned last) {
  if (first > last) return 0;
#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, last, 0) == 0) return 0;
  if (errno != ENOSYS) return -1;
#endif
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
  for (unsigned number = first; number <= last && number < limit.rlim_cur; number++) close(number);
  return 0;
}

int ring3_exec(const char *path, char *const *arguments, int output) {
  if (output >= 0 && (dup2(output, 1) < 0 || dup2(output, 2) < 0)) return -1;
  return execv(path, arguments);
}

int ring3_become(const char *user, uid_t user_id, gid_t group_id) {
  if (user != NULL ? initgroups(user, group_id) != 0 : setgroups(0, NULL) != 0) return -1;
  if (setresgid(group_id, group_id, group_id) != 0) return -1;
  if (setresuid(user_id, user_id, user_id) != 0) return -1;
  if (user_id != 0 && setuid(0) == 0) {
    errno = EPERM;
    return -1;
  }
  return 0;
}

int ring3_allow_inspection(void) { return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }

int ring3_forbid_inspection(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

int ring3_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }
