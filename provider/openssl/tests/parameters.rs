//! Every parameter that the default provider gets and sets works the same through us: names, types, values and errors, for all
//! key managers, signatures, exchanges and ciphers that we have.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{Bench, Side, module, text};

fn compare(kind: &str) {
    let bench = Bench::new();
    let program = bench.compile("parameters");
    let module = module();
    let mut command = bench.command(Side::Default, program);
    command.arg(module.parent().unwrap()).args(["libhotspare_openssl", kind]);
    let output = command.env("HOTSPARE_STATS_DIR", bench.path("stats")).output().unwrap();
    println!("{kind}: {}", text(&output.stdout).trim());
    assert!(output.status.success(), "{kind}: {}", text(&output.stderr));
}

/// All algorithms are compared by name, each with a kind of key below; and none claims to be validated.
#[test]
fn names_and_lists() {
    compare("names");
}

macro_rules! kinds {
    ($($test:ident: $($kind:literal),*;)*) => {$(
        #[test]
        fn $test() {
            for kind in [$($kind),*] {
                compare(kind);
            }
        }
    )*};
}

kinds! {
    rsa: "rsa1024", "rsa2048";
    rsa_for_pss_alone: "pss", "restricted-pss";
    ec: "p256", "p384", "p521", "secp256k1";
    montgomery: "x25519", "x448";
    finite_fields: "ffdhe2048", "modp_2048", "dh_2048_256";
}
