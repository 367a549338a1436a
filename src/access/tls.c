#include "access/tls.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* Of TLS 1.2: keys of the one connection, and nothing but authenticated encryption. Those of 1.3 are all of that kind.
 */
#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"
/* RFC 9266. */
#define EXPORTER_LABEL "EXPORTER-Channel-Binding"
#define EXPORTER_BYTES 32u

struct pat_tls_terms {
    SSL_CTX *context;
    bool server;
};

struct pat_tls {
    SSL *ssl;
    const unsigned char *in; /* fed and not yet taken */
    size_t in_bytes;
    struct pat_buf sealed;
    bool failed;
};

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* In front of each block of libcrypto's: how long it is, and the alignment that malloc gives. */
#define HEAD_BYTES 16u

static void *account_alloc(size_t bytes, const char *file, int line) {
    (void)file, (void)line;
    size_t whole;
    if (bytes == 0 || __builtin_add_overflow(bytes, HEAD_BYTES, &whole)) return NULL;
    unsigned char *block = pat_mem_alloc(PAT_MEM_NET, whole);
    if (block == NULL) return NULL;
    memcpy(block, &bytes, sizeof bytes);
    return block + HEAD_BYTES;
}

static void account_free(void *data, const char *file, int line) {
    (void)file, (void)line;
    if (data != NULL) pat_mem_free(PAT_MEM_NET, (unsigned char *)data - HEAD_BYTES);
}

static void *account_grow(void *data, size_t bytes, const char *file, int line) {
    size_t old = 0;
    if (data != NULL) memcpy(&old, (unsigned char *)data - HEAD_BYTES, sizeof old);
    void *fresh = account_alloc(bytes, file, line);
    if (bytes != 0 && fresh == NULL) return NULL;
    if (old > 0 && bytes > 0) memcpy(fresh, data, old < bytes ? old : bytes);
    account_free(data, file, line);
    return fresh;
}

bool pat_tls_account(void) {
    return CRYPTO_set_mem_functions(account_alloc, account_grow, account_free) == 1;
}

/* ---- the wire as libssl sees it ---------------------------------------------------------------------------------- */

/* Not OpenSSL's memory BIO: that one copies what came, keeps its greatest size for ever, and knows no budget. */
static int wire_read(BIO *bio, char *out, size_t bytes, size_t *got) {
    struct pat_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *got = bytes < tls->in_bytes ? bytes : tls->in_bytes;
    if (*got == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(out, tls->in, *got);
    tls->in += *got;
    tls->in_bytes -= *got;
    return 1;
}

static int wire_write(BIO *bio, const char *data, size_t bytes, size_t *put) {
    struct pat_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *put = pat_buf_append(&tls->sealed, data, bytes) == PAT_OK ? bytes : 0;
    return *put > 0;
}

static long wire_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *wire_method;

static void wire_method_make(void) {
    wire_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "patron");
    if (wire_method == NULL) return;
    (void)BIO_meth_set_read_ex(wire_method, wire_read);
    (void)BIO_meth_set_write_ex(wire_method, wire_write);
    (void)BIO_meth_set_ctrl(wire_method, wire_ctrl);
}

static BIO *wire_new(struct pat_tls *tls) {
    static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
    if (CRYPTO_THREAD_run_once(&once, wire_method_make) != 1 || wire_method == NULL) return NULL;
    BIO *bio = BIO_new(wire_method);
    if (bio == NULL) return NULL;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    return bio;
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

/* What libssl has to say, as far as it says anything. */
static const char *reason(void) {
    const unsigned long code = ERR_get_error();
    const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return text != NULL ? text : "no reason given";
}

static enum pat_status fail_file(struct pat_error *error, const char *what, const char *path) {
    return pat_error_set(error, PAT_ERR_IO, "%s %.250s cannot be used: %s", what, path, reason());
}

static enum pat_status no_memory(struct pat_error *error) {
    ERR_clear_error();
    return pat_error_set(error, PAT_ERR_NO_MEMORY, "no memory for TLS");
}

/* ---- terms ------------------------------------------------------------------------------------------------------- */

static enum pat_status terms_new(struct pat_tls_terms **out, bool server, struct pat_error *error) {
    ERR_clear_error();
    struct pat_tls_terms *terms = pat_mem_alloc(PAT_MEM_NET, sizeof *terms);
    if (terms == NULL) return no_memory(error);
    terms->server = server;
    terms->context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (terms->context == NULL || SSL_CTX_set_min_proto_version(terms->context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(terms->context, CIPHERS_1_2) != 1) {
        pat_tls_terms_close(&terms);
        return no_memory(error);
    }
    (void)SSL_CTX_set_options(terms->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                                  SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_session_cache_mode(terms->context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(terms->context, 0);
    /* An idle connection keeps no buffer of 16 KiB for what may come. */
    (void)SSL_CTX_set_mode(terms->context, SSL_MODE_RELEASE_BUFFERS);
    *out = terms;
    return PAT_OK;
}

static enum pat_status fail_to_read(struct pat_error *error, const char *what, const char *path) {
    return pat_error_set(error, PAT_ERR_IO, "%s %.250s cannot be read: %s", what, path, strerror(errno));
}

/* Whoever has the key is this server. */
static enum pat_status key_is_kept(const char *path, struct pat_error *error) {
    struct stat status;
    if (stat(path, &status) != 0) return fail_to_read(error, "the key", path);
    if ((status.st_mode & S_IRWXO) == 0) return PAT_OK;
    return pat_error_set(error, PAT_ERR_IO, "the key %.250s is open to everybody; chmod o= it", path);
}

static enum pat_status terms_load(struct pat_tls_terms *terms, const char *cert_path, const char *key_path,
                                  struct pat_error *error) {
    if (access(cert_path, R_OK) != 0) return fail_to_read(error, "the certificate", cert_path);
    PAT_TRY(key_is_kept(key_path, error));
    if (SSL_CTX_use_certificate_chain_file(terms->context, cert_path) != 1)
        return fail_file(error, "the certificate", cert_path);
    if (SSL_CTX_use_PrivateKey_file(terms->context, key_path, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(terms->context) != 1)
        return fail_file(error, "the key", key_path);
    return PAT_OK;
}

enum pat_status pat_tls_terms_serve(struct pat_tls_terms **out, const char *cert_path, const char *key_path,
                                    struct pat_error *error) {
    *out = NULL;
    struct pat_tls_terms *terms;
    PAT_TRY(terms_new(&terms, true, error));
    const enum pat_status status = terms_load(terms, cert_path, key_path, error);
    if (status != PAT_OK) {
        pat_tls_terms_close(&terms);
        return status;
    }
    *out = terms;
    return PAT_OK;
}

enum pat_status pat_tls_terms_ask(struct pat_tls_terms **out, const char *ca_path, bool insecure,
                                  struct pat_error *error) {
    *out = NULL;
    struct pat_tls_terms *terms;
    PAT_TRY(terms_new(&terms, false, error));
    SSL_CTX_set_verify(terms->context, insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (insecure) {
        *out = terms;
        return PAT_OK;
    }
    const int loaded = ca_path != NULL ? SSL_CTX_load_verify_file(terms->context, ca_path)
                                       : SSL_CTX_set_default_verify_paths(terms->context);
    if (loaded != 1) {
        pat_tls_terms_close(&terms);
        return fail_file(error, "the file of authorities", ca_path != NULL ? ca_path : "of the system");
    }
    *out = terms;
    return PAT_OK;
}

void pat_tls_terms_close(struct pat_tls_terms **terms) {
    if (*terms == NULL) return;
    SSL_CTX_free((*terms)->context);
    pat_mem_free(PAT_MEM_NET, *terms);
    *terms = NULL;
}

bool pat_tls_terms_equal(const struct pat_tls_terms *a, const struct pat_tls_terms *b) {
    const X509 *of_a = SSL_CTX_get0_certificate(a->context), *of_b = SSL_CTX_get0_certificate(b->context);
    return of_a != NULL && of_b != NULL && X509_cmp(of_a, of_b) == 0;
}

void pat_tls_terms_last_day(const struct pat_tls_terms *terms, char out[PAT_TLS_DAY_BYTES]) {
    const X509 *certificate = SSL_CTX_get0_certificate(terms->context);
    struct tm at = {0};
    if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &at) != 1) {
        out[0] = '\0';
        return;
    }
    if (strftime(out, PAT_TLS_DAY_BYTES, "%Y-%m-%d", &at) == 0) out[0] = '\0';
}

/* ---- a connection ------------------------------------------------------------------------------------------------ */

static bool is_numeric(const char *name) {
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* An address stands in a certificate as one, and is no name to ask for. */
static bool expect_name(SSL *ssl, const char *name) {
    if (is_numeric(name)) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}

enum pat_status pat_tls_open(struct pat_tls **out, const struct pat_tls_terms *terms, const char *server_name,
                             struct pat_error *error) {
    *out = NULL;
    ERR_clear_error();
    struct pat_tls *tls = pat_mem_alloc(PAT_MEM_NET, sizeof *tls);
    if (tls == NULL) return no_memory(error);
    pat_buf_init(&tls->sealed, PAT_MEM_NET);
    tls->ssl = SSL_new(terms->context);
    BIO *wire = tls->ssl != NULL ? wire_new(tls) : NULL;
    if (wire == NULL || (server_name != NULL && !expect_name(tls->ssl, server_name))) {
        BIO_free(wire);
        pat_tls_close(&tls);
        return no_memory(error);
    }
    SSL_set_bio(tls->ssl, wire, wire);
    if (terms->server) {
        SSL_set_accept_state(tls->ssl);
    } else {
        SSL_set_connect_state(tls->ssl);
    }
    *out = tls;
    return PAT_OK;
}

void pat_tls_close(struct pat_tls **tls) {
    if (*tls == NULL) return;
    SSL_free((*tls)->ssl);
    pat_buf_deinit(&(*tls)->sealed);
    pat_mem_free(PAT_MEM_NET, *tls);
    *tls = NULL;
}

void pat_tls_feed(struct pat_tls *tls, const void *data, size_t bytes) {
    tls->in = data;
    tls->in_bytes = bytes;
}

static enum pat_status fail(struct pat_tls *tls, struct pat_error *error) {
    tls->failed = true;
    tls->in_bytes = 0;
    const long verified = SSL_get_verify_result(tls->ssl);
    if (SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE && verified != X509_V_OK) {
        ERR_clear_error();
        return pat_error_set(error, PAT_ERR_IO, "the certificate is not good: %s",
                             X509_verify_cert_error_string(verified));
    }
    return pat_error_set(error, PAT_ERR_IO, "TLS failed: %s", reason());
}

enum pat_status pat_tls_read(struct pat_tls *tls, void *out, size_t capacity, size_t *got, struct pat_error *error) {
    *got = 0;
    if (tls->failed) return pat_error_set(error, PAT_ERR_IO, "TLS failed before");
    ERR_clear_error();
    if (SSL_read_ex(tls->ssl, out, capacity, got) == 1) return PAT_OK;
    *got = 0;
    switch (SSL_get_error(tls->ssl, 0)) {
    case SSL_ERROR_WANT_READ: return PAT_ERR_MORE;
    case SSL_ERROR_ZERO_RETURN: tls->in_bytes = 0; return PAT_OK;
    default: return fail(tls, error);
    }
}

enum pat_status pat_tls_write(struct pat_tls *tls, const void *data, size_t bytes, struct pat_error *error) {
    size_t put;
    if (tls->failed) return pat_error_set(error, PAT_ERR_IO, "TLS failed before");
    ERR_clear_error();
    if (bytes == 0 || SSL_write_ex(tls->ssl, data, bytes, &put) == 1) return PAT_OK;
    return fail(tls, error);
}

void pat_tls_end(struct pat_tls *tls) {
    if (tls->failed || !pat_tls_ready(tls)) return;
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

struct pat_buf *pat_tls_sealed(struct pat_tls *tls) {
    return &tls->sealed;
}

bool pat_tls_ready(const struct pat_tls *tls) {
    return SSL_is_init_finished(tls->ssl) == 1;
}

const char *pat_tls_version(const struct pat_tls *tls) {
    return SSL_get_version(tls->ssl);
}

/* ---- bindings ---------------------------------------------------------------------------------------------------- */

/* RFC 9266. With TLS 1.2 only where the secret depends on the whole handshake (RFC 7627). */
static bool bind_exporter(SSL *ssl, struct pat_scram_binding *out) {
    if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1) return false;
    out->name = "tls-exporter";
    out->bytes = EXPORTER_BYTES;
    return SSL_export_keying_material(ssl, out->data, EXPORTER_BYTES, EXPORTER_LABEL, strlen(EXPORTER_LABEL),
                                      (const unsigned char *)"", 0, 1) == 1;
}

/* RFC 5929: the server's certificate by the hash of its own signature, or SHA-256 where that is older. */
static bool bind_end_point(SSL *ssl, struct pat_scram_binding *out) {
    const X509 *certificate = SSL_get_certificate(ssl);
    int hash = NID_undef;
    if (certificate == NULL || X509_get_signature_info((X509 *)certificate, &hash, NULL, NULL, NULL) != 1) return false;
    if (hash == NID_md5 || hash == NID_sha1) hash = NID_sha256;
    const EVP_MD *method = EVP_get_digestbynid(hash);
    unsigned bytes = 0;
    if (method == NULL || EVP_MD_get_size(method) > (int)sizeof out->data) return false;
    out->name = "tls-server-end-point";
    const bool made = X509_digest(certificate, method, out->data, &bytes) == 1;
    out->bytes = bytes;
    return made;
}

unsigned pat_tls_bindings(const struct pat_tls *tls, struct pat_scram_binding out[PAT_TLS_BINDINGS_MAX]) {
    unsigned count = 0;
    if (!pat_tls_ready(tls)) return 0;
    if (bind_exporter(tls->ssl, &out[count])) count++;
    if (SSL_is_server(tls->ssl) == 1 && bind_end_point(tls->ssl, &out[count])) count++;
    ERR_clear_error();
    return count;
}
