//! A provider that needs parameters finds those that the system's configuration has for it, and nothing else of that
//! configuration is used.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;

use hotspare_device::Request;
use hotspare_fallback::{Fallback, FallbackError};
use support::module::{self, Directory, build, is_child};
use support::{run, x25519_key};

/// What the provider below wants to be told, as a configuration file writes it.
const WANTED: &str = r#""a \\ b #$ c""#;

/// A provider that starts only with the right parameter, and computes nothing.
const SOURCE: &str = r#"
#include <string.h>
#include <openssl/core.h>
#include <openssl/core_dispatch.h>
static const OSSL_ALGORITHM *query(void *p, int operation, int *no_cache) { return 0; }
static const OSSL_DISPATCH functions[] = {
    { OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query }, { 0, 0 } };
int OSSL_provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **ctx)
{
    OSSL_FUNC_core_get_params_fn *get = 0;
    char *value = 0;
    OSSL_PARAM params[] = { { "wanted", OSSL_PARAM_UTF8_PTR, &value, 0, 0 }, { 0, 0, 0, 0, 0 } };
    for (; in->function_id != 0; in++)
        if (in->function_id == OSSL_FUNC_CORE_GET_PARAMS)
            get = OSSL_FUNC_core_get_params(in);
    if (get == 0 || !get(core, params) || value == 0 || strcmp(value, "a \\ b #$ c") != 0)
        return 0;
    *out = functions;
    *ctx = (void *)core;
    return 1;
}
"#;

#[test]
fn a_provider_gets_the_parameters_of_its_section_and_nothing_else_is_loaded() {
    let directory = Directory::new();
    let module = build(directory.path(), SOURCE);
    let configuration = |wanted: &str| {
        format!(
            "openssl_conf = init\n[init]\nproviders = list\n[list]\ndemanding = its_section\nbroken = broken_section\n\
             [its_section]\nmodule = {}\nwanted = {wanted}\nactivate = 0\n\
             [broken_section]\nmodule = /nowhere/at/all.so\nactivate = 1\n",
            module.display()
        )
    };
    let file = directory.path().join("openssl.cnf");
    // Loaded, it computes nothing, which is another error.
    std::fs::write(&file, configuration(WANTED)).unwrap();
    assert_eq!(in_a_child(&file), "loaded: importing a key");
    std::fs::write(&file, configuration("something else")).unwrap();
    assert!(in_a_child(&file).starts_with("not loaded: fallback_provider `demanding`: "));
    std::fs::write(&file, "openssl_conf = init\n[init\n").unwrap();
    let message = in_a_child(&file);
    assert!(message.contains("missing close square bracket"), "{message}");
    // Without a file it is looked for among OpenSSL's modules, where it is not.
    let message = in_a_child(&directory.path().join("absent.cnf"));
    assert!(message.starts_with("not loaded") && message.contains("demanding"), "{message}");
}

/// Not a test by itself: what the child of the test above does.
#[test]
fn child() {
    if !is_child() {
        return;
    }
    let request = Request::montgomery_multiply(&x25519_key(&"11".repeat(32)), &[9; 32]).unwrap();
    match run(&Fallback::new("demanding"), &request).unwrap_err() {
        FallbackError::Library { .. } => println!("<loaded: importing a key>"),
        error => println!("<not loaded: {error}>"),
    }
}

/// What the child says.
fn in_a_child(configuration: &Path) -> String {
    let output = String::from_utf8(module::in_a_child(configuration).stdout).unwrap();
    let (_, said) = output.split_once('<').expect(&output);
    said.rsplit_once('>').unwrap().0.to_owned()
}
