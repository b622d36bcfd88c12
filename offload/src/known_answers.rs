//! Requests whose answers are published: what a returned device must get right before it is used again.
//!
//! Every operation is here once. An ECDSA signature has one right answer only because its nonce is given.

use hotspare_device::{
    Curve, EcKey, InvalidRequest, Key, KeyMaterial, MontgomeryCurve, MontgomeryKey, Request, RsaCrt, RsaKey,
    RsaPrivate,
};

/// A request and its answer.
pub(crate) struct KnownAnswer {
    /// What is asked.
    pub(crate) request: Request,
    /// The one right result.
    pub(crate) expected: &'static [u8],
}

/// One request of each operation.
pub(crate) fn all() -> Vec<KnownAnswer> {
    // None of them fails: the numbers are constants, and a test sees that all are here.
    [rsa_private(), rsa_public(), ecdsa_sign(), ec_multiply(), montgomery_multiply()]
        .into_iter()
        .flatten()
        .collect()
}

fn rsa_private() -> Result<KnownAnswer, InvalidRequest> {
    Ok(KnownAnswer { request: Request::rsa_private(&rsa_key()?, &ENCODED)?, expected: &SIGNATURE })
}

fn rsa_public() -> Result<KnownAnswer, InvalidRequest> {
    Ok(KnownAnswer { request: Request::rsa_public(&rsa_key()?, &SIGNATURE)?, expected: &ENCODED })
}

fn rsa_key() -> Result<Key, InvalidRequest> {
    Key::new(KeyMaterial::Rsa(RsaKey {
        modulus: MODULUS.to_vec(),
        public_exponent: vec![1, 0, 1],
        private: Some(RsaPrivate {
            exponent: EXPONENT.to_vec(),
            crt: Some(RsaCrt {
                prime1: PRIME1.to_vec(),
                prime2: PRIME2.to_vec(),
                exponent1: EXPONENT1.to_vec(),
                exponent2: EXPONENT2.to_vec(),
                coefficient: COEFFICIENT.to_vec(),
            }),
        }),
    }))
}

/// RFC 6979, A.2.5: P-256, SHA-256 of "sample", with the k given there.
fn ecdsa_sign() -> Result<KnownAnswer, InvalidRequest> {
    const SCALAR: [u8; 32] = hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
    const DIGEST: [u8; 32] = hex("af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf");
    const NONCE: [u8; 32] = hex("a6e3c57dd01abe90086538398355dd4c3b17aa873382b0f24d6129493d8aad60");
    const R_AND_S: [u8; 64] = hex("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
         f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
    let request = Request::ecdsa_sign(&p256_key(&SCALAR)?, &DIGEST, &NONCE)?;
    Ok(KnownAnswer { request, expected: &R_AND_S })
}

/// RFC 5903, 8.1: i and g^r, and g^ir with both coordinates.
fn ec_multiply() -> Result<KnownAnswer, InvalidRequest> {
    const SCALAR: [u8; 32] = hex("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433");
    const X: [u8; 32] = hex("d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63");
    const Y: [u8; 32] = hex("56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab");
    const PRODUCT: [u8; 64] = hex("d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de\
         522bde0af0d8585b8def9c183b5ae38f50235206a8674ecb5d98edb20eb153a2");
    Ok(KnownAnswer { request: Request::ec_multiply(&p256_key(&SCALAR)?, &X, &Y)?, expected: &PRODUCT })
}

fn p256_key(scalar: &[u8]) -> Result<Key, InvalidRequest> {
    Key::new(KeyMaterial::Ec(EcKey { curve: Curve::P256, scalar: scalar.to_vec() }))
}

/// RFC 7748, 6.1: Alice's private and Bob's public key, and their shared secret.
fn montgomery_multiply() -> Result<KnownAnswer, InvalidRequest> {
    const SCALAR: [u8; 32] = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    const U: [u8; 32] = hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    const SHARED: [u8; 32] = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    let (curve, scalar) = (MontgomeryCurve::X25519, SCALAR.to_vec());
    let key = Key::new(KeyMaterial::Montgomery(MontgomeryKey { curve, scalar }))?;
    Ok(KnownAnswer { request: Request::montgomery_multiply(&key, &U)?, expected: &SHARED })
}

// RSA Laboratories, test vectors for PKCS#1 v1.5 signatures (pkcs1v15sign-vectors.txt), example 15, a key of 2048 bits
// with e = 65537, and its signature 15.1.

const MODULUS: [u8; 256] =
    hex("df271fd25f8644496b0c81be4bd50297ef099b002a6fd67727eb449cea566ed6a3981a71312a141cabc9815c1209e320\
     a25b32464e9999f18ca13a9fd3892558f9e0adefdd3650dd23a3f036d60fe398843706a40b0b8462c8bee3bce12f1f28\
     60c2444cdc6a44476a75ff4aa24273ccbe3bf80248465f8ff8c3a7f3367dfc0df5b6509a4f82811cedd81cdaaa73c491\
     da412170d544d4ba96b97f0afc8065498d3a49fd910992a1f0725be24f465cfe7e0eabf678996c50bc5e7524abf73f15\
     e5bef7d518394e3138ce4944506aaaaf3f9b236dcab8fc00f87af596fdc3d9d6c75cd508362fae2cbeddcc4c7450b17b\
     776c079ecca1f256351a43b97dbe2153");
const EXPONENT: [u8; 256] =
    hex("5bd910257830dce17520b03441a51a8cab94020ac6ecc252c808f3743c95b7c83b8c8af1a5014346ebc4242cdfb5d718\
     e30a733e71f291e4d473b61bfba6dacaed0a77bd1f0950ae3c91a8f90111882589e1d62765ee671e7baeea309f64d447\
     bbcfa9ea12dce05e9ea8939bc5fe6108581279c982b308794b3448e7f7b952292df88c80cb40142c4b5cf5f8ddaa0891\
     678d610e582fcb880f0d707caf47d09a84e14ca65841e5a3abc5e9dba94075a9084341f0edad9b68e3b8e082b80b6e6e\
     8a0547b44fb5061b6a9131603a5537ddabd01d8e863d8922e9aa3e4bfaea0b39d79283ad2cbc8a59cce7a6ecf4e4c81e\
     d4c6591c807defd71ab06866bb5e7745");
const PRIME1: [u8; 128] =
    hex("f44f5e4246391f482b2f5296e3602eb34aa136427710f7c0416d403fd69d4b29130cfebef34e885abdb1a8a0a5f0e9b5\
     c33e1fc3bfc285b1ae17e40cc67a1913dd563719815ebaf8514c2a7aa0018e63b6c631dc315a46235716423d11ff5803\
     4e610645703606919f5c7ce2660cd148bd9efc123d9c54b6705590d006cfcf3f");
const PRIME2: [u8; 128] =
    hex("e9d49841e0e0a6ad0d517857133e36dc72c1bdd90f9174b52e26570f373640f1c185e7ea8e2ed7f1e4ebb951f70a5802\
     3633b0097aec67c6dcb800fc1a67f9bb0563610f08ebc8746ad129772136eb1ddaf46436450d318332a84982fe5d28db\
     e5b3e912407c3e0e03100d87d436ee409eec1cf85e80aba079b2e6106b97bced");
const EXPONENT1: [u8; 128] =
    hex("ed102acdb26871534d1c414ecad9a4d732fe95b10eea370da62f05de2c393b1a633303ea741b6b3269c97f704b352702\
     c9ae79922f7be8d10db67f026a8145de41b30c0a42bf923bac5f7504c248604b9faa57ed6b3246c6ba158e36c644f8b9\
     548fcf4f07e054a56f768674054440bc0dcbbc9b528f64a01706e05b0b91106f");
const EXPONENT2: [u8; 128] =
    hex("6827924a85e88b55ba00f8219128bd3724c6b7d1dfe5629ef197925fecaff5edb9cdf3a7befd8ea2e8dd3707138b3ff8\
     7c3c39c57f439e562e2aa805a39d7cd79966d2ece7845f1dbc16bee99999e4d0bf9eeca45fcda8a8500035fe6b5f03bc\
     2f6d1bfc4d4d0a3723961af0cdce4a01eec82d7f5458ec19e71b90eeef7dff61");
const COEFFICIENT: [u8; 128] =
    hex("57b73888d183a99a6307422277551a3d9e18adf06a91e8b55ceffef9077c8496948ecb3b16b78155cb2a3a57c119d379\
     951c010aa635edcf62d84c5a122a8d67ab5fa9e5a4a8772a1e943bafc70ae3a4c1f0f3a4ddffaefd1892c8cb33bb0d0b\
     9590e963a69110fb34db7b906fc4ba2836995aac7e527490ac952a02268a4f18");

/// The message of example 15.1, hashed with SHA-1 and encoded (RFC 8017, 9.2): what the private operation is given.
const ENCODED: [u8; 256] = {
    const DIGEST_INFO: [u8; 35] =
        hex("3021300906052b0e03021a05000414874d46fd3ee3a4c3f4d2ca9c2db3fa9e0582ba8b");
    let mut encoded = [0xff; 256];
    encoded[0] = 0;
    encoded[1] = 1;
    encoded[220] = 0;
    let mut index = 0;
    while index < DIGEST_INFO.len() {
        encoded[221 + index] = DIGEST_INFO[index];
        index += 1;
    }
    encoded
};

const SIGNATURE: [u8; 256] =
    hex("b75a5466b65d0f300ef53833f2175c8a347a3804fc63451dc902f0b71f9083459ed37a5179a3b723a53f1051642d7737\
     4c4c6c8dbb1ca20525f5c9f32db776953556da31290e22197482ceb69906c46a758fb0e7409ba801077d2a0a20eae7d1\
     d6d392ab4957e86b76f0652d68b83988a78f26e11172ea609bf849fbbd78ad7edce21de662a081368c040607cee29db0\
     627227f44963ad171d2293b633a392e331dca54fe3082752f43f63c161b447a4c65a6875670d5f6600fcc860a1caeb0a\
     88f8fdec4e564398a5c46c87f68ce07001f6213abe0ab5625f87d19025f08d81dac7bd4586bc9382191f6d2880f6227e\
     5df3eed21e7792d249480487f3655261");

/// The bytes that `text` writes in hexadecimal; a wrong length or digit does not compile.
const fn hex<const N: usize>(text: &str) -> [u8; N] {
    let digits = text.as_bytes();
    assert!(digits.len() == 2 * N, "two digits for each byte");
    let mut bytes = [0; N];
    let mut index = 0;
    while index < N {
        bytes[index] = digit(digits[2 * index]) << 4 | digit(digits[2 * index + 1]);
        index += 1;
    }
    bytes
}

const fn digit(character: u8) -> u8 {
    match character {
        b'0'..=b'9' => character - b'0',
        _ => {
            assert!(matches!(character, b'a'..=b'f'), "a hexadecimal digit");
            character - b'a' + 10
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use hotspare_device::{Operation, Output};
    use hotspare_fallback::Fallback;

    use super::*;

    #[test]
    fn every_operation_is_here() {
        let operations: HashSet<_> = all().iter().map(|known| known.request.operation()).collect();
        assert_eq!(operations.len(), 5);
        assert_eq!(all().len(), 5);
        for known in all() {
            assert_eq!(known.expected.len(), known.request.output_length());
        }
    }

    /// The nonce is the device's to use: software draws its own, so its signature is another one.
    #[test]
    fn software_agrees_wherever_the_answer_depends_on_the_request_alone() {
        let fallback = Fallback::new("default");
        for known in all() {
            let mut output = Output::new();
            fallback.execute(&known.request, &mut output).unwrap();
            let signs = matches!(known.request.operation(), Operation::EcdsaSign(_));
            assert_eq!(output.as_slice() == known.expected, !signs, "{:?}", known.request.operation());
        }
    }
}
