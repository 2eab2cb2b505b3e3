// zlib: the coding gzip. malloc_usable_size is declared by <malloc.h>: the library's memory is
// counted.
#include <malloc.h>
#include <zlib.h>
