// OpenSSL 3: what <openssl/ssl.h> and its neighbours declare. Its macros with arguments, which Swift
// cannot see, are SSL_ctrl and the like with a number: TLS's files in Platform call those.
#define OPENSSL_API_COMPAT 30000
#define OPENSSL_NO_DEPRECATED
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
