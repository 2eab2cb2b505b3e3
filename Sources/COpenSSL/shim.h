// OpenSSL 3: what <openssl/ssl.h> and its neighbours declare, and functions in place of its macros
// with arguments, which Swift cannot see.
#define OPENSSL_API_COMPAT 30000
#define OPENSSL_NO_DEPRECATED
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <errno.h>
#include <linux/tls.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// Memory that leaves nothing behind when it is freed.
static inline void ring3_memory_wipe_and_free(void *memory) {
  if (memory == NULL) return;
  OPENSSL_cleanse(memory, malloc_usable_size(memory));
  free(memory);
}

static inline void *ring3_memory_move(void *memory, size_t count) {
  if (memory == NULL) return malloc(count);
  void *fresh = count > 0 ? malloc(count) : NULL;
  if (count > 0 && fresh == NULL) return NULL;
  size_t former = malloc_usable_size(memory);
  if (fresh != NULL) memcpy(fresh, memory, former < count ? former : count);
  ring3_memory_wipe_and_free(memory);
  return fresh;
}

/// What was freed goes back to the kernel.
static inline void ring3_memory_trim(void) { malloc_trim(0); }

// What OpenSSL asks of a BIO when the kernel is to make records: <openssl/bio.h> has the numbers
// in a comment only.
static const int ring3_bio_set_ktls = 72;
static const int ring3_bio_set_ktls_message = 74;
static const int ring3_bio_clear_ktls_message = 75;

// Bytes of the keys for setsockopt(2); 0: of a cipher that is not known here.
static inline size_t ring3_ktls_keys_size(const void *keys) {
  if (keys == NULL) return 0;
  switch (((const struct tls_crypto_info *)keys)->cipher_type) {
    case TLS_CIPHER_AES_GCM_128: return sizeof(struct tls12_crypto_info_aes_gcm_128);
    case TLS_CIPHER_AES_GCM_256: return sizeof(struct tls12_crypto_info_aes_gcm_256);
    case TLS_CIPHER_CHACHA20_POLY1305: return sizeof(struct tls12_crypto_info_chacha20_poly1305);
    default: return 0;
  }
}

// SOL_TLS is in no header of the C library.
enum { ring3_sol_tls = 282 };

static inline int ring3_ktls_start(int socket, const void *keys, size_t count) {
  if (setsockopt(socket, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") != 0) return -1;
  return setsockopt(socket, ring3_sol_tls, TLS_TX, keys, (socklen_t)count);
}

// Sends one record of a type that is not data, which goes as a message beside its bytes.
static inline ssize_t ring3_ktls_send(int socket, unsigned char type, const void *bytes,
                                      size_t count) {
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(1)];
  } control;
  memset(&control, 0, sizeof control);
  struct iovec piece = {(void *)bytes, count};
  struct msghdr message = {0};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.room;
  message.msg_controllen = sizeof control.room;
  control.head.cmsg_level = ring3_sol_tls;
  control.head.cmsg_type = TLS_SET_RECORD_TYPE;
  control.head.cmsg_len = CMSG_LEN(1);
  *CMSG_DATA(&control.head) = type;
  ssize_t sent;
  do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent;
}

// What every context has: no compression, no renegotiation, no early data, and a session never
// continues without a fresh key exchange. ENABLE_PARTIAL_WRITE makes one SSL_write one record.
static inline void ring3_ctx_set_basics(SSL_CTX *ctx) {
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                               SSL_OP_NO_ANTI_REPLAY);
  SSL_CTX_clear_options(ctx, SSL_OP_ALLOW_NO_DHE_KEX | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                 SSL_OP_LEGACY_SERVER_CONNECT |
                                 SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_dh_auto(ctx, 1);
}

static inline void ring3_ctx_follow_client_order(SSL_CTX *ctx) {
  SSL_CTX_clear_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
}

static inline void ring3_ctx_refuse_tickets(SSL_CTX *ctx) {
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
}

static inline int ring3_ctx_set_versions(SSL_CTX *ctx, int min, int max) {
  return SSL_CTX_set_min_proto_version(ctx, min) && SSL_CTX_set_max_proto_version(ctx, max);
}

static inline int ring3_ctx_set_groups(SSL_CTX *ctx, const char *list) {
  return (int)SSL_CTX_set1_groups_list(ctx, list);
}

static inline int ring3_ssl_set_groups(SSL *ssl, const char *list) {
  return (int)SSL_set1_groups_list(ssl, list);
}

// What SSL_set_SSL_CTX leaves as the first context had it, as plain settings of the new one.
static inline int ring3_ssl_follow_ctx(SSL *ssl, SSL_CTX *ctx) {
  SSL_clear_options(ssl, SSL_get_options(ssl));
  SSL_set_options(ssl, SSL_CTX_get_options(ctx));
  return SSL_set_num_tickets(ssl, SSL_CTX_get_num_tickets(ctx)) &&
         SSL_set1_param(ssl, SSL_CTX_get0_param(ctx)) &&
         SSL_set_min_proto_version(ssl, SSL_CTX_get_min_proto_version(ctx)) &&
         SSL_set_max_proto_version(ssl, SSL_CTX_get_max_proto_version(ctx));
}

static inline void ring3_ctx_set_status_callback(SSL_CTX *ctx, int (*callback)(SSL *, void *)) {
  SSL_CTX_set_tlsext_status_cb(ctx, callback);
}

// OpenSSL frees the response, which must come from OPENSSL_malloc.
static inline int ring3_ssl_set_staple(SSL *ssl, const unsigned char *bytes, size_t count) {
  unsigned char *copy = (unsigned char *)OPENSSL_memdup(bytes, count);
  if (copy == NULL) return 0;
  if (SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)count)) return 1;
  OPENSSL_free(copy);
  return 0;
}

static inline void ring3_bio_retry_read(BIO *bio) { BIO_set_retry_read(bio); }
static inline void ring3_bio_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }
static inline long ring3_bio_memory(BIO *bio, const unsigned char **bytes) {
  return BIO_get_mem_data(bio, (char **)bytes);
}

static inline void ring3_free(void *pointer) { OPENSSL_free(pointer); }

static inline STACK_OF(X509) *ring3_x509s_new(void) { return sk_X509_new_null(); }
static inline int ring3_x509s_count(const STACK_OF(X509) *stack) { return sk_X509_num(stack); }
static inline X509 *ring3_x509s_at(const STACK_OF(X509) *stack, int index) {
  return sk_X509_value(stack, index);
}
// The stack keeps its own reference.
static inline int ring3_x509s_add(STACK_OF(X509) *stack, X509 *certificate) {
  return X509_add_cert(stack, certificate, X509_ADD_FLAG_UP_REF);
}
static inline void ring3_x509s_free(STACK_OF(X509) *stack) { sk_X509_pop_free(stack, X509_free); }

static inline STACK_OF(X509_NAME) *ring3_names_new(void) { return sk_X509_NAME_new_null(); }
// Adds a copy of a certificate's subject.
static inline int ring3_names_add(STACK_OF(X509_NAME) *stack, X509 *certificate) {
  X509_NAME *name = X509_NAME_dup(X509_get_subject_name(certificate));
  if (name == NULL) return 0;
  if (sk_X509_NAME_push(stack, name) > 0) return 1;
  X509_NAME_free(name);
  return 0;
}
static inline void ring3_names_free(STACK_OF(X509_NAME) *stack) {
  sk_X509_NAME_pop_free(stack, X509_NAME_free);
}

static inline int ring3_general_names_count(const GENERAL_NAMES *names) {
  return sk_GENERAL_NAME_num(names);
}
static inline const GENERAL_NAME *ring3_general_name_at(const GENERAL_NAMES *names, int index) {
  return sk_GENERAL_NAME_value(names, index);
}
// The bytes of a dNSName (type 2) or iPAddress (type 7); NULL for others.
static inline const unsigned char *ring3_general_name(
    const GENERAL_NAME *name, int *type, int *count) {
  int kind = 0;
  void *value = GENERAL_NAME_get0_value(name, &kind);
  *type = kind;
  if (value == NULL || (kind != GEN_DNS && kind != GEN_IPADD)) return NULL;
  *count = ASN1_STRING_length((const ASN1_STRING *)value);
  return ASN1_STRING_get0_data((const ASN1_STRING *)value);
}

static inline int ring3_strings_count(const STACK_OF(OPENSSL_STRING) *strings) {
  return sk_OPENSSL_STRING_num(strings);
}
static inline const char *ring3_string_at(const STACK_OF(OPENSSL_STRING) *strings, int index) {
  return sk_OPENSSL_STRING_value(strings, index);
}

// PEM_read_bio_PrivateKey without ever asking a terminal for a password: *asked tells that the key
// is encrypted.
static inline int ring3_no_password(char *buffer, int size, int writing, void *asked) {
  (void)buffer, (void)size, (void)writing;
  *(int *)asked = 1;
  return -1;
}
static inline EVP_PKEY *ring3_read_key(BIO *bio, int *asked) {
  *asked = 0;
  return PEM_read_bio_PrivateKey(bio, NULL, ring3_no_password, asked);
}

// RFC 2253 in UTF-8.
static inline int ring3_print_name(BIO *bio, const X509_NAME *name) {
  return X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
}

static inline int ring3_ticket_mac_key(EVP_MAC_CTX *mac, const unsigned char *key, size_t count) {
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key, count),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
      OSSL_PARAM_construct_end(),
  };
  return EVP_MAC_CTX_set_params(mac, parameters);
}
