// seccomp(2) and what a refused call leaves behind.
#define _GNU_SOURCE
#include "sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the sandbox knows x86-64 and arm64"
#endif
#ifndef SECCOMP_RET_KILL_PROCESS
#define SECCOMP_RET_KILL_PROCESS 0x80000000U
#endif

_Static_assert(offsetof(struct seccomp_data, nr) == RING3_FILTER_NUMBER, "uapi");
_Static_assert(offsetof(struct seccomp_data, arch) == RING3_FILTER_ARCHITECTURE, "uapi");
_Static_assert(
    offsetof(struct seccomp_data, instruction_pointer) == RING3_FILTER_INSTRUCTION, "uapi");
_Static_assert(offsetof(struct seccomp_data, args) == RING3_FILTER_ARGUMENTS, "uapi");

uint32_t ring3_filter_allow(void) { return SECCOMP_RET_ALLOW; }
uint32_t ring3_filter_trap(void) { return SECCOMP_RET_TRAP; }
uint32_t ring3_filter_kill(void) { return SECCOMP_RET_KILL_PROCESS; }
uint32_t ring3_filter_architecture(void) { return ARCHITECTURE; }

// SYS_SECCOMP of <asm-generic/siginfo.h>, which glibc hides.
enum { CODE_SECCOMP = 1 };

struct record {
  _Atomic int32_t process;
  _Atomic int32_t call;
  _Atomic uint64_t arguments[3];
};

struct board {
  _Atomic uint32_t next;
  _Atomic uint32_t reported_count;
  _Atomic uint32_t version;
  _Atomic uint64_t levels[RING3_BOARD_KINDS];
  _Atomic uint64_t reported[RING3_BOARD_KINDS][RING3_BOARD_CALLS / 64];
  struct record records[RING3_BOARD_RECORDS];
};
_Static_assert(sizeof(struct board) <= RING3_BOARD_BYTES, "fits");

static struct board *own_board;
static unsigned own_kind;
static int own_ends;
static pid_t own_process;

// A raw call with a known address behind it. Its arguments are in an array, so that no register of
// the caller's is in the way.
long ring3_passage(long number, const long *arguments);
extern const char ring3_passage_end[];
#if defined(__x86_64__)
__asm__(".text\n.p2align 4\n.type ring3_passage, @function\n"
        "ring3_passage:\n"
        "  mov %rdi, %rax\n  mov %rsi, %r11\n"
        "  mov (%r11), %rdi\n  mov 8(%r11), %rsi\n  mov 16(%r11), %rdx\n"
        "  mov 24(%r11), %r10\n  mov 32(%r11), %r8\n  mov 40(%r11), %r9\n"
        "  syscall\n"
        "ring3_passage_end:\n  ret\n"
        ".size ring3_passage, . - ring3_passage\n");
#else
__asm__(".text\n.p2align 4\n.type ring3_passage, %function\n"
        "ring3_passage:\n"
        "  mov x8, x0\n  mov x9, x1\n"
        "  ldp x0, x1, [x9]\n  ldp x2, x3, [x9, #16]\n  ldp x4, x5, [x9, #32]\n"
        "  svc #0\n"
        "ring3_passage_end:\n  ret\n"
        ".size ring3_passage, . - ring3_passage\n");
#endif

uint64_t ring3_sandbox_passage(void) { return (uint64_t)(uintptr_t)ring3_passage_end; }

static void take_arguments(const ucontext_t *context, long arguments[6]) {
#if defined(__x86_64__)
  static const int places[6] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
  for (int index = 0; index < 6; index++)
    arguments[index] = (long)context->uc_mcontext.gregs[places[index]];
#else
  for (int index = 0; index < 6; index++) arguments[index] = (long)context->uc_mcontext.regs[index];
#endif
}

static void put_result(ucontext_t *context, long result) {
#if defined(__x86_64__)
  context->uc_mcontext.gregs[REG_RAX] = result;
#else
  context->uc_mcontext.regs[0] = (unsigned long)result;
#endif
}

static void note(int call, const long arguments[6]) {
  struct board *board = own_board;
  if (call >= 0 && call < RING3_BOARD_CALLS) {
    uint64_t bit = UINT64_C(1) << (call % 64);
    _Atomic uint64_t *word = &board->reported[own_kind][call / 64];
    if ((atomic_fetch_or(word, bit) & bit) == 0) atomic_fetch_add(&board->reported_count, 1);
  }
  if (!own_ends) return;
  struct record *record = &board->records[atomic_fetch_add(&board->next, 1) % RING3_BOARD_RECORDS];
  atomic_store(&record->process, 0);
  atomic_store(&record->call, call);
  for (int index = 0; index < 3; index++)
    atomic_store(&record->arguments[index], (uint64_t)arguments[index]);
  atomic_store(&record->process, own_process);
}

static void refused(int number, siginfo_t *information, void *context) {
  (void)number;
  long arguments[6] = {0};
  int isOurs = information->si_code == CODE_SECCOMP;
  if (isOurs) take_arguments(context, arguments);
  note(isOurs ? information->si_syscall : -1, arguments);
  if (own_ends) {
    // SIGSYS has its default action again, and this call is on no list: the kernel ends us now.
    for (;;) {
      syscall(SYS_execve, NULL, NULL, NULL);
      _exit(128 + SIGSYS);
    }
  }
  if (!isOurs) return;
  put_result(context, ring3_passage(information->si_syscall, arguments));
}

int ring3_sandbox_harden(int hide) {
  int reached = 0;
  if (hide && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0) reached |= 1;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) reached |= 2;
  return reached;
}

int ring3_sandbox_watch(void *board, unsigned kind, int ends) {
  own_board = board;
  own_kind = kind % RING3_BOARD_KINDS;
  own_ends = ends;
  own_process = getpid();
  struct sigaction action = {.sa_sigaction = refused};
  action.sa_flags = SA_SIGINFO | SA_NODEFER | (ends ? SA_RESETHAND : 0);
  return sigaction(SIGSYS, &action, NULL);
}

int ring3_sandbox_filter(const struct sock_filter *program, size_t count) {
  struct sock_fprog request = {.len = (unsigned short)count,
                               .filter = (struct sock_filter *)program};
  if (count > BPF_MAXINSNS) {
    errno = EINVAL;
    return -1;
  }
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &request, 0, 0);
}

int ring3_board_refusal(const void *memory, int32_t process, struct ring3_refusal *refusal) {
  const struct board *board = memory;
  uint32_t next = atomic_load(&board->next);
  for (uint32_t age = 1; age <= RING3_BOARD_RECORDS; age++) {
    const struct record *record = &board->records[(next - age) % RING3_BOARD_RECORDS];
    if (atomic_load(&record->process) != process) continue;
    refusal->process = process;
    refusal->call = atomic_load(&record->call);
    for (int index = 0; index < 3; index++)
      refusal->arguments[index] = atomic_load(&record->arguments[index]);
    return 1;
  }
  return 0;
}

uint32_t ring3_board_reported_count(const void *memory) {
  const struct board *board = memory;
  return atomic_load(&board->reported_count);
}

int ring3_board_is_reported(const void *memory, unsigned kind, unsigned call) {
  const struct board *board = memory;
  if (kind >= RING3_BOARD_KINDS || call >= RING3_BOARD_CALLS) return 0;
  return (atomic_load(&board->reported[kind][call / 64]) >> (call % 64)) & 1;
}

void ring3_board_set_level(void *memory, unsigned kind, uint64_t level) {
  struct board *board = memory;
  if (kind < RING3_BOARD_KINDS) atomic_store(&board->levels[kind], level);
}

uint64_t ring3_board_level(const void *memory, unsigned kind) {
  const struct board *board = memory;
  return kind < RING3_BOARD_KINDS ? atomic_load(&board->levels[kind]) : 0;
}

uint32_t ring3_board_version(const void *memory) {
  const struct board *board = memory;
  return atomic_load(&board->version);
}

void ring3_board_raise_version(void *memory) {
  struct board *board = memory;
  atomic_fetch_add(&board->version, 1);
}

int ring3_sandbox_may_read(int directory, const void *path, int follow) {
#ifdef SYS_faccessat2
  int flags = AT_EACCESS | (follow ? 0 : AT_SYMLINK_NOFOLLOW);
  return syscall(SYS_faccessat2, directory, path, R_OK, flags) == 0;
#else
  (void)directory, (void)path, (void)follow;
  return 0;
#endif
}
