// nghttp2: framing and HPACK of HTTP/2. ssize_t is declared by <sys/types.h>, malloc_usable_size
// by <malloc.h>: the library's memory is counted.
#include <malloc.h>
#include <sys/types.h>
#include <nghttp2/nghttp2.h>
