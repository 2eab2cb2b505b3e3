// libbrotlienc: the coding br.
#include <brotli/encode.h>
