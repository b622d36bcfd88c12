/*
 * Compares key exchange and its keys with the default provider's, in one process: generation, import and export, peers of all
 * sorts, settings, results and errors. Exits with 0 if all is the same.
 *
 * Usage: exchanges MODULE-FOLDER MODULE-NAME WHAT [job]
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/async.h>
#include <openssl/bn.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/provider.h>

static const char *now = "";

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "%s:%d: %s: %s\n", __func__, __LINE__, now, #condition);      \
            ERR_print_errors_fp(stderr);                                                  \
            _exit(1);                                                                     \
        }                                                                                 \
    } while (0)

/* Who does it. */
static const char *const QUERIES[2] = {"provider=default", "provider=hotspare"};
enum { DEFAULT, OURS };

static const struct kind {
    const char *algorithm, *group;
    /* How long a secret is; what it may be in bytes. */
    size_t length;
} KINDS[] = {
    {"EC", "P-256", 32},        {"EC", "secp384r1", 48},  {"EC", "P-521", 66},      {"EC", "secp256k1", 32},
    {"X25519", NULL, 32},       {"X448", "x448", 56},     {"DH", "ffdhe2048", 256}, {"DH", "modp_2048", 256},
    {"DH", "modp_1536", 192},   {"DH", "ffdhe3072", 384}, {"DHX", "ffdhe2048", 256}, {"DHX", "dh_2048_256", 256},
};
enum { COUNT = sizeof(KINDS) / sizeof(KINDS[0]) };

static int is_dh(const struct kind *kind) {
    return kind->algorithm[0] == 'D';
}

static EVP_PKEY *generate(const struct kind *kind, int side) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, kind->algorithm, QUERIES[side]);
    EVP_PKEY *key = NULL;
    CHECK(context && EVP_PKEY_keygen_init(context) == 1);
    CHECK(!kind->group || EVP_PKEY_CTX_set_group_name(context, kind->group) == 1);
    CHECK(EVP_PKEY_generate(context, &key) == 1);
    EVP_PKEY_CTX_free(context);
    return key;
}

static EVP_PKEY *from_params(const char *algorithm, int selection, OSSL_PARAM *params, int side) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, algorithm, QUERIES[side]);
    EVP_PKEY *key = NULL;
    CHECK(context && EVP_PKEY_fromdata_init(context) == 1);
    if (EVP_PKEY_fromdata(context, &key, selection, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    return key;
}

/* The same key, held by that side. */
static EVP_PKEY *moved(const struct kind *kind, EVP_PKEY *key, int selection, int side) {
    OSSL_PARAM *params = NULL;
    CHECK(EVP_PKEY_todata(key, selection, &params) == 1);
    EVP_PKEY *copy = from_params(kind->algorithm, selection, params, side);
    OSSL_PARAM_free(params);
    return copy;
}

static int check(EVP_PKEY *key, int side, int (*how)(EVP_PKEY_CTX *)) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, QUERIES[side]);
    CHECK(context);
    int result = how(context);
    EVP_PKEY_CTX_free(context);
    return result;
}

/* What an attempt came to: what was returned, and what was said first and last. */
struct outcome {
    int done;
    unsigned long first, last;
    size_t length;
    unsigned char secret[3000];
};

static unsigned long reason(unsigned long error) {
    return error ? (unsigned long)ERR_GET_LIB(error) << 32 | (unsigned long)ERR_GET_REASON(error) : 0;
}

static void finish(struct outcome *outcome, int done) {
    outcome->done = done;
    outcome->first = reason(ERR_peek_error());
    outcome->last = reason(ERR_peek_last_error());
    ERR_clear_error();
}

static void same(const struct outcome *one, const struct outcome *other, const char *what) {
    int equal = one->done == other->done && one->first == other->first && one->last == other->last
                && (one->done != 1 || (one->length == other->length && !memcmp(one->secret, other->secret, one->length)));
    if (!equal) {
        fprintf(stderr, "%s: %s: %d %lx %lx %zu, but %d %lx %lx %zu\n", now, what, one->done, one->first, one->last,
                one->length, other->done, other->first, other->last, other->length);
        _exit(1);
    }
}

/* `key` and `peer` are of the kind; `validate`: by EVP_PKEY_derive_set_peer_ex; `room`: 0 for what OpenSSL asks for. */
static struct outcome derive(EVP_PKEY *key, EVP_PKEY *peer, int side, int validate, size_t room, const OSSL_PARAM *params) {
    struct outcome outcome;
    memset(&outcome, 0, sizeof(outcome));
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, QUERIES[side]);
    CHECK(context);
    int done = EVP_PKEY_derive_init_ex(context, params);
    if (done == 1)
        done = EVP_PKEY_derive_set_peer_ex(context, peer, validate);
    if (done == 1) {
        EVP_PKEY_CTX *copy = EVP_PKEY_CTX_dup(context);
        CHECK(copy);
        EVP_PKEY_CTX_free(context);
        context = copy;
        CHECK(EVP_PKEY_derive(context, NULL, &outcome.length) == 1 && outcome.length <= sizeof(outcome.secret));
        if (room)
            outcome.length = room;
        done = EVP_PKEY_derive(context, outcome.secret, &outcome.length);
    }
    finish(&outcome, done);
    EVP_PKEY_CTX_free(context);
    return outcome;
}

/* Both sides with these keys, each side with keys of its own. */
static struct outcome both(const struct kind *kind, EVP_PKEY *key, EVP_PKEY *peer, int validate, size_t room,
                           const OSSL_PARAM *params, const char *what) {
    static struct outcome outcomes[2];
    for (int side = 0; side < 2; side++) {
        EVP_PKEY *mine = moved(kind, key, EVP_PKEY_KEYPAIR, side), *theirs = moved(kind, peer, EVP_PKEY_PUBLIC_KEY, side);
        CHECK(mine && theirs);
        outcomes[side] = derive(mine, theirs, side, validate, room, params);
        EVP_PKEY_free(mine);
        EVP_PKEY_free(theirs);
    }
    same(&outcomes[DEFAULT], &outcomes[OURS], what);
    return outcomes[OURS];
}

static void same_list(const OSSL_PARAM *one, const OSSL_PARAM *other) {
    CHECK(!one == !other);
    if (!one)
        return;
    for (; one->key && other->key; one++, other++)
        CHECK(!strcmp(one->key, other->key) && one->data_type == other->data_type);
    CHECK(!one->key && !other->key);
}

/* Keys that each side generates are sound to both, and pass from one to the other whole. */
static void keys(const struct kind *kind) {
    static const int SELECTIONS[] = {EVP_PKEY_KEY_PARAMETERS, EVP_PKEY_PUBLIC_KEY, EVP_PKEY_KEYPAIR, OSSL_KEYMGMT_SELECT_KEYPAIR,
                                     OSSL_KEYMGMT_SELECT_PRIVATE_KEY, OSSL_KEYMGMT_SELECT_OTHER_PARAMETERS};
    EVP_PKEY *generated[2] = {generate(kind, DEFAULT), generate(kind, OURS)};
    EVP_PKEY_CTX *contexts[2];
    CHECK(EVP_PKEY_get0_provider(generated[DEFAULT]) != EVP_PKEY_get0_provider(generated[OURS]));
    for (int side = 0; side < 2; side++) {
        EVP_PKEY *key = generated[side], *other = moved(kind, key, EVP_PKEY_KEYPAIR, !side);
        CHECK(other && EVP_PKEY_eq(key, other) == 1 && EVP_PKEY_parameters_eq(key, generated[!side]) == 1);
        CHECK(EVP_PKEY_eq(key, generated[!side]) == 0);
        for (int holder = 0; holder < 2; holder++) {
            EVP_PKEY *held = holder == side ? key : other;
            CHECK(check(held, holder, EVP_PKEY_pairwise_check) == 1 && check(held, holder, EVP_PKEY_check) == 1);
            CHECK(check(held, holder, EVP_PKEY_private_check) == 1 && check(held, holder, EVP_PKEY_public_check) == 1);
            CHECK(check(held, holder, EVP_PKEY_public_check_quick) == 1);
        }
        EVP_PKEY *copy = EVP_PKEY_dup(key);
        CHECK(copy && EVP_PKEY_eq(copy, key) == 1);
        EVP_PKEY_free(copy);
        EVP_PKEY_free(other);
        contexts[side] = EVP_PKEY_CTX_new_from_name(NULL, kind->algorithm, QUERIES[side]);
        CHECK(contexts[side] && EVP_PKEY_fromdata_init(contexts[side]) == 1);
    }
    for (size_t i = 0; i < sizeof(SELECTIONS) / sizeof(SELECTIONS[0]); i++) {
        int selection = SELECTIONS[i];
        OSSL_PARAM *params[2] = {NULL, NULL};
        same_list(EVP_PKEY_fromdata_settable(contexts[DEFAULT], selection), EVP_PKEY_fromdata_settable(contexts[OURS], selection));
        int done = EVP_PKEY_todata(generated[DEFAULT], selection, &params[DEFAULT]);
        CHECK(EVP_PKEY_todata(generated[OURS], selection, &params[OURS]) == done);
        if (done == 1)
            same_list(params[DEFAULT], params[OURS]);
        OSSL_PARAM_free(params[DEFAULT]);
        OSSL_PARAM_free(params[OURS]);
    }
    same_list(EVP_PKEY_gettable_params(generated[DEFAULT]), EVP_PKEY_gettable_params(generated[OURS]));
    same_list(EVP_PKEY_settable_params(generated[DEFAULT]), EVP_PKEY_settable_params(generated[OURS]));
    ERR_clear_error();

    /* A template: another key of its group. */
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, generated[OURS], QUERIES[OURS]);
    EVP_PKEY *like = NULL;
    CHECK(context && EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_generate(context, &like) == 1);
    CHECK(EVP_PKEY_parameters_eq(like, generated[OURS]) == 1 && EVP_PKEY_eq(like, generated[OURS]) == 0);
    CHECK(check(like, OURS, EVP_PKEY_check) == 1);
    both(kind, generated[DEFAULT], like, 1, 0, NULL, "a key by template");
    EVP_PKEY_CTX_free(context);
    for (int side = 0; side < 2; side++) {
        EVP_PKEY_CTX_free(contexts[side]);
        EVP_PKEY_free(generated[side]);
    }
    EVP_PKEY_free(like);
}

static void exchanges(const struct kind *kind) {
    EVP_PKEY *key = generate(kind, OURS), *peer = generate(kind, DEFAULT), *third = generate(kind, OURS);
    static struct outcome there, back;
    there = both(kind, key, peer, 1, 0, NULL, "a secret");
    back = both(kind, peer, key, 1, 0, NULL, "back");
    CHECK(there.done == 1 && back.done == 1);
    same(&there, &back, "there and back");
    both(kind, key, third, 0, 0, NULL, "no validation");
    both(kind, key, third, 1, kind->length - 1, NULL, "one byte too little");
    both(kind, key, third, 1, 1, NULL, "one byte");
    both(kind, key, third, 1, kind->length + 7, NULL, "room to spare");
    /* Two peers after each other, with one context. */
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, QUERIES[OURS]);
    static unsigned char secrets[2][1024];
    size_t lengths[2] = {1024, 1024};
    CHECK(context && EVP_PKEY_derive_init(context) == 1);
    CHECK(EVP_PKEY_derive(context, secrets[0], lengths) <= 0);
    ERR_clear_error();
    EVP_PKEY *theirs[2] = {moved(kind, third, EVP_PKEY_PUBLIC_KEY, OURS), moved(kind, peer, EVP_PKEY_PUBLIC_KEY, OURS)};
    for (int i = 0; i < 2; i++) {
        CHECK(EVP_PKEY_derive_set_peer(context, theirs[i]) == 1);
        CHECK(EVP_PKEY_derive(context, secrets[i], &lengths[i]) == 1);
        EVP_PKEY_free(theirs[i]);
    }
    CHECK(lengths[1] == there.length && !memcmp(secrets[1], there.secret, there.length));
    CHECK(memcmp(secrets[0], secrets[1], 20));
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(key);
    EVP_PKEY_free(peer);
    EVP_PKEY_free(third);
}

static void settings(const struct kind *kind) {
    if (kind->algorithm[0] == 'X')
        return;
    EVP_PKEY *key = generate(kind, OURS), *peer = generate(kind, DEFAULT);
    const char *function = is_dh(kind) ? "X942KDF-ASN1" : "X963KDF";
    for (size_t length = 0; length <= 2500; length = length * 5 + 20) {
        for (int variant = 0; variant < 5; variant++) {
            /* As it should be; with material; without a digest; another function; an unknown digest. */
            unsigned char material[5] = "other";
            OSSL_PARAM params[8], *next = params;
            char *digest = variant == 4 ? "SHA-0" : "SHA512-256", *name = variant == 3 ? "HKDF" : (char *)function;
            *next++ = OSSL_PARAM_construct_utf8_string("kdf-type", name, 0);
            if (variant != 2)
                *next++ = OSSL_PARAM_construct_utf8_string("kdf-digest", digest, 0);
            *next++ = OSSL_PARAM_construct_size_t("kdf-outlen", &length);
            if (variant == 1)
                *next++ = OSSL_PARAM_construct_octet_string("kdf-ukm", material, sizeof(material));
            *next++ = OSSL_PARAM_construct_utf8_string("cekalg", "id-aes256-wrap", 0);
            *next = OSSL_PARAM_construct_end();
            struct outcome outcome = both(kind, key, peer, 1, 0, params, "a function");
            CHECK(outcome.done != 1 || outcome.length == length);
            if (length > 1)
                both(kind, key, peer, 1, length - 1, params, "a function, too little room");
        }
    }
    EVP_PKEY_free(key);
    EVP_PKEY_free(peer);
}

/* Secrets of DH with leading zeros: OpenSSL leaves them out unless they are asked for. */
static void padding(void) {
    const struct kind *kind = &KINDS[6];
    EVP_PKEY *key = generate(kind, OURS);
    EVP_PKEY *key_of_default = moved(kind, key, EVP_PKEY_KEYPAIR, DEFAULT);
    for (int round = 0;; round++) {
        CHECK(round < 10000);
        EVP_PKEY *peer = generate(kind, DEFAULT);
        static struct outcome found;
        found = derive(key_of_default, peer, DEFAULT, 0, 0, NULL);
        CHECK(found.done == 1);
        for (unsigned int pad = 0; found.length < kind->length && pad < 2; pad++) {
            OSSL_PARAM params[] = {OSSL_PARAM_construct_uint("pad", &pad), OSSL_PARAM_construct_end()};
            struct outcome outcome = both(kind, key, peer, 1, 0, params, "padding");
            CHECK(outcome.length == (pad ? kind->length : found.length));
            both(kind, key, peer, 1, 0, NULL, "no padding");
        }
        EVP_PKEY_free(peer);
        if (found.length < kind->length)
            break;
    }
    EVP_PKEY_free(key);
    EVP_PKEY_free(key_of_default);
}

/* A DH peer with this public number, in the group of `key`. */
static EVP_PKEY *peer_with(const struct kind *kind, EVP_PKEY *key, const BIGNUM *number, int side) {
    OSSL_PARAM *group = NULL;
    CHECK(EVP_PKEY_todata(key, EVP_PKEY_KEY_PARAMETERS, &group) == 1);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    CHECK(build && OSSL_PARAM_BLD_push_BN(build, "pub", number) == 1);
    OSSL_PARAM *public = OSSL_PARAM_BLD_to_param(build), *all = OSSL_PARAM_merge(group, public);
    EVP_PKEY *peer = from_params(kind->algorithm, EVP_PKEY_PUBLIC_KEY, all, side);
    OPENSSL_free(all);
    OSSL_PARAM_free(group);
    OSSL_PARAM_free(public);
    OSSL_PARAM_BLD_free(build);
    return peer;
}

static void bad_numbers(const struct kind *kind) {
    if (!is_dh(kind))
        return;
    EVP_PKEY *key = generate(kind, OURS), *good = generate(kind, OURS), *keys[2];
    for (int side = 0; side < 2; side++)
        keys[side] = moved(kind, key, EVP_PKEY_KEYPAIR, side);
    BIGNUM *p = NULL, *y = NULL, *number = BN_new();
    CHECK(EVP_PKEY_get_bn_param(key, "p", &p) == 1 && EVP_PKEY_get_bn_param(good, "pub", &y) == 1);
    for (int which = 0; which < 9; which++) {
        /* 0, 1, 2, p - 2, p - 1, p, p + 1, p + 5, -y */
        CHECK(which < 3 ? BN_set_word(number, (BN_ULONG)which) : BN_copy(number, p) != NULL);
        if (which == 3 || which == 4)
            CHECK(BN_sub_word(number, (BN_ULONG)(5 - which)));
        if (which == 6 || which == 7)
            CHECK(BN_add_word(number, which == 6 ? 1 : 5));
        if (which == 8)
            CHECK(BN_sub(number, p, y));
        char what[40];
        snprintf(what, sizeof(what), "public number %d", which);
        static struct outcome outcomes[2][3];
        for (int side = 0; side < 2; side++) {
            EVP_PKEY *peer = peer_with(kind, key, number, side);
            CHECK(peer);
            memset(outcomes[side], 0, sizeof(outcomes[side]));
            finish(&outcomes[side][0], check(peer, side, EVP_PKEY_public_check) == 1 ? 2 : 0);
            outcomes[side][1] = derive(keys[side], peer, side, 1, 0, NULL);
            outcomes[side][2] = derive(keys[side], peer, side, 0, 0, NULL);
            EVP_PKEY_free(peer);
        }
        for (int i = 0; i < 3; i++)
            same(&outcomes[DEFAULT][i], &outcomes[OURS][i], what);
    }
    BN_free(p);
    BN_free(y);
    BN_free(number);
    for (int side = 0; side < 2; side++)
        EVP_PKEY_free(keys[side]);
    EVP_PKEY_free(key);
    EVP_PKEY_free(good);
}

/* Peers that have nothing in common with the key, or no secret with it. */
static void bad_peers(const struct kind *kind) {
    EVP_PKEY *key = generate(kind, DEFAULT);
    for (int i = 0; i < COUNT; i++) {
        EVP_PKEY *peer = generate(&KINDS[i], DEFAULT);
        static struct outcome outcomes[2];
        for (int side = 0; side < 2; side++)
            outcomes[side] = derive(key, peer, side, 1, 0, NULL);
        char what[60];
        snprintf(what, sizeof(what), "a peer on %s %s", KINDS[i].algorithm, KINDS[i].group ? KINDS[i].group : "");
        same(&outcomes[DEFAULT], &outcomes[OURS], what);
        EVP_PKEY_free(peer);
    }
    if (kind->algorithm[0] == 'X') {
        unsigned char zero[56] = {0};
        OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string("pub", zero, kind->length), OSSL_PARAM_construct_end()};
        EVP_PKEY *peer = from_params(kind->algorithm, EVP_PKEY_PUBLIC_KEY, params, DEFAULT);
        CHECK(peer && both(kind, key, peer, 1, 0, NULL, "a point of small order").done != 1);
        EVP_PKEY_free(peer);
    }
    EVP_PKEY_free(key);
}

static const struct subject {
    const char *name;
    void (*run)(const struct kind *kind);
} SUBJECTS[] = {
    {"keys", keys}, {"exchanges", exchanges}, {"settings", settings}, {"numbers", bad_numbers}, {"peers", bad_peers},
};

static int run(const char *what) {
    if (!strcmp(what, "padding")) {
        padding();
        return 1;
    }
    for (size_t i = 0; i < sizeof(SUBJECTS) / sizeof(SUBJECTS[0]); i++) {
        if (strcmp(what, SUBJECTS[i].name))
            continue;
        for (int j = 0; j < COUNT; j++) {
            static char name[60];
            snprintf(name, sizeof(name), "%s %s", KINDS[j].algorithm, KINDS[j].group ? KINDS[j].group : "");
            now = name;
            SUBJECTS[i].run(&KINDS[j]);
        }
        return 1;
    }
    return 0;
}

static int run_job(void *what) {
    return run(*(const char **)what);
}

/* The same in an ASYNC job, which is resumed whenever it is to be. */
static int run_in_a_job(const char *what) {
    ASYNC_JOB *job = NULL;
    ASYNC_WAIT_CTX *wait = ASYNC_WAIT_CTX_new();
    int result = 0, pauses = 0;
    CHECK(ASYNC_init_thread(1, 1) == 1 && wait);
    for (;;) {
        struct pollfd descriptors[8];
        OSSL_ASYNC_FD list[8];
        size_t number = 8;
        int how = ASYNC_start_job(&job, wait, &result, run_job, (void *)&what, sizeof(what));
        if (how == ASYNC_FINISH)
            break;
        CHECK(how == ASYNC_PAUSE);
        pauses++;
        CHECK(ASYNC_WAIT_CTX_get_all_fds(wait, NULL, &number) == 1 && number > 0 && number <= 8);
        CHECK(ASYNC_WAIT_CTX_get_all_fds(wait, list, &number) == 1);
        for (size_t i = 0; i < number; i++)
            descriptors[i] = (struct pollfd){list[i], POLLIN, 0};
        CHECK(poll(descriptors, number, 60000) > 0);
    }
    ASYNC_WAIT_CTX_free(wait);
    ASYNC_cleanup_thread();
    printf("%d pauses\n", pauses);
    return result;
}

int main(int count, char **arguments) {
    CHECK(count == 4 || (count == 5 && !strcmp(arguments[4], "job")));
    CHECK(OSSL_PROVIDER_set_default_search_path(NULL, arguments[1]));
    CHECK(OSSL_PROVIDER_load(NULL, "default") && OSSL_PROVIDER_load(NULL, arguments[2]));
    CHECK((count == 5 ? run_in_a_job : run)(arguments[3]));
    return 0;
}
