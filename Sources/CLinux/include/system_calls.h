// Names and numbers of system calls: macros of <asm/unistd.h>, different on each architecture.
#pragma once

/// The name of a system call; NULL when it is newer than this table.
const char *ring3_call_name(int number);

/// The number of a system call on this architecture; -1 where there is none of that name.
int ring3_call_number(const char *name);
