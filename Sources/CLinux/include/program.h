// Starting programs: between fork and exec only what signal-safety(7) allows, so it is C.
#pragma once
#include <stddef.h>
#include <sys/types.h>

/// What is to be started, and how.
struct ring3_program {
  const char *path;
  char *const *arguments;
  /// Complete; the digits behind "LISTEN_PID=" become the child's number.
  char *const *environment;
  /// Where it starts; NULL: where we are.
  const char *directory;
  /// Becomes descriptor 3.
  int listener;
  /// Becomes standard output and error; -1: ours.
  int output;
  /// Whether it gets the user and groups below.
  int has_identity;
  uid_t user;
  gid_t group;
  const gid_t *groups;
  size_t group_count;
};

/// What could not be done, when a start failed.
enum {
  RING3_STEP_FORK = 0,
  RING3_STEP_IDENTITY = 1,
  RING3_STEP_DIRECTORY = 2,
  RING3_STEP_EXEC = 3,
};

/// Longer than that nobody is waited for between fork and exec.
enum { RING3_START_MILLISECONDS = 5000 };

/// Starts a program in a session of its own. The kernel kills it when this process ends
/// (PR_SET_PDEATHSIG). Returns its number when it has been executed, or -1 with errno and `step`.
pid_t ring3_program_start(const struct ring3_program *program, int *step);

/// A child that has ended and was not waited for yet, which stays so; 0: none. siginfo_t is a union
/// that Swift does not see into. waitid(2), WNOWAIT.
pid_t ring3_ended_child(void);
