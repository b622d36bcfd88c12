//! DH: NIST's validity test of the secret, ZZ, between static keys. It asks for what a careful party does: to find wrong public
//! keys, a pair whose halves don't belong together, and another secret.

use hotspare_tests::openssl::agreement::derive_with;
use hotspare_tests::openssl::params::Params;
use hotspare_tests::openssl::{Key, OpensslError, Side};
use hotspare_tests::report::{Expected, Outcome, Plan};

use crate::file::{Vector, read};

const FILES: [&str; 2] =
    ["KASValidityTest_FFCStatic_NOKC_ZZOnly_init.fax", "KASValidityTest_FFCStatic_NOKC_ZZOnly_resp.fax"];

pub(crate) fn agreement(plan: &mut Plan) {
    for file in FILES {
        let vectors = read(file, "Result");
        plan.set(file, vectors.len());
        for vector in vectors {
            let (is_right, result) = vector.result();
            let expected = if is_right { Expected::Output(vector.bytes("Z")) } else { Expected::Refused };
            let inner = vector.clone();
            plan.case(file, (vector.number, result), expected, move |side| agree(side, &inner));
        }
    }
}

fn agree(side: &Side, vector: &Vector) -> Outcome {
    let group = || {
        [(c"p", "P"), (c"q", "Q"), (c"g", "G")]
            .into_iter()
            .fold(Params::new(), |params, (name, field)| params.number(name, &vector.bytes(field)))
    };
    let said = |error: OpensslError| error.to_string();
    let own = group().number(c"pub", &vector.bytes("YstatIUT")).number(c"priv", &vector.bytes("XstatIUT"));
    let own = Key::pair(side, c"DHX", own).map_err(said)?;
    let peer = Key::public(side, c"DHX", group().number(c"pub", &vector.bytes("YstatCAVS"))).map_err(said)?;
    own.check_public(side).map_err(said)?;
    own.check_pair(side).map_err(said)?;
    // With `pad` the secret has the length of the prime.
    let secret = derive_with(side, &own, &peer, Params::new().small(c"pad", 1)).map_err(said)?;
    if secret == vector.bytes("Z") { Ok(secret) } else { Err("another secret".to_owned()) }
}
