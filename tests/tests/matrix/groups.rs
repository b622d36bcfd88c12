//! DH and its groups.

use std::sync::Arc;

use hotspare_tests::mode::Setup;
use hotspare_tests::openssl::Key;
use hotspare_tests::openssl::agreement::derive;
use hotspare_tests::openssl::params::Params;

use crate::case::Case;

const NAMED: [&str; 9] = [
    "modp_1536",
    "modp_2048",
    "modp_4096",
    "modp_8192",
    "ffdhe2048",
    "ffdhe3072",
    "ffdhe4096",
    "ffdhe6144",
    "ffdhe8192",
];
/// Those of X9.42 (RFC 5114).
const X942: [&str; 3] = ["dh_1024_160", "dh_2048_224", "dh_2048_256"];

pub(crate) fn cases(setup: &Setup) -> Vec<Case> {
    let mut cases = Vec::new();
    for (algorithm, name, groups) in [("DH", c"DH", &NAMED[..]), ("DHX", c"DHX", &X942[..])] {
        for group in groups {
            let settings = || Params::new().text(c"group", group);
            let [own, peer] = [(); 2].map(|()| Key::generate(setup.reference(), name, settings()).unwrap());
            let (own, peer) = (Arc::new(own), Arc::new(peer));
            cases.push(Case::new((algorithm, "derive"), "", "", group, move |side| {
                derive(side, &own, &peer).map(drop)
            }));
            cases.push(Case::new((algorithm, "generate"), "", "", group, move |side| {
                Key::generate(side, name, Params::new().text(c"group", group)).map(drop)
            }));
        }
    }
    let (own, peer) = (unnamed(setup), unnamed(setup));
    cases.push(Case::new(("DH", "derive"), "", "", "2048, a group without name", move |side| {
        derive(side, &own, &peer).map(drop)
    }));
    cases
}

/// A key of a group that OpenSSL does not recognise: ffdhe2048 with another generator.
fn unnamed(setup: &Setup) -> Key {
    let known = Key::generate(setup.reference(), c"DH", Params::new().text(c"group", "ffdhe2048")).unwrap();
    let numbers = Params::new()
        .number(c"p", &known.number(c"p").unwrap())
        .number(c"g", &[4])
        // 4 to the power of 1.
        .number(c"pub", &[4])
        .number(c"priv", &[1]);
    Key::pair(setup.reference(), c"DH", numbers).unwrap()
}
