// signalfd and eventfd: not in glibc's Swift module.
#define _GNU_SOURCE
#include "signals.h"
#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

int ring3_signals_open(const int *signals, size_t count) {
  sigset_t set;
  sigemptyset(&set);
  for (size_t index = 0; index < count; index++) sigaddset(&set, signals[index]);
  if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) return -1;
  return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int ring3_signals_read(int descriptor) {
  struct signalfd_siginfo information;
  ssize_t count = read(descriptor, &information, sizeof information);
  if (count == sizeof information) return (int)information.ssi_signo;
  if (count < 0 && errno != EAGAIN && errno != EINTR) return -1;
  return 0;
}

void ring3_signals_reset(void) {
  for (int number = 1; number < NSIG; number++) {
    if (number != SIGKILL && number != SIGSTOP && number != SIGPIPE) signal(number, SIG_DFL);
  }
  sigset_t set;
  sigemptyset(&set);
  sigprocmask(SIG_SETMASK, &set, NULL);
}

void ring3_signals_ignore_pipe(void) { signal(SIGPIPE, SIG_IGN); }

int ring3_event_open(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

int ring3_event_signal(int descriptor) {
  uint64_t one = 1;
  ssize_t count = write(descriptor, &one, sizeof one);
  return count == sizeof one || errno == EAGAIN ? 0 : -1;
}

int64_t ring3_event_take(int descriptor) {
  uint64_t value = 0;
  ssize_t count = read(descriptor, &value, sizeof value);
  if (count == sizeof value) return (int64_t)value;
  return errno == EAGAIN ? 0 : -1;
}
