// Opening, reading and warming files without sleeping.
#define _GNU_SOURCE
#include "fileio.h"
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

_Static_assert(RING3_RESOLVE_BENEATH == RESOLVE_BENEATH, "uapi");
_Static_assert(RING3_RESOLVE_NO_SYMLINKS == RESOLVE_NO_SYMLINKS, "uapi");
_Static_assert(RING3_RESOLVE_NO_MAGICLINKS == RESOLVE_NO_MAGICLINKS, "uapi");

static int flags_of(int how) {
  int flags = O_CLOEXEC;
  if (how & RING3_OPEN_LOCATE) flags |= O_PATH;
  if (how & RING3_OPEN_READ) flags |= O_RDONLY | O_NONBLOCK | O_NOCTTY;
  if (how & RING3_OPEN_NO_FOLLOW) flags |= O_NOFOLLOW;
  if (how & RING3_OPEN_DIRECTORY) flags |= O_DIRECTORY;
  return flags;
}

int ring3_open_limited(int directory, const void *path, int how, uint64_t resolve) {
  struct open_how request;
  memset(&request, 0, sizeof request);
  request.flags = (uint64_t)flags_of(how);
  request.resolve = resolve;
  return (int)syscall(SYS_openat2, directory, path, &request, sizeof request);
}

int ring3_open_plain(int directory, const void *path, int how) {
  return openat(directory, path, flags_of(how));
}

ssize_t ring3_read_now(int file, void *buffer, size_t count, off_t offset) {
  struct iovec piece = {.iov_base = buffer, .iov_len = count};
  return preadv2(file, &piece, 1, offset, RWF_NOWAIT);
}

int ring3_read_ahead(int file, off_t offset, size_t count) {
  return (int)readahead(file, offset, count);
}

int ring3_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }

int ring3_is_memory_file_system(int file) {
  struct statfs facts;
  if (fstatfs(file, &facts) != 0) return -1;
  switch ((unsigned long)facts.f_type) {
  case TMPFS_MAGIC:
  case RAMFS_MAGIC:
  case HUGETLBFS_MAGIC:
    return 1;
  default:
    return 0;
  }
}

ssize_t ring3_read_link(int link, void *buffer, size_t count) {
  return readlinkat(link, "", buffer, count);
}
