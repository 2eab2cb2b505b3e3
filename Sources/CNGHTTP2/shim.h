// nghttp2: framing and HPACK of HTTP/2. ssize_t is declared by <sys/types.h>.
#include <sys/types.h>
#include <nghttp2/nghttp2.h>
