//! RSA signatures.

use std::collections::BTreeMap;
use std::sync::Arc;

use hotspare_tests::mode::Setup;
use hotspare_tests::openssl::encryption::{Wrapping, decrypt, encrypt};
use hotspare_tests::openssl::params::Params;
use hotspare_tests::openssl::signature::{Padding, Scheme, sign, verify};
use hotspare_tests::openssl::{Key, Side};
use hotspare_tests::report::{Expected, Outcome, Plan};

use crate::file::{Vector, read};

const SIGNING: [(&str, Kind); 3] = [
    ("SigGen15_186-2.txt", Kind::Pkcs1),
    ("SigGenPSS_186-2.txt", Kind::Pss),
    ("SigGenRSA_186-2.txt", Kind::X931),
];
const VERIFICATION: [(&str, Kind); 3] =
    [("SigVer15_186-3.rsp", Kind::Pkcs1), ("SigVerPSS_186-3.rsp", Kind::Pss), ("SigVerRSA.rsp", Kind::X931)];

#[derive(Debug, Clone, Copy)]
enum Kind {
    Pkcs1,
    Pss,
    X931,
}

impl Kind {
    fn scheme(self, vector: &Vector) -> Scheme {
        let digest = vector.digest();
        let padding = match self {
            Self::Pkcs1 => Padding::Pkcs1,
            Self::Pss => {
                let salt_bytes = vector.bytes("SaltVal").len().try_into().unwrap();
                Padding::Pss { mask_digest: digest, salt_bytes }
            }
            Self::X931 => Padding::X931,
        };
        Scheme { digest, padding }
    }
}

/// Each message is signed, and its signature verified.
pub(crate) fn signing(setup: &Setup, plan: &mut Plan) {
    for (file, kind) in SIGNING {
        let vectors = read(file, "S");
        let verified = format!("{file}, verified");
        plan.set(file, vectors.len());
        plan.set(&verified, vectors.len());
        let mut keys = BTreeMap::new();
        for vector in vectors {
            let key = Arc::clone(keys.entry(vector.bytes("n")).or_insert_with(|| {
                let [n, e, d] = ["n", "e", "d"].map(|name| vector.bytes(name));
                let numbers = Params::new().number(c"n", &n).number(c"e", &e).number(c"d", &d);
                Arc::new(Key::pair(setup.reference(), c"RSA", numbers).unwrap())
            }));
            let (scheme, message, signature) = (kind.scheme(&vector), vector.bytes("Msg"), vector.bytes("S"));
            let expected = Expected::Output(signature.clone());
            let what = (vector.number, vector.text("SHAAlg"));
            {
                let (key, scheme, message) = (Arc::clone(&key), scheme.clone(), message.clone());
                plan.case(&verified, what, Expected::Output(Vec::new()), move |side| {
                    verified_by(side, &key, &scheme, &message, &signature)
                });
            }
            if matches!(kind, Kind::Pss) {
                // OpenSSL draws the salt itself: the private operation alone has one right answer.
                let padded = encrypt(setup.reference(), &key, &Wrapping::None, &vector.bytes("S")).unwrap();
                plan.case(file, what, expected, move |side| {
                    decrypt(side, &key, &Wrapping::None, &padded).map_err(|error| error.to_string())
                });
            } else {
                plan.case(file, what, expected, move |side| {
                    sign(side, &key, &scheme, &message).map_err(|error| error.to_string())
                });
            }
        }
    }
}

pub(crate) fn verification(setup: &Setup, plan: &mut Plan) {
    for (file, kind) in VERIFICATION {
        let vectors = read(file, "Result");
        plan.set(file, vectors.len());
        for vector in vectors {
            let (is_right, result) = vector.result();
            let expected = if is_right { Expected::Output(Vec::new()) } else { Expected::Refused };
            let numbers = Params::new().number(c"n", &vector.bytes("n")).number(c"e", &vector.bytes("e"));
            let key = Key::public(setup.reference(), c"RSA", numbers).unwrap();
            let (scheme, message, signature) = (kind.scheme(&vector), vector.bytes("Msg"), vector.bytes("S"));
            plan.case(file, (vector.number, result), expected, move |side| {
                verified_by(side, &key, &scheme, &message, &signature)
            });
        }
    }
}

fn verified_by(side: &Side, key: &Key, scheme: &Scheme, message: &[u8], signature: &[u8]) -> Outcome {
    match verify(side, key, scheme, message, signature) {
        Ok(true) => Ok(Vec::new()),
        Ok(false) => Err("not its signature".to_owned()),
        Err(error) => panic!("verification does not begin: {error}"),
    }
}
