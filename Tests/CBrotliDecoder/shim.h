// libbrotlidec: what a client has; tests look with it at what the server coded.
#include <brotli/decode.h>
