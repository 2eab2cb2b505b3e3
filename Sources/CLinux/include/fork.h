// fork(2) for Swift.
#pragma once
#include <sys/types.h>

/// glibc's fork(3), never a raw clone: it re-registers the child's robust mutex list, without which
/// the owner-died signal of shared mutexes never comes. Swift's Glibc module marks fork
/// unavailable.
pid_t ring3_fork(void);
