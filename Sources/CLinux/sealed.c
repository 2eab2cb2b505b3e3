// Anonymous files whose size or bytes nobody can change any more.
#define _GNU_SOURCE
#include "sealed.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(RING3_ADD_SEALS == F_ADD_SEALS, "uapi");

int ring3_open_memory(const char *name) {
  return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

int ring3_seal_memory(int file) {
  return fcntl(file, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}

int ring3_fixed_memory(const char *name, size_t count) {
  int file = ring3_open_memory(name);
  if (file < 0) return -1;
  int code = posix_fallocate(file, 0, (off_t)count);
  if (code == 0 && fcntl(file, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) == 0)
    return file;
  if (code == 0) code = errno;
  close(file);
  errno = code;
  return -1;
}

int ring3_sparse_memory(const char *name, size_t count) {
  int file = ring3_open_memory(name);
  if (file < 0) return -1;
  if (ftruncate(file, (off_t)count) == 0) return file;
  int code = errno;
  close(file);
  errno = code;
  return -1;
}
