// Anonymous files whose size or bytes nobody can change any more: memfd_create(2), fcntl(2).
#pragma once
#include <stddef.h>

/// An anonymous file of `count` zero bytes that cannot be made longer or shorter: who maps it never
/// meets SIGBUS. Close-on-exec; -1 and errno on failure.
int ring3_fixed_memory(const char *name, size_t count);

/// Forbids every change of an anonymous file made by `ring3_open_memory`, for everybody who has it.
int ring3_seal_memory(int file);

/// F_ADD_SEALS of fcntl(2).
enum { RING3_ADD_SEALS = 1033 };

/// An empty anonymous file that can be sealed; close-on-exec.
int ring3_open_memory(const char *name);

/// An anonymous file of `count` zero bytes, which takes memory where it is written. Close-on-exec;
/// -1 and errno on failure.
int ring3_sparse_memory(const char *name, size_t count);
