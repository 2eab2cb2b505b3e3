// nghttp2: another HTTP/2, which tests compare ours with. ssize_t is declared by <sys/types.h>.
#include <sys/types.h>
#include <nghttp2/nghttp2.h>
