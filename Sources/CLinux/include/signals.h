// signalfd: not in glibc's Swift module.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Blocks the signals and returns a signalfd(2) that delivers them: non-blocking, close-on-exec.
int ring3_signals_open(const int *signals, size_t count);

/// The next signal's number, 0 when there is none now, -1 with errno.
int ring3_signals_read(int descriptor);

/// Unblocks every signal; all of them keep or get their default action, but SIGPIPE stays ignored.
void ring3_signals_reset(void);

/// Ignores SIGPIPE: a write to a closed socket is an error code. SIG_IGN is a cast in C.
void ring3_signals_ignore_pipe(void);
