// libzstd: the coding zstd.
#include <zstd.h>
