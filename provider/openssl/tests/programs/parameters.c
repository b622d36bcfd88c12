/*
 * Compares every algorithm of the provider with that of the same name in the default provider: its names, the parameters that
 * can be got and set, the values that are got, and what comes of setting them, for the same keys. Exits with 0 if nothing
 * differs; what differs is said.
 *
 * Usage: parameters MODULE-FOLDER MODULE-NAME KIND
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "%s:%d: %s\n", __func__, __LINE__, #condition);               \
            ERR_print_errors_fp(stderr);                                                  \
            exit(2);                                                                      \
        }                                                                                 \
    } while (0)

static OSSL_LIB_CTX *library;

/* What is looked at, and what is found: for the default provider and for ours. */
static const char *const properties[2] = {"provider=default", "provider=hotspare"};
static FILE *found;
static int compared, differences;

/* One line of what is found. */
static void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(found, format, arguments);
    va_end(arguments);
    fputc('\n', found);
}

/* Runs `look` for both providers; both must find the same. */
static void compare(const char *what, void (*look)(int side, void *argument), void *argument) {
    char *text[2];
    size_t length[2];
    for (int side = 0; side < 2; side++) {
        CHECK(found = open_memstream(&text[side], &length[side]));
        ERR_clear_error();
        look(side, argument);
        fclose(found);
    }
    compared++;
    if (strcmp(text[0], text[1])) {
        differences++;
        fprintf(stderr, "%s:\n", what);
        char *rest[2] = {text[0], text[1]}, *line[2];
        /* The first line that differs says most. */
        do {
            line[0] = strsep(&rest[0], "\n");
            line[1] = strsep(&rest[1], "\n");
        } while (line[0] && line[1] && !strcmp(line[0], line[1]));
        fprintf(stderr, "  default:  %s\n  hotspare: %s\n", line[0] ? line[0] : "(nothing more)",
                line[1] ? line[1] : "(nothing more)");
    }
    free(text[0]);
    free(text[1]);
}

/* ---- Parameters ---- */

/* An empty list says no more than no list: OpenSSL 3.5 has empty ones for X25519, for parameters of validated builds only. */
static void say_list(const char *what, const OSSL_PARAM *list) {
    say("%s:%s", what, list && list->key ? "" : " none");
    for (; list && list->key; list++)
        say("  %s: type %u, size %zu", list->key, list->data_type, list->data_size);
}

static void say_value(int done, const OSSL_PARAM *param) {
    fprintf(found, "  %s = %d", param->key, done);
    if (param->return_size == OSSL_PARAM_UNMODIFIED) {
        fprintf(found, ", not answered");
    } else {
        const unsigned char *data = param->data;
        if (param->data_type == OSSL_PARAM_UTF8_PTR || param->data_type == OSSL_PARAM_OCTET_PTR)
            data = *(unsigned char **)param->data;
        fprintf(found, ", %zu bytes:", param->return_size);
        for (size_t i = 0; data && i < param->return_size; i++)
            fprintf(found, "%02x", data[i]);
    }
    fputc('\n', found);
}

typedef int getter(void *object, OSSL_PARAM *params);

/* Each value of the list, by itself, with room enough and (where that makes a difference) without. */
static void say_values(const OSSL_PARAM *list, getter *get, void *object) {
    for (; list && list->key; list++) {
        static unsigned char room[8192];
        size_t sizes[] = {list->data_size ? list->data_size : sizeof(room), 1, 0};
        for (int i = 0; i < 3; i++) {
            OSSL_PARAM params[2] = {*list, OSSL_PARAM_END};
            memset(room, 0, sizeof(room));
            params[0].data = sizes[i] ? room : NULL;
            params[0].data_size = sizes[i];
            params[0].return_size = OSSL_PARAM_UNMODIFIED;
            int is_pointer = list->data_type == OSSL_PARAM_UTF8_PTR || list->data_type == OSSL_PARAM_OCTET_PTR;
            if (is_pointer && i)
                break;
            int done = get(object, params);
            /* Without room only the length counts. */
            if (i) {
                say("  %s with room for %zu: %d, %zd bytes", list->key, sizes[i], done, (ssize_t)params[0].return_size);
            } else {
                say_value(done, params);
            }
        }
    }
}

static int get_of_key(void *key, OSSL_PARAM *params) { return EVP_PKEY_get_params(key, params); }
static int get_of_context(void *context, OSSL_PARAM *params) { return EVP_PKEY_CTX_get_params(context, params); }
static int get_of_digest(void *context, OSSL_PARAM *params) { return EVP_MD_CTX_get_params(context, params); }

/* Why the last call failed, in OpenSSL's words. */
static void say_error(void) {
    unsigned long error = ERR_peek_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    say("  reason: %s", reason ? reason : "none");
    ERR_clear_error();
}

/* ---- Keys ---- */

struct kind {
    /* Its name here, its algorithm, and what it is generated with. */
    const char *name, *algorithm, *group;
    size_t bits;
    const char *digest, *mask_digest;
    int salt;
};

static const struct kind kinds[] = {
    {"rsa1024", "RSA", NULL, 1024, NULL, NULL, -1},
    {"rsa2048", "RSA", NULL, 2048, NULL, NULL, -1},
    {"pss", "RSA-PSS", NULL, 2048, NULL, NULL, -1},
    {"restricted-pss", "RSA-PSS", NULL, 2048, "SHA256", "SHA1", 20},
    {"p256", "EC", "P-256", 0, NULL, NULL, -1},
    {"p384", "EC", "P-384", 0, NULL, NULL, -1},
    {"p521", "EC", "P-521", 0, NULL, NULL, -1},
    {"secp256k1", "EC", "secp256k1", 0, NULL, NULL, -1},
    {"x25519", "X25519", NULL, 0, NULL, NULL, -1},
    {"x448", "X448", NULL, 0, NULL, NULL, -1},
    {"ffdhe2048", "DH", "ffdhe2048", 0, NULL, NULL, -1},
    {"modp_2048", "DH", "modp_2048", 0, NULL, NULL, -1},
    {"dh_2048_256", "DHX", "dh_2048_256", 0, NULL, NULL, -1},
    {NULL, NULL, NULL, 0, NULL, NULL, -1},
};

static int add_string(OSSL_PARAM *params, const char *key, const char *value) {
    if (value)
        *params = OSSL_PARAM_construct_utf8_string(key, (char *)value, 0);
    return value != NULL;
}

static EVP_PKEY *generate(const struct kind *kind, const char *query) {
    OSSL_PARAM params[6];
    size_t bits = kind->bits;
    int count = 0, salt = kind->salt;
    count += add_string(params + count, OSSL_PKEY_PARAM_GROUP_NAME, kind->group);
    count += add_string(params + count, OSSL_PKEY_PARAM_RSA_DIGEST, kind->digest);
    count += add_string(params + count, OSSL_PKEY_PARAM_RSA_MGF1_DIGEST, kind->mask_digest);
    if (bits)
        params[count++] = OSSL_PARAM_construct_size_t(OSSL_PKEY_PARAM_RSA_BITS, &bits);
    if (salt >= 0)
        params[count++] = OSSL_PARAM_construct_int(OSSL_PKEY_PARAM_RSA_PSS_SALTLEN, &salt);
    params[count] = OSSL_PARAM_construct_end();
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(library, kind->algorithm, query);
    CHECK(context && EVP_PKEY_keygen_init(context) == 1);
    CHECK(EVP_PKEY_CTX_set_params(context, params) == 1);
    CHECK(EVP_PKEY_generate(context, &key) == 1);
    EVP_PKEY_CTX_free(context);
    return key;
}

/* The same key in the key manager of `query`. */
static EVP_PKEY *taken_over(EVP_PKEY *key, const char *algorithm, int selection, const char *query) {
    OSSL_PARAM *params = NULL;
    EVP_PKEY *copy = NULL;
    CHECK(EVP_PKEY_todata(key, selection, &params) == 1);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(library, algorithm, query);
    CHECK(context && EVP_PKEY_fromdata_init(context) == 1);
    CHECK(EVP_PKEY_fromdata(context, &copy, selection, params) == 1);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return copy;
}

struct keys {
    const struct kind *kind;
    /* Of each provider: the pair, its public half, and somebody else's public half. */
    EVP_PKEY *pair[2], *public_half[2], *peer[2];
};

static const int selections[] = {EVP_PKEY_KEY_PARAMETERS, EVP_PKEY_PUBLIC_KEY, EVP_PKEY_KEYPAIR};

static void look_at_key(EVP_PKEY *key) {
    say("bits %d, security %d, size %d", EVP_PKEY_get_bits(key), EVP_PKEY_get_security_bits(key), EVP_PKEY_get_size(key));
    char name[64] = "";
    int answer = EVP_PKEY_get_default_digest_name(key, name, sizeof(name));
    say("default digest: %d %s", answer, name);
    answer = EVP_PKEY_get_group_name(key, name, sizeof(name), NULL);
    say("group: %d %s", answer, answer ? name : "");
    say_error();
    say_list("gettable", EVP_PKEY_gettable_params(key));
    say_values(EVP_PKEY_gettable_params(key), get_of_key, key);
    say_list("settable", EVP_PKEY_settable_params(key));
    for (int i = 0; i < 3; i++) {
        OSSL_PARAM *params = NULL;
        int done = EVP_PKEY_todata(key, selections[i], &params);
        say("exported as %#x: %d", selections[i], done);
        for (OSSL_PARAM *param = params; param && param->key; param++) {
            param->return_size = param->data_size;
            say_value(param->data_type, param);
        }
        OSSL_PARAM_free(params);
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(library, key, NULL);
        CHECK(context && EVP_PKEY_fromdata_init(context) == 1);
        say_list("importable", EVP_PKEY_fromdata_settable(context, selections[i]));
        EVP_PKEY_CTX_free(context);
    }
    unsigned char *encoded = NULL;
    size_t length = EVP_PKEY_get1_encoded_public_key(key, &encoded);
    say("encoded: %zu bytes", length);
    for (size_t i = 0; i < length; i++)
        fprintf(found, "%02x", encoded[i]);
    OPENSSL_free(encoded);
    say_error();
}

static void look_at_pair(int side, void *argument) { look_at_key(((struct keys *)argument)->pair[side]); }
static void look_at_public(int side, void *argument) { look_at_key(((struct keys *)argument)->public_half[side]); }

static void look_at_checks(int side, void *argument) {
    struct keys *keys = argument;
    EVP_PKEY *sorts[] = {keys->pair[side], keys->public_half[side]};
    for (int i = 0; i < 2; i++) {
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(library, sorts[i], properties[side]);
        CHECK(context);
        int whole = EVP_PKEY_check(context), pairwise = EVP_PKEY_pairwise_check(context);
        say("check %d, pairwise %d", whole, pairwise);
        int public = EVP_PKEY_public_check(context), private = EVP_PKEY_private_check(context);
        say("public %d, private %d, parameters %d", public, private, EVP_PKEY_param_check(context));
        EVP_PKEY_CTX_free(context);
        EVP_PKEY *copy = EVP_PKEY_dup(sorts[i]);
        say("duplicate: %d, equal %d, to the peer %d", copy != NULL, copy ? EVP_PKEY_eq(copy, sorts[i]) : -9,
            EVP_PKEY_eq(sorts[i], keys->peer[side]));
        say("equal to the public half: %d, parameters equal: %d", EVP_PKEY_eq(sorts[i], keys->public_half[side]),
            EVP_PKEY_parameters_eq(sorts[i], keys->peer[side]));
        EVP_PKEY_free(copy);
    }
    ERR_clear_error();
}

static void look_at_generation(int side, void *argument) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(library, ((struct keys *)argument)->kind->algorithm, properties[side]);
    CHECK(context);
    say("key generation: %d", EVP_PKEY_keygen_init(context));
    say_list("settable", EVP_PKEY_CTX_settable_params(context));
    say("parameter generation: %d", EVP_PKEY_paramgen_init(context));
    say_error();
    EVP_PKEY_CTX_free(context);
    EVP_KEYMGMT *manager = EVP_KEYMGMT_fetch(library, ((struct keys *)argument)->kind->algorithm, properties[side]);
    CHECK(manager);
    say_list("manager, gettable", EVP_KEYMGMT_gettable_params(manager));
    say_list("manager, settable", EVP_KEYMGMT_settable_params(manager));
    say_list("manager, generation", EVP_KEYMGMT_gen_settable_params(manager));
    EVP_KEYMGMT_free(manager);
}

/* ---- Operations ---- */

/* How an operation is begun. */
enum beginning { SIGN, VERIFY, RECOVER, DIGEST_SIGN, DIGEST_VERIFY, DERIVE, ENCRYPT, DECRYPT, BEGINNINGS };
static const char *const beginning_names[] = {"sign", "verify", "recover", "digest-sign", "digest-verify",
                                              "derive", "encrypt", "decrypt"};

struct operation {
    EVP_MD_CTX *digest;
    EVP_PKEY_CTX *context;
    int begun;
};

static struct operation begin(struct keys *keys, int side, enum beginning how, const char *digest) {
    struct operation operation = {NULL, NULL, 0};
    EVP_PKEY *key = keys->pair[side];
    if (how == DIGEST_SIGN || how == DIGEST_VERIFY) {
        CHECK(operation.digest = EVP_MD_CTX_new());
        operation.begun = (how == DIGEST_SIGN ? EVP_DigestSignInit_ex : EVP_DigestVerifyInit_ex)(
            operation.digest, &operation.context, digest, library, properties[side], key, NULL);
        return operation;
    }
    CHECK(operation.context = EVP_PKEY_CTX_new_from_pkey(library, key, properties[side]));
    int (*const init[])(EVP_PKEY_CTX *) = {EVP_PKEY_sign_init, EVP_PKEY_verify_init, EVP_PKEY_verify_recover_init, NULL, NULL,
                                           EVP_PKEY_derive_init, EVP_PKEY_encrypt_init, EVP_PKEY_decrypt_init};
    operation.begun = init[how](operation.context);
    return operation;
}

static void end(struct operation operation) {
    if (operation.digest)
        EVP_MD_CTX_free(operation.digest);
    else
        EVP_PKEY_CTX_free(operation.context);
}

static void say_settings(struct operation operation) {
    say_values(EVP_PKEY_CTX_gettable_params(operation.context), get_of_context, operation.context);
    if (operation.digest)
        say_values(EVP_MD_CTX_gettable_params(operation.digest), get_of_digest, operation.digest);
}

/* What is set, one by one: a name and a text or a number. */
struct setting {
    const char *name, *text;
    int number;
};

static const struct setting settings[] = {
    {"digest", "SHA256", 0}, {"digest", "SHA1", 0}, {"digest", "SHA2-512", 0}, {"digest", "MD5", 0},
    {"digest", "SHAKE256", 0}, {"digest", "nonsense", 0}, {"digest", "", 0},
    {"pad-mode", "pkcs1", 0}, {"pad-mode", "pss", 0}, {"pad-mode", "x931", 0}, {"pad-mode", "none", 0},
    {"pad-mode", "oaep", 0}, {"pad-mode", "oeap", 0}, {"pad-mode", "nonsense", 0}, {"pad-mode", NULL, 1},
    {"pad-mode", NULL, 2}, {"pad-mode", NULL, 3}, {"pad-mode", NULL, 4}, {"pad-mode", NULL, 5}, {"pad-mode", NULL, 6},
    {"pad-mode", NULL, 7}, {"pad-mode", NULL, 8},
    {"saltlen", "digest", 0}, {"saltlen", "max", 0}, {"saltlen", "auto", 0}, {"saltlen", "auto-digestmax", 0},
    {"saltlen", "19", 0}, {"saltlen", "21", 0}, {"saltlen", NULL, -5}, {"saltlen", NULL, -4}, {"saltlen", NULL, -3},
    {"saltlen", NULL, -1}, {"saltlen", NULL, 0}, {"saltlen", NULL, 20}, {"saltlen", NULL, 300},
    {"mgf1-digest", "SHA1", 0}, {"mgf1-digest", "SHA256", 0}, {"mgf1-digest", "nonsense", 0},
    {"oaep-label", "a label", 0}, {"tls-client-version", NULL, 0x303}, {"tls-negotiated-version", NULL, 0x301},
    {"implicit-rejection", NULL, 0}, {"implicit-rejection", NULL, 1}, {"nonce-type", NULL, 1}, {"nonce-type", NULL, 0},
    {"digest-size", NULL, 20}, {"digest-size", NULL, 32}, {"algorithm-id", "x", 0}, {"no-such-parameter", "x", 0},
    {"ecdh-cofactor-mode", NULL, -1}, {"ecdh-cofactor-mode", NULL, 0}, {"ecdh-cofactor-mode", NULL, 1},
    {"ecdh-cofactor-mode", NULL, 2}, {"kdf-type", "X963KDF", 0}, {"kdf-type", "X942KDF-ASN1", 0}, {"kdf-type", "nonsense", 0},
    {"kdf-type", "", 0}, {"kdf-digest", "SHA256", 0}, {"kdf-digest", "nonsense", 0}, {"kdf-outlen", NULL, 40},
    {"kdf-ukm", "some bytes", 0}, {"cekalg", "AES-128-WRAP", 0}, {"pad", NULL, 0}, {"pad", NULL, 1},
    {NULL, NULL, 0},
};

/* What is set before, so that the settings above meet another state. */
static const struct setting before[] = {
    {NULL, NULL, 0}, {"pad-mode", "pss", 0}, {"pad-mode", "oaep", 0}, {"digest", "SHA1", 0}, {"kdf-type", "X963KDF", 0},
};

/* As the operation wants it: its list says the type. */
static int set(struct operation operation, const struct setting *setting) {
    OSSL_PARAM params[2] = {OSSL_PARAM_END, OSSL_PARAM_END};
    int number = setting->number;
    unsigned int natural = (unsigned int)number;
    size_t size = (size_t)number;
    const OSSL_PARAM *type = EVP_PKEY_CTX_settable_params(operation.context);
    while (type && type->key && strcmp(type->key, setting->name))
        type++;
    int is_natural = type && type->key && type->data_type == OSSL_PARAM_UNSIGNED_INTEGER;
    if (setting->text && type && type->key && type->data_type == OSSL_PARAM_OCTET_STRING)
        params[0] = OSSL_PARAM_construct_octet_string(setting->name, (void *)setting->text, strlen(setting->text));
    else if (setting->text)
        params[0] = OSSL_PARAM_construct_utf8_string(setting->name, (char *)setting->text, 0);
    else if (is_natural && type->data_size == sizeof(size))
        params[0] = OSSL_PARAM_construct_size_t(setting->name, &size);
    else if (is_natural)
        params[0] = OSSL_PARAM_construct_uint(setting->name, &natural);
    else
        params[0] = OSSL_PARAM_construct_int(setting->name, &number);
    return EVP_PKEY_CTX_set_params(operation.context, params);
}

struct look {
    struct keys *keys;
    enum beginning how;
    const char *digest;
    const struct setting *before, *setting;
};

static void look_at_operation(int side, void *argument) {
    struct look *look = argument;
    struct operation operation = begin(look->keys, side, look->how, look->digest);
    say("begun: %d", operation.begun);
    say_error();
    if (operation.begun == 1) {
        if (!look->setting) {
            say_list("gettable", EVP_PKEY_CTX_gettable_params(operation.context));
            say_list("settable", EVP_PKEY_CTX_settable_params(operation.context));
            if (operation.digest) {
                say_list("digest, gettable", EVP_MD_CTX_gettable_params(operation.digest));
                say_list("digest, settable", EVP_MD_CTX_settable_params(operation.digest));
            }
        }
        if (look->before->name)
            say("before: %d", set(operation, look->before));
        if (look->setting) {
            say("set: %d", set(operation, look->setting));
            say_error();
        }
        say_settings(operation);
        ERR_clear_error();
        /* A copy has the same settings, and so has the operation when it is begun again. */
        if (!operation.digest) {
            struct operation copy = {NULL, EVP_PKEY_CTX_dup(operation.context), 1};
            say("copied: %d", copy.context != NULL);
            if (copy.context)
                say_settings(copy);
            EVP_PKEY_CTX_free(copy.context);
        }
        ERR_clear_error();
    }
    end(operation);
}

static const char *name_of(const struct setting *setting) { return setting && setting->name ? setting->name : "nothing"; }

static void compare_operations(struct keys *keys) {
    static const char *const digests[] = {NULL, "SHA256", "SHA2-384", "SHA1", "SHAKE128", "nonsense"};
    for (int how = 0; how < BEGINNINGS; how++) {
        int is_digested = how == DIGEST_SIGN || how == DIGEST_VERIFY;
        for (size_t digest = 0; digest < (is_digested ? sizeof(digests) / sizeof(*digests) : 1); digest++) {
            for (size_t first = 0; first < sizeof(before) / sizeof(*before); first++) {
                for (const struct setting *setting = settings;; setting++) {
                    struct look look = {keys, how, digests[digest], &before[first], setting == settings ? NULL : setting - 1};
                    char what[200];
                    snprintf(what, sizeof(what), "%s, %s, digest %s, after %s %s, set %s = %s %d", keys->kind->name,
                             beginning_names[how], look.digest ? look.digest : "none", name_of(look.before),
                             look.before->text ? look.before->text : "", name_of(look.setting),
                             look.setting && look.setting->text ? look.setting->text : "",
                             look.setting ? look.setting->number : 0);
                    compare(what, look_at_operation, &look);
                    if (!setting->name)
                        break;
                }
            }
        }
    }
}

/* ---- Names and properties ---- */

static void say_name(const char *name, void *argument) {
    (void)argument;
    say("  %s", name);
}

static void look_at_names(int side, void *argument) {
    const char *name = argument;
    EVP_KEYMGMT *manager = EVP_KEYMGMT_fetch(library, name, properties[side]);
    EVP_SIGNATURE *signature = EVP_SIGNATURE_fetch(library, name, properties[side]);
    EVP_KEYEXCH *exchange = EVP_KEYEXCH_fetch(library, name, properties[side]);
    EVP_ASYM_CIPHER *cipher = EVP_ASYM_CIPHER_fetch(library, name, properties[side]);
    ERR_clear_error();
    say("manager %d, signature %d, exchange %d, cipher %d", manager != NULL, signature != NULL, exchange != NULL,
        cipher != NULL);
    if (manager) {
        say("manager:");
        EVP_KEYMGMT_names_do_all(manager, say_name, NULL);
    }
    if (signature) {
        EVP_SIGNATURE_names_do_all(signature, say_name, NULL);
        say_list("signature, gettable", EVP_SIGNATURE_gettable_ctx_params(signature));
        say_list("signature, settable", EVP_SIGNATURE_settable_ctx_params(signature));
    }
    if (exchange) {
        EVP_KEYEXCH_names_do_all(exchange, say_name, NULL);
        say_list("exchange, gettable", EVP_KEYEXCH_gettable_ctx_params(exchange));
        say_list("exchange, settable", EVP_KEYEXCH_settable_ctx_params(exchange));
    }
    if (cipher) {
        EVP_ASYM_CIPHER_names_do_all(cipher, say_name, NULL);
        say_list("cipher, gettable", EVP_ASYM_CIPHER_gettable_ctx_params(cipher));
        say_list("cipher, settable", EVP_ASYM_CIPHER_settable_ctx_params(cipher));
    }
    EVP_KEYMGMT_free(manager);
    EVP_SIGNATURE_free(signature);
    EVP_KEYEXCH_free(exchange);
    EVP_ASYM_CIPHER_free(cipher);
}

static int is_ours(const OSSL_PROVIDER *provider, const char *module) {
    return !strcmp(OSSL_PROVIDER_get0_name(provider), module);
}

static const char *module_name;
static int algorithms, managers_without_kind;

static void compare_names_of(const char *first) {
    char what[100];
    snprintf(what, sizeof(what), "names and lists of %s", first);
    algorithms++;
    compare(what, look_at_names, (void *)first);
}

static void check_manager(EVP_KEYMGMT *manager, void *argument) {
    (void)argument;
    if (!is_ours(EVP_KEYMGMT_get0_provider(manager), module_name))
        return;
    compare_names_of(EVP_KEYMGMT_get0_name(manager));
    for (const struct kind *kind = kinds; kind->name; kind++) {
        if (EVP_KEYMGMT_is_a(manager, kind->algorithm))
            return;
    }
    managers_without_kind++;
    fprintf(stderr, "%s: add a kind of key for it to parameters.c\n", EVP_KEYMGMT_get0_name(manager));
}

static void check_signature(EVP_SIGNATURE *signature, void *argument) {
    (void)argument;
    if (is_ours(EVP_SIGNATURE_get0_provider(signature), module_name))
        compare_names_of(EVP_SIGNATURE_get0_name(signature));
}

static void check_exchange(EVP_KEYEXCH *exchange, void *argument) {
    (void)argument;
    if (is_ours(EVP_KEYEXCH_get0_provider(exchange), module_name))
        compare_names_of(EVP_KEYEXCH_get0_name(exchange));
}

static void check_cipher(EVP_ASYM_CIPHER *cipher, void *argument) {
    (void)argument;
    if (is_ours(EVP_ASYM_CIPHER_get0_provider(cipher), module_name))
        compare_names_of(EVP_ASYM_CIPHER_get0_name(cipher));
}

/* All algorithms of ours, and that none of them is found by who asks for validated ones. */
static void compare_names(void) {
    EVP_KEYMGMT_do_all_provided(library, check_manager, NULL);
    EVP_SIGNATURE_do_all_provided(library, check_signature, NULL);
    EVP_KEYEXCH_do_all_provided(library, check_exchange, NULL);
    EVP_ASYM_CIPHER_do_all_provided(library, check_cipher, NULL);
    CHECK(algorithms >= 8 && managers_without_kind == 0);
    static const char *const names[] = {"RSA", "RSA-PSS", "EC", "ECDSA", "ECDH", "X25519", "X448", "DH", "DHX"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        CHECK(!EVP_KEYMGMT_fetch(library, names[i], "provider=hotspare,fips=yes"));
        CHECK(!EVP_SIGNATURE_fetch(library, names[i], "provider=hotspare,fips=yes"));
        CHECK(!EVP_KEYEXCH_fetch(library, names[i], "provider=hotspare,fips=yes"));
        CHECK(!EVP_ASYM_CIPHER_fetch(library, names[i], "provider=hotspare,fips=yes"));
        EVP_KEYMGMT *any = EVP_KEYMGMT_fetch(library, names[i], "fips=yes");
        CHECK(!any || !is_ours(EVP_KEYMGMT_get0_provider(any), module_name));
        EVP_KEYMGMT_free(any);
    }
    ERR_clear_error();
}

int main(int count, char **arguments) {
    CHECK(count == 4);
    module_name = arguments[2];
    CHECK(library = OSSL_LIB_CTX_new());
    CHECK(OSSL_PROVIDER_set_default_search_path(library, arguments[1]));
    CHECK(OSSL_PROVIDER_load(library, "default") && OSSL_PROVIDER_load(library, module_name));
    if (!strcmp(arguments[3], "names")) {
        compare_names();
    } else {
        const struct kind *kind = kinds;
        while (kind->name && strcmp(kind->name, arguments[3]))
            kind++;
        CHECK(kind->name);
        EVP_KEYMGMT *manager = EVP_KEYMGMT_fetch(library, kind->algorithm, properties[1]);
        if (!manager) {
            puts("the provider has no such keys");
            return 0;
        }
        EVP_KEYMGMT_free(manager);
        /* The pair is made by ours and taken over by the default provider's, the peer's the other way. */
        struct keys keys = {kind, {NULL}, {NULL}, {NULL}};
        for (int side = 0; side < 2; side++) {
            EVP_PKEY *made = generate(kind, properties[side]);
            for (int owner = 0; owner < 2; owner++) {
                int all = EVP_PKEY_KEYPAIR, half = EVP_PKEY_PUBLIC_KEY;
                if (side == 1) {
                    keys.pair[owner] = taken_over(made, kind->algorithm, all, properties[owner]);
                    keys.public_half[owner] = taken_over(made, kind->algorithm, half, properties[owner]);
                } else {
                    keys.peer[owner] = taken_over(made, kind->algorithm, half, properties[owner]);
                }
            }
            EVP_PKEY_free(made);
        }
        compare("the pair", look_at_pair, &keys);
        compare("the public half", look_at_public, &keys);
        compare("checks", look_at_checks, &keys);
        compare("generation", look_at_generation, &keys);
        compare_operations(&keys);
        for (int side = 0; side < 2; side++) {
            EVP_PKEY_free(keys.pair[side]);
            EVP_PKEY_free(keys.public_half[side]);
            EVP_PKEY_free(keys.peer[side]);
        }
    }
    printf("%d comparisons, %d differences\n", compared, differences);
    return differences != 0;
}
