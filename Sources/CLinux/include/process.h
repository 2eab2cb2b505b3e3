// Processes: what glibc's Swift module leaves out or marks unavailable.
#pragma once
#include <sys/types.h>

/// fork(3), which Swift marks unavailable. Always glibc's: a raw clone would not reset the robust
/// mutex list of the child. The caller guarantees that the process has one thread.
pid_t ring3_fork_process(void);

/// close_range(2) with a fallback for kernels without it: closes first … last. A GNU extension.
int ring3_close_range(unsigned first, unsigned last);

/// execv(3) with descriptors put in place first: `output` becomes 1 and 2 (-1: left alone). In C
/// because between fork and exec nothing may allocate. Returns only on failure, with errno.
int ring3_exec(const char *path, char *const *arguments, int output);

/// initgroups(3), setresgid(2), setresuid(2): become that user for good, and check that there is
/// no way back. GNU extensions. -1 with errno.
int ring3_become(const char *user, uid_t user_id, gid_t group_id);

/// prctl(2) PR_SET_DUMPABLE, 1: after a change of user, core dumps and /proc/self stay readable
/// by the new user. prctl is variadic.
int ring3_allow_inspection(void);

/// The same, 0: nobody of the same user looks into this process.
int ring3_forbid_inspection(void);

/// prctl(2), PR_SET_CHILD_SUBREAPER: descendants whose parent ends become this process's children.
int ring3_adopt_orphans(void);
