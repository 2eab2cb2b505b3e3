// seccomp(2) and what a refused call leaves behind: signal contexts and raw calls have no place in
// Swift.
#pragma once
#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

/// What the filter's program is made of: <linux/filter.h>, <linux/seccomp.h>, <linux/audit.h>.
enum {
  RING3_FILTER_LOAD = BPF_LD | BPF_W | BPF_ABS,
  RING3_FILTER_IF_EQUAL = BPF_JMP | BPF_JEQ | BPF_K,
  RING3_FILTER_IF_AT_LEAST = BPF_JMP | BPF_JGE | BPF_K,
  RING3_FILTER_IF_ANY_BIT = BPF_JMP | BPF_JSET | BPF_K,
  RING3_FILTER_JUMP = BPF_JMP | BPF_JA,
  RING3_FILTER_RETURN = BPF_RET | BPF_K,
};
uint32_t ring3_filter_allow(void);
uint32_t ring3_filter_trap(void);
uint32_t ring3_filter_kill(void);
/// AUDIT_ARCH_… of this build.
uint32_t ring3_filter_architecture(void);

/// Offsets in struct seccomp_data; arguments take 8 bytes each, the low half first.
enum {
  RING3_FILTER_NUMBER = 0,
  RING3_FILTER_ARCHITECTURE = 4,
  RING3_FILTER_INSTRUCTION = 8,
  RING3_FILTER_ARGUMENTS = 16,
};

enum {
  RING3_BOARD_KINDS = 16,
  RING3_BOARD_CALLS = 512,
  RING3_BOARD_RECORDS = 64,
  RING3_BOARD_BYTES = 4096,
};

/// A refused call.
struct ring3_refusal {
  int32_t process;
  int32_t call;
  uint64_t arguments[3];
};

/// This process can get no more rights (PR_SET_NO_NEW_PRIVS) and, with `hide`, others of its user
/// cannot look into it (PR_SET_DUMPABLE 0). Returns 1 (hidden) | 2 (no new privileges), as far as
/// it went.
int ring3_sandbox_harden(int hide);

/// From now on a call that the filter traps is noted on the board, for `kind`, and ends the process
/// by SIGSYS (`ends`) or is done all the same. -1 with errno.
int ring3_sandbox_watch(void *board, unsigned kind, int ends);

/// Where the calls that are done all the same return to: the filter knows them by it.
uint64_t ring3_sandbox_passage(void);

/// Installs a filter for this process, for good. -1 with errno. seccomp(2).
int ring3_sandbox_filter(const struct sock_filter *program, size_t count);

// The board: RING3_BOARD_BYTES of memory shared with all children, zeroed at first.

/// The last call of a process for which it was ended; 0 if none is noted.
int ring3_board_refusal(const void *board, int32_t process, struct ring3_refusal *refusal);

/// How many times a call was noted for the first time in its kind.
uint32_t ring3_board_reported_count(const void *board);

/// Whether the call was refused to a process of this kind, or would have been.
int ring3_board_is_reported(const void *board, unsigned kind, unsigned call);

/// A word of each kind for what it has reached.
void ring3_board_set_level(void *board, unsigned kind, uint64_t level);
uint64_t ring3_board_level(const void *board, unsigned kind);

/// A count that goes up when what files may be read has changed.
uint32_t ring3_board_version(const void *board);
void ring3_board_raise_version(void *board);

/// 1 if this user may read the file, whatever the sandbox says. faccessat2(2).
int ring3_sandbox_may_read(int directory, const void *path, int follow);
