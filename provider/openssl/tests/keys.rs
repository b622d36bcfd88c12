//! Keys: generation, encoding, decoding, checking and comparing, of every kind that the default provider has, offloaded or
//! not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{Bench, SIDES, Side, text};

/// `genpkey` arguments. RSA-8192 is generated once, by the test of certificates.
const KINDS: &[&str] = &[
    "-algorithm RSA -pkeyopt rsa_keygen_bits:1024",
    "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
    "-algorithm RSA -pkeyopt rsa_keygen_bits:3072",
    "-algorithm RSA -pkeyopt rsa_keygen_bits:2050 -pkeyopt rsa_keygen_pubexp:3",
    "-algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_primes:3",
    "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_pss_keygen_md:sha256",
    "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
    "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
    "-algorithm EC -pkeyopt ec_paramgen_curve:P-224",
    "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
    "-algorithm EC -pkeyopt ec_paramgen_curve:P-521",
    "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1",
    "-algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256r1",
    "-algorithm EC -pkeyopt ec_paramgen_curve:sect283k1",
    "-algorithm X25519",
    "-algorithm X448",
    "-algorithm ED25519",
    "-algorithm DH -pkeyopt group:ffdhe2048",
    "-algorithm DH -pkeyopt group:modp_3072",
    "-algorithm DH -pkeyopt group:modp_1536",
    "-algorithm DH -pkeyopt group:ffdhe2048 -pkeyopt priv_len:300",
    "-algorithm DHX -pkeyopt group:ffdhe2048",
    "-algorithm DHX -pkeyopt dh_rfc5114:2",
];

#[test]
fn a_generated_key_is_sound_and_reads_the_same_on_both_sides() {
    let bench = Bench::new();
    for kind in KINDS {
        bench.openssl(Side::Hotspare, &format!("genpkey {kind} -out key.pem"));
        let shown = SIDES.map(|side| text(&bench.openssl(side, "pkey -in key.pem -text -noout -check")));
        assert_eq!(shown[0], shown[1], "{kind}");
        assert!(shown[0].contains("Key is valid"), "{kind}: {}", shown[0]);
        for form in ["-pubout", "-outform DER", "-traditional", "-pubout -outform DER", "-pubout -text"] {
            // Not every kind has every form.
            let written = SIDES.map(|side| bench.try_openssl(side, &format!("pkey -in key.pem {form}")));
            assert_eq!(written[0].status, written[1].status, "{kind} {form}");
            assert_eq!(written[0].stdout, written[1].stdout, "{kind} {form}");
        }
        bench.openssl(Side::Hotspare, "pkey -in key.pem -pubout -out public.pem");
        let checked =
            SIDES.map(|side| text(&bench.openssl(side, "pkey -pubin -in public.pem -pubcheck -text -noout")));
        assert_eq!(checked[0], checked[1], "{kind}");
    }
}

#[test]
fn parameters_make_keys_of_their_curve() {
    let bench = Bench::new();
    for curve in ["prime256v1", "secp384r1", "secp256k1", "brainpoolP320r1"] {
        for extra in ["", "-param_enc explicit", "-conv_form compressed"] {
            bench.openssl(
                Side::Hotspare,
                &format!("ecparam -name {curve} {extra} -genkey -noout -out key.pem"),
            );
            let shown = SIDES.map(|side| text(&bench.openssl(side, "ec -in key.pem -text -noout")));
            assert_eq!(shown[0], shown[1], "{curve} {extra}");
        }
        // The other way: parameters as a template for generation.
        bench.openssl(
            Side::Hotspare,
            &format!("genpkey -genparam -algorithm EC -pkeyopt group:{curve} -out curve.pem"),
        );
        bench.openssl(Side::Hotspare, "genpkey -paramfile curve.pem -out key.pem");
        let shown = text(&bench.openssl(Side::Default, "pkey -in key.pem -text -noout"));
        assert!(shown.contains(&format!("ASN1 OID: {curve}")), "{shown}");
        bench.openssl(Side::Hotspare, &format!("ecparam -name {curve} -check -noout"));
    }
}

#[test]
fn parameters_of_dh() {
    let bench = Bench::new();
    // Small ones: a prime of them is found in a moment.
    for arguments in [
        "genpkey -genparam -algorithm DH -pkeyopt dh_paramgen_prime_len:512 -out dh.pem",
        "genpkey -genparam -algorithm DH -pkeyopt dh_paramgen_prime_len:512 -pkeyopt dh_paramgen_generator:5 -out dh.pem",
        "genpkey -genparam -algorithm DH -pkeyopt group:ffdhe3072 -out dh.pem",
        "genpkey -genparam -algorithm DHX -pkeyopt dh_rfc5114:1 -out dh.pem",
        "genpkey -genparam -algorithm DHX -pkeyopt type:fips186_4 -pkeyopt pbits:1024 -pkeyopt qbits:160 -out dh.pem",
        "dhparam -out dh.pem 512",
        "dhparam -dsaparam -out dh.pem 1024",
    ] {
        bench.openssl(Side::Hotspare, arguments);
        let shown = SIDES.map(|side| text(&bench.openssl(side, "pkeyparam -in dh.pem -text -check")));
        assert_eq!(shown[0], shown[1], "{arguments}");
        // The check of parameters itself, on both sides; parameters of the DSA's kind are no safe primes.
        let checked = SIDES.map(|side| bench.try_openssl(side, "dhparam -in dh.pem -check -noout"));
        assert_eq!(text(&checked[0].stderr), text(&checked[1].stderr), "{arguments}");
        for side in SIDES {
            bench.openssl(side, "genpkey -paramfile dh.pem -out key.pem");
            let shown = SIDES.map(|side| text(&bench.openssl(side, "pkey -in key.pem -text -noout -check")));
            assert_eq!(shown[0], shown[1], "{arguments}");
        }
    }
}

#[test]
fn what_the_default_provider_refuses_is_refused_the_same_way() {
    let bench = Bench::new();
    for arguments in [
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:100",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:512 -pkeyopt rsa_keygen_pubexp:2",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-257",
        "genpkey -algorithm EC",
        "genpkey -algorithm X25519 -pkeyopt group:X448",
        "genpkey -algorithm DH",
        "genpkey -algorithm DH -pkeyopt group:ffdhe1024",
        "genpkey -algorithm DH -pkeyopt group:ffdhe2048 -pkeyopt priv_len:100",
        "genpkey -algorithm DH -pkeyopt group:ffdhe2048 -pkeyopt seed:0102",
        "genpkey -algorithm DHX -pkeyopt group:ffdhe2048 -pkeyopt dh_paramgen_generator:5",
    ] {
        let outputs = SIDES.map(|side| bench.try_openssl(side, arguments));
        assert_eq!(outputs[0].status.code(), outputs[1].status.code(), "{arguments}");
        assert!(!outputs[0].status.success(), "{arguments}");
        let said = outputs.map(|output| support::reasons(&output.stderr));
        assert_eq!(said[0], said[1], "{arguments}");
    }
}

#[test]
fn certificates_of_all_kinds_are_made_and_verified() {
    let bench = Bench::new();
    let kinds = [
        ("rsa:1024", ""),
        ("rsa:2048", ""),
        ("rsa:2048", "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20"),
        ("rsa:4096", "-sha512"),
        ("rsa:8192", ""),
        ("rsa-pss", "-pkeyopt rsa_keygen_bits:2048"),
        ("ec", "-pkeyopt ec_paramgen_curve:P-256"),
        ("ec", "-pkeyopt ec_paramgen_curve:P-384 -sha384"),
        ("ec", "-pkeyopt ec_paramgen_curve:secp256k1"),
        ("ec", "-pkeyopt ec_paramgen_curve:brainpoolP256r1"),
    ];
    for (kind, options) in kinds {
        let request = format!(
            "req -x509 -newkey {kind} {options} -nodes -keyout key.pem -out cert.pem -subj /CN=test -days 9 \
             -addext basicConstraints=critical,CA:true"
        );
        bench.openssl(Side::Hotspare, &request);
        for side in SIDES {
            let verified =
                text(&bench.openssl(side, "verify -check_ss_sig -auth_level 0 -CAfile cert.pem cert.pem"));
            assert!(verified.contains("OK"), "{kind} {options}: {verified}");
        }
        let shown = SIDES.map(|side| text(&bench.openssl(side, "x509 -in cert.pem -text -noout")));
        assert_eq!(shown[0], shown[1], "{kind} {options}");
        // A request signed by one side, checked by the other, made a certificate.
        bench.openssl(Side::Hotspare, "req -new -key key.pem -subj /CN=leaf -out leaf.csr");
        bench.openssl(Side::Default, "req -in leaf.csr -verify -noout");
        bench.openssl(Side::Hotspare, "req -in leaf.csr -verify -noout");
        bench.openssl(
            Side::Hotspare,
            "x509 -req -in leaf.csr -CA cert.pem -CAkey key.pem -days 3 -set_serial 7 -out leaf.pem",
        );
        for side in SIDES {
            bench.openssl(side, "verify -auth_level 0 -CAfile cert.pem leaf.pem");
        }
        // A damaged signature is found.
        let mut der = bench.openssl(Side::Default, "x509 -in leaf.pem -outform DER");
        let last = der.len() - 4;
        der[last] ^= 1;
        bench.write("bad.der", der);
        bench.openssl(Side::Default, "x509 -inform DER -in bad.der -out bad.pem");
        for side in SIDES {
            assert!(
                !bench.try_openssl(side, "verify -auth_level 0 -CAfile cert.pem bad.pem").status.success()
            );
        }
    }
}
