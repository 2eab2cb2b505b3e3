// Opening, reading and warming files without sleeping: calls that glibc does not wrap or that its
// Swift module leaves out.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
  /// Only what the kernel's caches know: EAGAIN instead of sleeping (Linux 5.12).
  RING3_RESOLVE_CACHED = 0x20,
  /// Nothing outside the start directory: EXDEV.
  RING3_RESOLVE_BENEATH = 0x08,
  /// No symbolic link in any component: ELOOP.
  RING3_RESOLVE_NO_SYMLINKS = 0x04,
  /// No /proc/self/fd and its like: ELOOP.
  RING3_RESOLVE_NO_MAGICLINKS = 0x02,
};

enum {
  /// O_PATH: a name for the file; opens nothing, so a FIFO or a device does not notice.
  RING3_OPEN_LOCATE = 1,
  /// O_RDONLY | O_NONBLOCK | O_NOCTTY.
  RING3_OPEN_READ = 2,
  /// O_NOFOLLOW beside one of the above.
  RING3_OPEN_NO_FOLLOW = 4,
  /// O_DIRECTORY beside one of the above.
  RING3_OPEN_DIRECTORY = 8,
};

/// openat2(2), which glibc does not wrap. `path` ends with a zero byte; always close-on-exec.
int ring3_open_limited(int directory, const void *path, int how, uint64_t resolve);

/// openat(2), which is variadic; for kernels without openat2. Arguments as above.
int ring3_open_plain(int directory, const void *path, int how);

/// preadv2(2) with RWF_NOWAIT: EAGAIN instead of waiting for the disk. RWF_NOWAIT is a GNU macro.
ssize_t ring3_read_now(int file, void *buffer, size_t count, off_t offset);

/// readahead(2), a GNU extension.
int ring3_read_ahead(int file, off_t offset, size_t count);

/// memfd_create(2), a GNU extension: an anonymous file, close-on-exec.
int ring3_memory_file(const char *name);

/// 1 for file systems whose reads never wait for a device (tmpfs, ramfs, hugetlbfs), 0 for others,
/// -1 on error. fstatfs(2): glibc's Swift module leaves <sys/vfs.h> out.
int ring3_is_memory_file_system(int file);

/// readlinkat(2) of the link that an O_PATH descriptor names.
ssize_t ring3_read_link(int link, void *buffer, size_t count);
