// What glibc's Swift module cannot show; each function says why it is needed.
#include "system_error.h"
#include <errno.h>

int ring3_errno(void) { return errno; }
