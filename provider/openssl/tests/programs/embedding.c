/*
 * Uses the provider as programs do that OpenSSL's command does not resemble: several library contexts, threads, forks,
 * loading and unloading, operations that are duplicated or retried. Exits with 0 if all went well.
 *
 * Usage: embedding MODULE-FOLDER MODULE-NAME WHAT
 */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>

static const char *folder, *module;

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "%s:%d: %s\n", __func__, __LINE__, #condition);               \
            ERR_print_errors_fp(stderr);                                                  \
            _exit(1);                                                                     \
        }                                                                                 \
    } while (0)

struct world {
    OSSL_LIB_CTX *context;
    OSSL_PROVIDER *base, *ours;
};

static struct world open_world(void) {
    struct world world = {OSSL_LIB_CTX_new(), NULL, NULL};
    CHECK(world.context);
    CHECK(OSSL_PROVIDER_set_default_search_path(world.context, folder));
    world.base = OSSL_PROVIDER_load(world.context, "default");
    CHECK(world.base);
    world.ours = OSSL_PROVIDER_load(world.context, module);
    CHECK(world.ours);
    CHECK(EVP_set_default_properties(world.context, "?provider=hotspare"));
    return world;
}

static void close_world(struct world world) {
    CHECK(OSSL_PROVIDER_unload(world.ours));
    CHECK(OSSL_PROVIDER_unload(world.base));
    OSSL_LIB_CTX_free(world.context);
}

static EVP_PKEY *generate(struct world world, const char *kind) {
    EVP_PKEY *key = NULL;
    if (!strcmp(kind, "RSA"))
        key = EVP_PKEY_Q_keygen(world.context, NULL, "RSA", (size_t)2048);
    else if (!strcmp(kind, "EC"))
        key = EVP_PKEY_Q_keygen(world.context, NULL, "EC", "P-256");
    else
        key = EVP_PKEY_Q_keygen(world.context, NULL, kind);
    CHECK(key);
    CHECK(!strcmp(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key)), module));
    return key;
}

static void sign_and_verify(struct world world, EVP_PKEY *key, int one_shot) {
    unsigned char message[777], signature[512];
    size_t length = sizeof(signature);
    memset(message, 7, sizeof(message));
    EVP_MD_CTX *sign = EVP_MD_CTX_new(), *copy = EVP_MD_CTX_new(), *verify = EVP_MD_CTX_new();
    CHECK(EVP_DigestSignInit_ex(sign, NULL, "SHA256", world.context, NULL, key, NULL) == 1);
    if (one_shot) {
        CHECK(EVP_DigestSign(sign, signature, &length, message, sizeof(message)) == 1);
    } else {
        CHECK(EVP_DigestSignUpdate(sign, message, 100) == 1);
        /* A copy goes on by itself. */
        CHECK(EVP_MD_CTX_copy_ex(copy, sign) == 1);
        CHECK(EVP_DigestSignUpdate(sign, "other", 5) == 1);
        CHECK(EVP_DigestSignUpdate(copy, message + 100, sizeof(message) - 100) == 1);
        CHECK(EVP_DigestSignFinal(copy, NULL, &length) == 1 && length <= sizeof(signature));
        CHECK(EVP_DigestSignFinal(copy, signature, &length) == 1);
    }
    CHECK(EVP_DigestVerifyInit_ex(verify, NULL, "SHA256", world.context, "provider=default", key, NULL) == 1);
    CHECK(EVP_DigestVerify(verify, signature, length, message, sizeof(message)) == 1);
    EVP_MD_CTX_free(sign);
    EVP_MD_CTX_free(copy);
    EVP_MD_CTX_free(verify);
}

static void derive(struct world world, EVP_PKEY *key, EVP_PKEY *peer) {
    unsigned char secrets[2][32];
    for (int side = 0; side < 2; side++) {
        EVP_PKEY *mine = side ? peer : key, *theirs = side ? key : peer;
        const char *query = side ? "provider=default" : NULL;
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(world.context, mine, query);
        size_t length = sizeof(secrets[side]);
        CHECK(context && EVP_PKEY_derive_init(context) == 1);
        CHECK(EVP_PKEY_derive_set_peer(context, theirs) == 1);
        EVP_PKEY_CTX *copy = EVP_PKEY_CTX_dup(context);
        CHECK(copy);
        CHECK(EVP_PKEY_derive(copy, secrets[side], &length) == 1 && length == 32);
        EVP_PKEY_CTX_free(context);
        EVP_PKEY_CTX_free(copy);
    }
    CHECK(!memcmp(secrets[0], secrets[1], 32));
}

static void decrypt(struct world world, EVP_PKEY *key) {
    unsigned char sealed[256], opened[256];
    size_t sealed_length = sizeof(sealed), length = sizeof(opened);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(world.context, key, NULL);
    CHECK(context && EVP_PKEY_encrypt_init(context) == 1);
    CHECK(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1);
    CHECK(EVP_PKEY_encrypt(context, sealed, &sealed_length, (const unsigned char *)"secret", 6) == 1);
    CHECK(EVP_PKEY_decrypt_init(context) == 1);
    CHECK(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1);
    CHECK(EVP_PKEY_decrypt(context, NULL, &length, sealed, sealed_length) == 1 && length == 256);
    CHECK(EVP_PKEY_decrypt(context, opened, &length, sealed, sealed_length) == 1);
    CHECK(length == 6 && !memcmp(opened, "secret", 6));
    /* In place. */
    length = sizeof(sealed);
    CHECK(EVP_PKEY_decrypt(context, sealed, &length, sealed, sealed_length) == 1 && length == 6);
    EVP_PKEY_CTX_free(context);
}

struct keys {
    EVP_PKEY *rsa, *ec, *x25519, *peer_ec, *peer_x25519;
};

static struct keys make_keys(struct world world) {
    return (struct keys){generate(world, "RSA"), generate(world, "EC"), generate(world, "X25519"), generate(world, "EC"),
                         generate(world, "X25519")};
}

static void free_keys(struct keys keys) {
    EVP_PKEY_free(keys.rsa);
    EVP_PKEY_free(keys.ec);
    EVP_PKEY_free(keys.x25519);
    EVP_PKEY_free(keys.peer_ec);
    EVP_PKEY_free(keys.peer_x25519);
}

static void use_keys(struct world world, struct keys keys) {
    for (int one_shot = 0; one_shot < 2; one_shot++) {
        sign_and_verify(world, keys.rsa, one_shot);
        sign_and_verify(world, keys.ec, one_shot);
    }
    derive(world, keys.ec, keys.peer_ec);
    derive(world, keys.x25519, keys.peer_x25519);
    decrypt(world, keys.rsa);
}

static void contexts(void) {
    struct world worlds[4];
    struct keys keys[4];
    for (int i = 0; i < 4; i++) {
        worlds[i] = open_world();
        keys[i] = make_keys(worlds[i]);
    }
    for (int i = 0; i < 4; i++)
        use_keys(worlds[i], keys[3 - i].rsa ? keys[i] : keys[i]);
    /* A key of one context used in another. */
    sign_and_verify(worlds[0], keys[1].rsa, 1);
    /* Closed out of order; a key that outlives its context's handle is freed later. */
    for (int i = 0; i < 4; i += 2) {
        free_keys(keys[i]);
        close_world(worlds[i]);
    }
    use_keys(worlds[1], keys[1]);
    use_keys(worlds[3], keys[3]);
    EVP_PKEY *kept = keys[1].rsa;
    CHECK(EVP_PKEY_up_ref(kept));
    free_keys(keys[1]);
    OSSL_PROVIDER_unload(worlds[1].ours);
    EVP_PKEY_free(kept);
    OSSL_PROVIDER_unload(worlds[1].base);
    OSSL_LIB_CTX_free(worlds[1].context);
    free_keys(keys[3]);
    close_world(worlds[3]);
}

static struct world shared_world;
static struct keys shared_keys;

static void *thread(void *argument) {
    (void)argument;
    for (int i = 0; i < 20; i++)
        use_keys(shared_world, shared_keys);
    return NULL;
}

static void run_threads(int count) {
    pthread_t threads[16];
    for (int i = 0; i < count; i++)
        CHECK(!pthread_create(&threads[i], NULL, thread, NULL));
    for (int i = 0; i < count; i++)
        CHECK(!pthread_join(threads[i], NULL));
}

static void threads(void) {
    shared_world = open_world();
    shared_keys = make_keys(shared_world);
    run_threads(8);
    free_keys(shared_keys);
    close_world(shared_world);
}

static void wait_for(pid_t child) {
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A master that loads and never computes, workers that do; then one that has computed; grandchildren. */
static void forks(void) {
    shared_world = open_world();
    for (int computed = 0; computed < 2; computed++) {
        pid_t children[4];
        if (computed) {
            shared_keys = make_keys(shared_world);
            use_keys(shared_world, shared_keys);
        }
        for (int i = 0; i < 4; i++) {
            children[i] = fork();
            CHECK(children[i] >= 0);
            if (children[i] == 0) {
                if (!computed)
                    shared_keys = make_keys(shared_world);
                use_keys(shared_world, shared_keys);
                pid_t grandchild = fork();
                CHECK(grandchild >= 0);
                if (grandchild == 0) {
                    run_threads(2);
                    exit(0);
                }
                wait_for(grandchild);
                /* Some leave by way of OpenSSL's clean-up, some abruptly. */
                if (i % 2)
                    exit(0);
                free_keys(shared_keys);
                close_world(shared_world);
                _exit(0);
            }
        }
        for (int i = 0; i < 4; i++)
            wait_for(children[i]);
    }
    use_keys(shared_world, shared_keys);
    free_keys(shared_keys);
    close_world(shared_world);
}

static int count_entries(const char *path) {
    DIR *folder = opendir(path);
    CHECK(folder);
    int count = 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* Loading makes no thread and opens nothing; loading and unloading leaves nothing open. */
static void loading(void) {
    int files = count_entries("/proc/self/fd"), tasks = count_entries("/proc/self/task");
    struct world world = open_world();
    CHECK(count_entries("/proc/self/fd") == files);
    CHECK(count_entries("/proc/self/task") == tasks);
    close_world(world);
    for (int i = 0; i < 20; i++) {
        world = open_world();
        struct keys keys = make_keys(world);
        if (i % 5 == 0)
            use_keys(world, keys);
        free_keys(keys);
        close_world(world);
    }
    CHECK(count_entries("/proc/self/fd") <= files + 1); /* OpenSSL keeps /dev/urandom open where it uses it. */
    CHECK(count_entries("/proc/self/task") == tasks);
}

/* Keys from their numbers, incomplete ones too. */
static void numbers(void) {
    struct world world = open_world();
    EVP_PKEY *rsa = generate(world, "RSA"), *ec = generate(world, "EC"), *made = NULL;
    OSSL_PARAM *params = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(world.context, "RSA", NULL);

    /* The whole key. */
    CHECK(EVP_PKEY_todata(rsa, EVP_PKEY_KEYPAIR, &params) == 1);
    CHECK(EVP_PKEY_fromdata_init(context) == 1);
    CHECK(EVP_PKEY_fromdata(context, &made, EVP_PKEY_KEYPAIR, params) == 1);
    CHECK(EVP_PKEY_eq(rsa, made) == 1);
    sign_and_verify(world, made, 1);
    EVP_PKEY_free(made);
    OSSL_PARAM_free(params);

    /* Without primes: n, e, d alone are not for devices, but sign. */
    BIGNUM *n = NULL, *e = NULL, *d = NULL;
    CHECK(EVP_PKEY_get_bn_param(rsa, "n", &n) && EVP_PKEY_get_bn_param(rsa, "e", &e) && EVP_PKEY_get_bn_param(rsa, "d", &d));
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    CHECK(OSSL_PARAM_BLD_push_BN(build, "n", n) && OSSL_PARAM_BLD_push_BN(build, "e", e) && OSSL_PARAM_BLD_push_BN(build, "d", d));
    params = OSSL_PARAM_BLD_to_param(build);
    made = NULL;
    CHECK(EVP_PKEY_fromdata(context, &made, EVP_PKEY_KEYPAIR, params) == 1);
    sign_and_verify(world, made, 0);
    EVP_PKEY_free(made);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    BN_free(e);
    BN_clear_free(d);
    EVP_PKEY_CTX_free(context);

    /* A copy is another key with the same numbers; parameters alone make no key. */
    EVP_PKEY *copy = EVP_PKEY_dup(ec);
    CHECK(copy && EVP_PKEY_eq(copy, ec) == 1);
    sign_and_verify(world, copy, 1);
    EVP_PKEY_free(copy);
    EVP_PKEY *other = generate(world, "EC");
    CHECK(EVP_PKEY_eq(other, ec) == 0 && EVP_PKEY_parameters_eq(other, ec) == 1);

    /* A peer's point set anew, as TLS does: what was derived from the old one is forgotten. */
    unsigned char *point = NULL;
    EVP_PKEY *peer = EVP_PKEY_new(), *third = generate(world, "EC");
    CHECK(EVP_PKEY_copy_parameters(peer, ec) == 1);
    for (int i = 0; i < 2; i++) {
        EVP_PKEY *source = i ? third : other;
        size_t length = EVP_PKEY_get1_encoded_public_key(source, &point);
        CHECK(length == 65 && EVP_PKEY_set1_encoded_public_key(peer, point, length) == 1);
        OPENSSL_free(point);
        unsigned char one[32], two[32];
        size_t one_length = 32, two_length = 32;
        EVP_PKEY_CTX *left = EVP_PKEY_CTX_new_from_pkey(world.context, ec, NULL);
        EVP_PKEY_CTX *right = EVP_PKEY_CTX_new_from_pkey(world.context, source, "provider=default");
        CHECK(EVP_PKEY_derive_init(left) == 1 && EVP_PKEY_derive_set_peer(left, peer) == 1);
        CHECK(EVP_PKEY_derive(left, one, &one_length) == 1);
        CHECK(EVP_PKEY_derive_init(right) == 1 && EVP_PKEY_derive_set_peer(right, ec) == 1);
        CHECK(EVP_PKEY_derive(right, two, &two_length) == 1);
        CHECK(!memcmp(one, two, 32));
        EVP_PKEY_CTX_free(left);
        EVP_PKEY_CTX_free(right);
    }
    unsigned char wrong[65] = {4, 1};
    CHECK(EVP_PKEY_set1_encoded_public_key(peer, wrong, sizeof(wrong)) != 1);
    ERR_clear_error();
    EVP_PKEY_free(peer);
    EVP_PKEY_free(third);
    EVP_PKEY_free(other);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    close_world(world);
}

/* Too little room, then enough; a size asked for first; the padding changed in mid-message. */
static void retries(void) {
    struct world world = open_world();
    EVP_PKEY *key = generate(world, "RSA");
    unsigned char small[255], signature[256];
    size_t length = sizeof(small);
    EVP_MD_CTX *sign = EVP_MD_CTX_new(), *verify = EVP_MD_CTX_new();
    EVP_PKEY_CTX *settings = NULL;
    CHECK(EVP_DigestSignInit_ex(sign, &settings, "SHA256", world.context, NULL, key, NULL) == 1);
    CHECK(EVP_DigestSign(sign, small, &length, (const unsigned char *)"message", 7) != 1);
    ERR_clear_error();

    const int paddings[] = {RSA_PKCS1_PSS_PADDING, RSA_X931_PADDING, RSA_PKCS1_PADDING};
    for (int i = 0; i < 3; i++) {
        CHECK(EVP_DigestSignInit_ex(sign, &settings, "SHA256", world.context, NULL, key, NULL) == 1);
        CHECK(EVP_DigestSignUpdate(sign, "mess", 4) == 1);
        CHECK(EVP_PKEY_CTX_set_rsa_padding(settings, paddings[i]) == 1);
        CHECK(EVP_DigestSignUpdate(sign, "age", 3) == 1);
        CHECK(EVP_DigestSignFinal(sign, NULL, &length) == 1 && length == 256);
        CHECK(EVP_DigestSignFinal(sign, signature, &length) == 1 && length == 256);
        CHECK(EVP_DigestVerifyInit_ex(verify, &settings, "SHA256", world.context, "provider=default", key, NULL) == 1);
        CHECK(EVP_PKEY_CTX_set_rsa_padding(settings, paddings[i]) == 1);
        CHECK(EVP_DigestVerify(verify, signature, length, (const unsigned char *)"message", 7) == 1);
    }
    EVP_MD_CTX_free(sign);
    EVP_MD_CTX_free(verify);
    EVP_PKEY_free(key);
    close_world(world);
}

/* Everything is left to OpenSSL's own clean-up at the process's end. */
static void abandon(void) {
    struct world world = open_world();
    use_keys(world, make_keys(world));
    struct world second = open_world();
    use_keys(second, make_keys(second));
}

int main(int count, char **arguments) {
    static const struct {
        const char *name;
        void (*run)(void);
    } all[] = {{"contexts", contexts}, {"threads", threads}, {"forks", forks},     {"loading", loading},
               {"numbers", numbers},   {"retries", retries}, {"abandon", abandon}};
    if (count != 4)
        return 2;
    folder = arguments[1];
    module = arguments[2];
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (!strcmp(arguments[3], all[i].name)) {
            all[i].run();
            return 0;
        }
    return 2;
}
