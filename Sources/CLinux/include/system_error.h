// What glibc's Swift module cannot show; each function says why it is needed.
#pragma once

/// The calling thread's errno. Swift imports `errno` too, but as a computed global whose getter
/// strict memory safety flags at each use.
int ring3_errno(void);

