/*
 * Every signature and every decryption of the provider, with keys of every sort, against the default provider: what has one right
 * answer must be the same, what is drawn at random must be accepted by the other, and what is wrong must be refused in the same way.
 * Exits with 0 if all went well. The configuration is that of OPENSSL_CONF; it names both providers.
 *
 * Usage: operations ROUNDS
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

static char doing[200];

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "%s: %s:%d: %s\n", doing, __func__, __LINE__, #condition);    \
            ERR_print_errors_fp(stderr);                                                  \
            exit(1);                                                                      \
        }                                                                                 \
    } while (0)

enum { DEFAULT, OURS, SIDES };
static const char *const properties[SIDES] = {"provider=default", "provider=hotspare"};

struct key {
    const char *name, *algorithm;
    EVP_PKEY *of[SIDES];
};

struct bytes {
    unsigned char data[1100];
    size_t length;
    int done;
};

static void now(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(doing, sizeof(doing), format, arguments);
    va_end(arguments);
}

static int same(const struct bytes *left, const struct bytes *right) {
    return left->done == right->done &&
           (left->done != 1 || (left->length == right->length && !memcmp(left->data, right->data, left->length)));
}

/* ---- Keys ---- */

static void take_over(struct key *key, OSSL_PARAM *params) {
    for (int side = 0; side < SIDES; side++) {
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, key->algorithm, properties[side]);
        CHECK(context && EVP_PKEY_fromdata_init(context) == 1);
        CHECK(EVP_PKEY_fromdata(context, &key->of[side], EVP_PKEY_KEYPAIR, params) == 1);
        EVP_PKEY_CTX_free(context);
    }
    OSSL_PARAM_free(params);
}

static EVP_PKEY *generate(const char *algorithm, const char *group, size_t bits, size_t primes) {
    OSSL_PARAM params[4], *next = params;
    if (group)
        *next++ = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)group, 0);
    if (bits)
        *next++ = OSSL_PARAM_construct_size_t(OSSL_PKEY_PARAM_RSA_BITS, &bits);
    if (primes)
        *next++ = OSSL_PARAM_construct_size_t(OSSL_PKEY_PARAM_RSA_PRIMES, &primes);
    *next = OSSL_PARAM_construct_end();
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, algorithm, properties[DEFAULT]);
    CHECK(context && EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_CTX_set_params(context, params) == 1);
    CHECK(EVP_PKEY_generate(context, &key) == 1);
    EVP_PKEY_CTX_free(context);
    return key;
}

static struct key make(const char *name, const char *algorithm, const char *group, size_t bits, size_t primes) {
    now("making %s", name);
    struct key key = {name, algorithm, {NULL}};
    EVP_PKEY *made = generate(algorithm, group, bits, primes);
    OSSL_PARAM *params = NULL;
    CHECK(EVP_PKEY_todata(made, EVP_PKEY_KEYPAIR, &params) == 1);
    take_over(&key, params);
    EVP_PKEY_free(made);
    return key;
}

/* Modulus and both exponents, no primes. */
static struct key make_without_primes(const char *name, size_t bits) {
    now("making %s", name);
    struct key key = {name, "RSA", {NULL}};
    EVP_PKEY *made = generate("RSA", NULL, bits, 0);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *numbers[3] = {NULL};
    const char *const names[] = {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D};
    for (int i = 0; i < 3; i++) {
        CHECK(EVP_PKEY_get_bn_param(made, names[i], &numbers[i]) == 1);
        CHECK(OSSL_PARAM_BLD_push_BN(builder, names[i], numbers[i]) == 1);
    }
    take_over(&key, OSSL_PARAM_BLD_to_param(builder));
    for (int i = 0; i < 3; i++)
        BN_clear_free(numbers[i]);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_free(made);
    return key;
}

/* ---- Signatures ---- */

struct scheme {
    const char *digest;
    int padding, salt;
    const char *mask_digest;
};

static void set_up(EVP_PKEY_CTX *context, const struct scheme *scheme) {
    if (scheme->padding)
        CHECK(EVP_PKEY_CTX_set_rsa_padding(context, scheme->padding) == 1);
    if (scheme->padding == RSA_PKCS1_PSS_PADDING) {
        CHECK(EVP_PKEY_CTX_set_rsa_pss_saltlen(context, scheme->salt) == 1);
        if (scheme->mask_digest)
            CHECK(EVP_PKEY_CTX_set_rsa_mgf1_md_name(context, scheme->mask_digest, NULL) == 1);
    }
}

static EVP_MD_CTX *begin_message(const struct key *key, int side, const struct scheme *scheme, int verifies) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *settings = NULL;
    CHECK((verifies ? EVP_DigestVerifyInit_ex : EVP_DigestSignInit_ex)(context, &settings, scheme->digest, NULL,
                                                                      properties[side], key->of[side], NULL) == 1);
    set_up(settings, scheme);
    return context;
}

/* Ways to give a message: at once, in parts, or in parts with a copy made half-way, which is what is finished. */
enum way { AT_ONCE, IN_PARTS, BY_COPY, WAYS };

static EVP_MD_CTX *give(EVP_MD_CTX *context, enum way way, const unsigned char *message, size_t length, int verifies) {
    int (*update)(EVP_MD_CTX *, const void *, size_t) = verifies ? EVP_DigestVerifyUpdate : EVP_DigestSignUpdate;
    size_t half = length / 2;
    CHECK(update(context, message, half) == 1);
    if (way == BY_COPY) {
        EVP_MD_CTX *copy = EVP_MD_CTX_new();
        CHECK(EVP_MD_CTX_copy_ex(copy, context) == 1);
        CHECK(update(context, "something else", 14) == 1);
        EVP_MD_CTX_free(context);
        context = copy;
    }
    CHECK(update(context, message + half, length - half) == 1);
    return context;
}

static struct bytes sign_message(const struct key *key, int side, const struct scheme *scheme, enum way way,
                                 const unsigned char *message, size_t length) {
    struct bytes signature = {.length = sizeof(signature.data)};
    EVP_MD_CTX *context = begin_message(key, side, scheme, 0);
    if (way == AT_ONCE) {
        signature.done = EVP_DigestSign(context, signature.data, &signature.length, message, length);
    } else {
        context = give(context, way, message, length, 0);
        signature.done = EVP_DigestSignFinal(context, signature.data, &signature.length);
    }
    EVP_MD_CTX_free(context);
    return signature;
}

static int verify_message(const struct key *key, int side, const struct scheme *scheme, enum way way,
                          const unsigned char *message, size_t length, const struct bytes *signature) {
    EVP_MD_CTX *context = begin_message(key, side, scheme, 1);
    int done;
    if (way == AT_ONCE) {
        done = EVP_DigestVerify(context, signature->data, signature->length, message, length);
    } else {
        context = give(context, way, message, length, 1);
        done = EVP_DigestVerifyFinal(context, signature->data, signature->length);
    }
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return done;
}

static EVP_PKEY_CTX *begin(const struct key *key, int side, int (*init)(EVP_PKEY_CTX *)) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key->of[side], properties[side]);
    CHECK(context && init(context) == 1);
    return context;
}

static struct bytes sign_bare(const struct key *key, int side, const struct scheme *scheme, const unsigned char *data, size_t length) {
    struct bytes signature = {.length = sizeof(signature.data)};
    EVP_PKEY_CTX *context = begin(key, side, EVP_PKEY_sign_init);
    if (scheme->digest)
        CHECK(EVP_PKEY_CTX_set_signature_md(context, EVP_get_digestbyname(scheme->digest)) == 1);
    set_up(context, scheme);
    signature.done = EVP_PKEY_sign(context, signature.data, &signature.length, data, length);
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    return signature;
}

/* The answer, and in `reason` why. */
static int verify_bare(const struct key *key, int side, const unsigned char *data, size_t length, const struct bytes *signature,
                       int *reason) {
    EVP_PKEY_CTX *context = begin(key, side, EVP_PKEY_verify_init);
    ERR_clear_error();
    int done = EVP_PKEY_verify(context, signature->data, signature->length, data, length);
    *reason = ERR_GET_REASON(ERR_peek_error());
    ERR_clear_error();
    EVP_PKEY_CTX_free(context);
    return done;
}

static void check_messages(const struct key *key, const struct scheme *schemes, int is_deterministic) {
    unsigned char message[1000];
    for (; schemes->digest; schemes++) {
        CHECK(RAND_bytes(message, sizeof(message)) == 1);
        for (int way = 0; way < WAYS; way++) {
            now("%s, digest %s, padding %d, salt %d, way %d", key->name, schemes->digest, schemes->padding, schemes->salt, way);
            size_t length = way == AT_ONCE ? 10 : sizeof(message);
            struct bytes signatures[SIDES];
            for (int side = 0; side < SIDES; side++) {
                signatures[side] = sign_message(key, side, schemes, way, message, length);
                ERR_clear_error();
            }
            CHECK(signatures[OURS].done == signatures[DEFAULT].done);
            /* X9.31 needs a modulus of whole bytes. */
            if (signatures[DEFAULT].done != 1 && schemes->padding == RSA_X931_PADDING)
                continue;
            CHECK(signatures[OURS].done == 1);
            if (is_deterministic && schemes->padding != RSA_PKCS1_PSS_PADDING)
                CHECK(same(&signatures[DEFAULT], &signatures[OURS]));
            for (int signer = 0; signer < SIDES; signer++) {
                for (int verifier = 0; verifier < SIDES; verifier++) {
                    message[0] ^= 1;
                    CHECK(verify_message(key, verifier, schemes, way, message, length, &signatures[signer]) == 0);
                    message[0] ^= 1;
                    CHECK(verify_message(key, verifier, schemes, way, message, length, &signatures[signer]) == 1);
                }
            }
        }
    }
}

static const struct scheme rsa_schemes[] = {
    {"SHA256", RSA_PKCS1_PADDING, 0, NULL}, {"SHA1", RSA_PKCS1_PADDING, 0, NULL}, {"SHA3-512", RSA_PKCS1_PADDING, 0, NULL},
    {"MD5-SHA1", RSA_PKCS1_PADDING, 0, NULL}, {"RIPEMD160", RSA_PKCS1_PADDING, 0, NULL},
    {"SHA256", RSA_X931_PADDING, 0, NULL}, {"SHA512", RSA_X931_PADDING, 0, NULL},
    {"SHA256", RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_DIGEST, NULL}, {"SHA256", RSA_PKCS1_PSS_PADDING, 20, "SHA1"},
    {"SHA384", RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_MAX, NULL}, {"SHA256", RSA_PKCS1_PSS_PADDING, 0, NULL},
    {NULL, 0, 0, NULL},
};
static const struct scheme pss_schemes[] = {
    {"SHA256", RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_DIGEST, NULL}, {"SHA512", RSA_PKCS1_PSS_PADDING, 20, "SHA256"},
    {NULL, 0, 0, NULL},
};
static const struct scheme ec_schemes[] = {
    {"SHA256", 0, 0, NULL}, {"SHA1", 0, 0, NULL}, {"SHA512", 0, 0, NULL}, {"SHA3-384", 0, 0, NULL}, {NULL, 0, 0, NULL},
};

static void check_bare_rsa(const struct key *key) {
    unsigned char block[1100];
    size_t size = (size_t)EVP_PKEY_get_size(key->of[DEFAULT]);
    CHECK(RAND_bytes(block, sizeof(block)) == 1);
    static const struct scheme schemes[] = {
        {NULL, RSA_PKCS1_PADDING, 0, NULL}, {"SHA256", RSA_PKCS1_PADDING, 0, NULL}, {"SHA384", RSA_X931_PADDING, 0, NULL},
        {NULL, RSA_NO_PADDING, 0, NULL},
    };
    const size_t lengths[] = {0, 1, 32, 48, 64, size - 11, size - 10, size - 1, size, size + 1};
    for (size_t scheme = 0; scheme < sizeof(schemes) / sizeof(*schemes); scheme++) {
        for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
            for (int top = 0; top < 2; top++) {
                block[0] = top ? 0xff : 0;
                now("%s, bare, digest %s, padding %d, %zu bytes", key->name, schemes[scheme].digest ? schemes[scheme].digest : "none",
                    schemes[scheme].padding, lengths[i]);
                struct bytes signatures[SIDES];
                for (int side = 0; side < SIDES; side++)
                    signatures[side] = sign_bare(key, side, &schemes[scheme], block, lengths[i]);
                CHECK(same(&signatures[DEFAULT], &signatures[OURS]));
            }
        }
    }
}

/* Signatures of another form, each way to be wrong; what is done with them is compared. */
static void check_bare_ec(const struct key *key) {
    unsigned char digest[64];
    static const struct scheme none = {NULL, 0, 0, NULL};
    CHECK(RAND_bytes(digest, sizeof(digest)) == 1);
    for (size_t length = 1; length <= sizeof(digest); length += 9) {
        for (int signer = 0; signer < SIDES; signer++) {
            struct bytes good = sign_bare(key, signer, &none, digest, length);
            CHECK(good.done == 1);
            size_t header = good.data[1] == 0x81 ? 3 : 2;
            for (int wrong = 0; wrong < 14; wrong++) {
                now("%s, bare, %zu bytes, signed by %s, wrong in way %d", key->name, length, properties[signer], wrong);
                struct bytes bad = good;
                int reasons[SIDES], answers[SIDES];
                switch (wrong) {
                case 0: break;
                case 1: bad.data[good.length - 1] ^= 1; break;
                case 2: bad.data[header + 5] ^= 0x10; break;
                case 3: bad.data[0] ^= 1; break;
                case 4: bad.data[good.length] = 0; bad.length++; break;
                case 5: bad.length--; break;
                case 6: bad.length = 0; break;
                case 7: bad.data[header] = 3; break;
                case 8: bad.data[header - 1]++; break;
                /* r is negative, or longer than it need be, or the curve's prime and more. */
                case 9: bad.data[header + 2] ^= 0x80; break;
                case 10: memset(bad.data + header + 2, 0, 2); break;
                case 11: memset(bad.data + header + 3, 0xff, bad.data[header + 1] - 1u); break;
                /* r and s are zero, or one. */
                case 12: memcpy(bad.data, "\x30\6\2\1\0\2\1\0", bad.length = 8); break;
                case 13: memcpy(bad.data, "\x30\6\2\1\1\2\1\1", bad.length = 8); break;
                }
                for (int side = 0; side < SIDES; side++)
                    answers[side] = verify_bare(key, side, digest, length, &bad, &reasons[side]);
                CHECK(answers[DEFAULT] == answers[OURS] && reasons[DEFAULT] == reasons[OURS]);
                CHECK(wrong == 0 ? answers[OURS] == 1 : answers[OURS] != 1);
            }
        }
    }
}

/* ---- Decryption ---- */

struct cipher {
    int padding;
    const char *digest, *mask_digest, *label;
    unsigned int client, negotiated;
};

static void set_up_cipher(EVP_PKEY_CTX *context, const struct cipher *cipher, int decrypts) {
    OSSL_PARAM params[7], *next = params;
    int padding = cipher->padding;
    unsigned int client = cipher->client, negotiated = cipher->negotiated;
    /* What TLS sends is padded as any message. */
    if (padding == RSA_PKCS1_WITH_TLS_PADDING && !decrypts)
        padding = RSA_PKCS1_PADDING;
    *next++ = OSSL_PARAM_construct_int(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, &padding);
    if (cipher->digest)
        *next++ = OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, (char *)cipher->digest, 0);
    if (cipher->mask_digest)
        *next++ = OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, (char *)cipher->mask_digest, 0);
    if (cipher->label)
        *next++ = OSSL_PARAM_construct_octet_string(OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL, (char *)cipher->label, strlen(cipher->label));
    if (decrypts && client)
        *next++ = OSSL_PARAM_construct_uint(OSSL_ASYM_CIPHER_PARAM_TLS_CLIENT_VERSION, &client);
    if (decrypts && negotiated)
        *next++ = OSSL_PARAM_construct_uint(OSSL_ASYM_CIPHER_PARAM_TLS_NEGOTIATED_VERSION, &negotiated);
    *next = OSSL_PARAM_construct_end();
    CHECK(EVP_PKEY_CTX_set_params(context, params) == 1);
}

static struct bytes encrypt(const struct key *key, int side, const struct cipher *cipher, const unsigned char *message, size_t length) {
    struct bytes sealed = {.length = sizeof(sealed.data)};
    EVP_PKEY_CTX *context = begin(key, side, EVP_PKEY_encrypt_init);
    set_up_cipher(context, cipher, 0);
    sealed.done = EVP_PKEY_encrypt(context, sealed.data, &sealed.length, message, length);
    CHECK(sealed.done == 1);
    EVP_PKEY_CTX_free(context);
    return sealed;
}

static struct bytes decrypt(const struct key *key, int side, const struct cipher *cipher, const struct bytes *sealed, size_t room) {
    struct bytes message = {.length = room};
    EVP_PKEY_CTX *context = begin(key, side, EVP_PKEY_decrypt_init);
    set_up_cipher(context, cipher, 1);
    /* A copy has the same settings. */
    EVP_PKEY_CTX *copy = EVP_PKEY_CTX_dup(context);
    CHECK(copy);
    EVP_PKEY_CTX_free(context);
    message.done = EVP_PKEY_decrypt(copy, message.data, &message.length, sealed->data, sealed->length);
    EVP_PKEY_CTX_free(copy);
    ERR_clear_error();
    return message;
}

static void check_decryption(const struct key *key) {
    static const struct cipher ciphers[] = {
        {RSA_PKCS1_PADDING, NULL, NULL, NULL, 0, 0},
        {RSA_PKCS1_OAEP_PADDING, NULL, NULL, NULL, 0, 0},
        {RSA_PKCS1_OAEP_PADDING, "SHA256", "SHA1", NULL, 0, 0},
        {RSA_PKCS1_OAEP_PADDING, "SHA512", NULL, "a label", 0, 0},
        {RSA_NO_PADDING, NULL, NULL, NULL, 0, 0},
        {RSA_PKCS1_WITH_TLS_PADDING, NULL, NULL, NULL, 0x303, 0},
        {RSA_PKCS1_WITH_TLS_PADDING, NULL, NULL, NULL, 0x304, 0x303},
        {RSA_PKCS1_WITH_TLS_PADDING, NULL, NULL, NULL, 0x302, 0},
    };
    unsigned char message[1100];
    size_t size = (size_t)EVP_PKEY_get_size(key->of[DEFAULT]);
    for (size_t i = 0; i < sizeof(ciphers) / sizeof(*ciphers); i++) {
        const struct cipher *cipher = &ciphers[i];
        int is_tls = cipher->padding == RSA_PKCS1_WITH_TLS_PADDING;
        CHECK(RAND_bytes(message, sizeof(message)) == 1);
        message[0] = cipher->padding == RSA_NO_PADDING ? 0 : 3;
        message[1] = 3;
        size_t length = cipher->padding == RSA_NO_PADDING ? size : 48;
        struct bytes sealed = encrypt(key, (int)i % SIDES, cipher, message, length);
        for (int wrong = 0; wrong < 5; wrong++) {
            now("%s, decryption %zu, wrong in way %d", key->name, i, wrong);
            struct bytes input = sealed, answers[SIDES];
            size_t room = sizeof(input.data);
            switch (wrong) {
            case 1: input.data[40] ^= 1; break;
            case 2: input.length--; break;
            case 3: memset(input.data, 0xff, input.length); break;
            case 4: room = 10; break;
            }
            for (int side = 0; side < SIDES; side++)
                answers[side] = decrypt(key, side, cipher, &input, room);
            int is_made_up = is_tls && (wrong == 1 || wrong == 2 || cipher->client == 0x302) && answers[DEFAULT].done == 1;
            if (is_made_up) {
                CHECK(answers[OURS].done == 1 && answers[OURS].length == 48 && answers[DEFAULT].length == 48);
                CHECK(memcmp(answers[OURS].data, message, 48) && memcmp(answers[OURS].data, answers[DEFAULT].data, 48));
            } else {
                CHECK(same(&answers[DEFAULT], &answers[OURS]));
                if (wrong == 0)
                    CHECK(answers[OURS].done == 1 && answers[OURS].length == length && !memcmp(answers[OURS].data, message, length));
            }
        }
    }
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    CHECK(OSSL_PROVIDER_available(NULL, "default") && OSSL_PROVIDER_available(NULL, "hotspare"));
    struct key rsa[] = {
        make("rsa2048", "RSA", NULL, 2048, 0), make("rsa2050", "RSA", NULL, 2050, 0), make("rsa4096", "RSA", NULL, 4096, 0),
        make("three primes", "RSA", NULL, 2048, 3), make_without_primes("no primes", 2048),
    };
    struct key pss = make("pss", "RSA-PSS", NULL, 2048, 0);
    struct key ec[] = {make("p256", "EC", "P-256", 0, 0), make("p384", "EC", "P-384", 0, 0), make("p521", "EC", "P-521", 0, 0)};
    for (int round = 0; round < atoi(arguments[1]); round++) {
        for (size_t i = 0; i < sizeof(rsa) / sizeof(*rsa); i++) {
            check_messages(&rsa[i], rsa_schemes, 1);
            check_bare_rsa(&rsa[i]);
            check_decryption(&rsa[i]);
        }
        check_messages(&pss, pss_schemes, 0);
        for (size_t i = 0; i < sizeof(ec) / sizeof(*ec); i++) {
            check_messages(&ec[i], ec_schemes, 0);
            check_bare_ec(&ec[i]);
        }
    }
    return 0;
}
