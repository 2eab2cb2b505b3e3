// Starting programs: between fork and exec only what signal-safety(7) allows.
#define _GNU_SOURCE
#include "program.h"
#include "signals.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct failure {
  int step;
  int code;
};

static void fail(int channel, int step) {
  struct failure failure = {step, errno};
  ssize_t ignored = write(channel, &failure, sizeof failure);
  (void)ignored;
  _exit(127);
}

/// Writes this process's number over the digits of LISTEN_PID; leading zeros are no harm.
static void number_environment(char *const *environment) {
  static const char name[] = "LISTEN_PID=";
  for (; *environment != NULL; environment++) {
    if (strncmp(*environment, name, sizeof name - 1) != 0) continue;
    pid_t number = getpid();
    for (char *digit = *environment + strlen(*environment) - 1;
         digit >= *environment + sizeof name - 1; digit--) {
      *digit = (char)('0' + number % 10);
      number /= 10;
    }
  }
}

/// Our own stream for writing alone, and not the open file that others write to: a terminal is not
/// to be read, nor flags of ours changed. What cannot be opened anew (a socket) stays.
static void reopen(int number) {
  char path[] = "/proc/self/fd/0";
  path[sizeof path - 2] = (char)('0' + number);
  int fresh = open(path, O_WRONLY | O_APPEND | O_NOCTTY);
  if (fresh < 0) return;
  dup2(fresh, number);
  if (fresh > 2) close(fresh);
}

static void arrange_streams(const struct ring3_program *program) {
  if (program->output >= 0) {
    dup2(program->output, 1);
    dup2(program->output, 2);
  } else if (program->has_identity) {
    reopen(1);
    reopen(2);
  } else {
    return;
  }
  int nothing = open("/dev/null", O_RDONLY);
  if (nothing > 0) {
    dup2(nothing, 0);
    if (nothing > 2) close(nothing);
  }
}

static void run_child(const struct ring3_program *program, pid_t parent, int channel) {
  // A session, and not only a group: its leader cannot leave it, nobody else can join it, and it
  // has no terminal.
  setsid();
  ring3_signals_reset();
  if (channel == 3) {
    channel = fcntl(channel, F_DUPFD_CLOEXEC, 4);
    if (channel < 0) _exit(127);
  }
  // dup2 onto itself would leave close-on-exec as it is.
  if (program->listener == 3 ? fcntl(3, F_SETFD, 0) < 0 : dup2(program->listener, 3) < 0)
    fail(channel, RING3_STEP_EXEC);
  arrange_streams(program);
  // Whatever else is open is nobody's business.
  close_range(4, ~0U, CLOSE_RANGE_CLOEXEC);
  if (program->has_identity) {
    if (setgroups(program->group_count, program->groups) != 0 ||
        setresgid(program->group, program->group, program->group) != 0 ||
        setresuid(program->user, program->user, program->user) != 0)
      fail(channel, RING3_STEP_IDENTITY);
    if (getgid() != program->group || getuid() != program->user ||
        (program->user != 0 && setuid(0) == 0)) {
      errno = EPERM;
      fail(channel, RING3_STEP_IDENTITY);
    }
  }
  // Behind the change of user, which forgets it.
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != parent) _exit(127);
  if (program->directory != NULL && chdir(program->directory) != 0)
    fail(channel, RING3_STEP_DIRECTORY);
  number_environment(program->environment);
  execve(program->path, program->arguments, program->environment);
  fail(channel, RING3_STEP_EXEC);
}

/// What the child says before it is executed; a user's processes or file systems can hold it up.
static ssize_t await_child(int channel, pid_t child, struct failure *failure) {
  struct pollfd entry = {.fd = channel, .events = POLLIN};
  int ready;
  do {
    ready = poll(&entry, 1, RING3_START_MILLISECONDS);
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) {
    kill(child, SIGKILL);
    *failure = (struct failure){RING3_STEP_EXEC, ETIMEDOUT};
    return sizeof *failure;
  }
  ssize_t count;
  do {
    count = read(channel, failure, sizeof *failure);
  } while (count < 0 && errno == EINTR);
  return count;
}

pid_t ring3_program_start(const struct ring3_program *program, int *step) {
  int ends[2];
  *step = RING3_STEP_FORK;
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  pid_t parent = getpid();
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    run_child(program, parent, ends[1]);
    _exit(127);
  }
  int code = errno;
  close(ends[1]);
  struct failure failure = {RING3_STEP_FORK, code};
  if (child > 0) {
    ssize_t count = await_child(ends[0], child, &failure);
    close(ends[0]);
    if (count != sizeof failure) return child;
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
  } else {
    close(ends[0]);
  }
  *step = failure.step;
  errno = failure.code;
  return -1;
}

pid_t ring3_ended_child(void) {
  siginfo_t information;
  memset(&information, 0, sizeof information);
  if (waitid(P_ALL, 0, &information, WEXITED | WNOHANG | WNOWAIT) != 0) return 0;
  return information.si_pid;
}
