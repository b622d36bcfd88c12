//! `openssl speed`: every operation that it measures runs, and runs to the end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{Bench, Side, text};

#[test]
fn every_measured_operation_runs() {
    let bench = Bench::new();
    let measured =
        ["rsa1024", "rsa2048", "ecdsap256", "ecdsap384", "ecdhp256", "ecdhp384", "ecdhx25519", "ecdhx448"];
    let output =
        bench.try_openssl(Side::Hotspare, &format!("speed -mr -elapsed -seconds 1 {}", measured.join(" ")));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let (said, failed) = (text(&output.stdout), text(&output.stderr));
    assert!(!failed.contains("failure") && !failed.contains(":error:"), "{failed}");
    // +F2: RSA, +F4: ECDSA, +F5: ECDH; a line for each.
    let lines = |kind| said.lines().filter(|line| line.starts_with(kind)).count();
    assert_eq!((lines("+F2:"), lines("+F4:"), lines("+F5:")), (2, 2, 4), "{said}");
}
