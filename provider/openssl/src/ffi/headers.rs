//! Compares every number and name in this folder with the installed OpenSSL's headers, by a little C program.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::functions::{AsymCipher, CoreFunctions, Keyexch, Keymgmt, ProviderFunctions, Signature};
use super::names::{Value, in_headers};
use crate::core::errors;

/// Names in the headers that differ from ours by more than case.
const RENAMED: &[(&str, &str)] = &[("GENERATE", "GEN"), ("MATCHES", "MATCH")];

fn function_ids() -> Vec<(String, i64)> {
    let operations = [
        ("", CoreFunctions::IDS),
        ("", ProviderFunctions::IDS),
        ("KEYMGMT_", Keymgmt::IDS),
        ("KEYEXCH_", Keyexch::IDS),
        ("SIGNATURE_", Signature::IDS),
        ("ASYM_CIPHER_", AsymCipher::IDS),
    ];
    let mut ids = Vec::new();
    for (prefix, functions) in operations {
        for (name, id) in functions {
            let name = name.to_uppercase();
            let renamed = RENAMED.iter().find(|(ours, _)| *ours == name).map_or(name.as_str(), |pair| pair.1);
            ids.push((format!("OSSL_FUNC_{prefix}{renamed}"), i64::from(*id)));
        }
    }
    ids
}

#[test]
fn every_value_is_that_of_the_installed_headers() {
    let mut program = String::from(
        "#include <stdio.h>\n#include <string.h>\n#include <openssl/core.h>\n#include <openssl/core_dispatch.h>\n\
         #include <openssl/core_names.h>\n#include <openssl/err.h>\n#include <openssl/obj_mac.h>\n\
         #include <openssl/rsa.h>\n#define NUMBER(n, v) if ((long long)(n) != v##LL) { puts(#n); wrong++; }\n\
         #define TEXT(n, v) if (strcmp(n, v)) { puts(#n); wrong++; }\nint main(void) {\nint wrong = 0;\n",
    );
    let mut count = 0;
    for (name, id) in function_ids() {
        writeln!(program, "NUMBER({name}, {id})").unwrap();
        count += 1;
    }
    for (name, value) in in_headers() {
        match value {
            Value::Number(number) => writeln!(program, "NUMBER({name}, {number})").unwrap(),
            Value::Text(text) => writeln!(program, "TEXT({name}, \"{text}\")").unwrap(),
        }
        count += 1;
    }
    assert!(count > 130, "only {count} values");
    for (name, value) in [
        ("ERR_LIB_PROV", i64::from(errors::LIB_PROVIDER)),
        ("ERR_R_INTERNAL_ERROR", i64::from(errors::INTERNAL_ERROR)),
        ("ERR_PACK(ERR_LIB_CRYPTO, 0, ERR_R_INIT_FAIL)", i64::from(errors::INIT_FAILED)),
    ] {
        writeln!(program, "NUMBER({name}, {value})").unwrap();
    }
    // Names that came after 3.0, where the headers have them.
    program.push_str(
        "#ifdef RSA_PSS_SALTLEN_AUTO_DIGEST_MAX\nNUMBER(RSA_PSS_SALTLEN_AUTO_DIGEST_MAX, -4)\n#endif\n\
         #ifdef OSSL_SIGNATURE_PARAM_NONCE_TYPE\nTEXT(OSSL_SIGNATURE_PARAM_NONCE_TYPE, \"nonce-type\")\n#endif\n\
         #ifdef OSSL_ASYM_CIPHER_PARAM_IMPLICIT_REJECTION\n\
         TEXT(OSSL_ASYM_CIPHER_PARAM_IMPLICIT_REJECTION, \"implicit-rejection\")\n#endif\nreturn wrong; }\n",
    );

    let folder = std::env::temp_dir().join(format!("hotspare-headers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let outcome = compile_and_run(&folder, &program);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(outcome, Ok(String::new()), "these differ from the headers");
}

/// What the program wrote; if it can't be compiled, what the compiler said.
fn compile_and_run(folder: &Path, program: &str) -> Result<String, String> {
    let (source, binary) = (folder.join("values.c"), folder.join("values"));
    std::fs::write(&source, program).unwrap();
    let compiled = Command::new("cc").arg(&source).arg("-o").arg(&binary).output().unwrap();
    if !compiled.status.success() {
        return Err(String::from_utf8_lossy(&compiled.stderr).into_owned());
    }
    let run = Command::new(&binary).output().unwrap();
    Ok(String::from_utf8_lossy(&run.stdout).into_owned())
}
