// fork(2) for Swift.
#include "fork.h"
#include <unistd.h>

pid_t ring3_fork(void) { return fork(); }
