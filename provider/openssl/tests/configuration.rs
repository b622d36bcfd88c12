//! Settings, right and wrong, from the file and from the environment; and that loading the provider makes nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Output;

use support::{Bench, Side, module, text};

/// Setting, value, and a part of what is allowed.
const WRONG: &[(&str, &str, &str)] = &[
    ("devices", "emulated:relative", "emulated:DIR"),
    ("devices", "qat", "emulated:DIR"),
    ("deadline_ms", "soon", "from 1 to 60000"),
    ("deadline_ms", "0", "from 1 to 60000"),
    ("deadline_factor", "-1", "from 1 to 1000"),
    ("require_hardware", "perhaps", "`yes` or `no`"),
    ("stats_dir", "here", "an absolute path"),
    ("ring_depth", "100", "a power of two"),
    ("arena_mb", "4096", "from 1 to 1024"),
    ("connect_timeout_ms", "1s", "from 1 to 10000"),
    ("spin_us", "1e3", "from 0 to 10000"),
    ("fallback_provider", "legacy", "`default` or `fips`"),
    ("log", "loud", "`debug`"),
];

/// Loads the provider by name, so that OpenSSL shows its error queue.
fn load(bench: &Bench, variable: Option<(&str, &str)>) -> Output {
    let module = module();
    let mut command = bench.command(Side::Default, "openssl");
    command.arg("list").arg("-providers").arg("-provider-path").arg(module.parent().unwrap());
    command.args(["-provider", "libhotspare_openssl"]);
    command.envs(variable);
    command.output().unwrap()
}

#[test]
fn a_wrong_variable_names_key_value_and_what_is_allowed() {
    let bench = Bench::new();
    assert!(load(&bench, None).status.success());
    for (name, value, allowed) in WRONG {
        let variable = format!("HOTSPARE_{}", name.to_uppercase());
        let output = load(&bench, Some((&variable, value)));
        assert!(!output.status.success(), "{name} = {value}");
        let said = text(&output.stderr);
        let queue: Vec<_> = said.lines().filter(|line| line.contains(":error:")).collect();
        assert!(
            queue.iter().any(|line| {
                line.contains(&variable)
                    && line.contains(&format!("{name} = {value}"))
                    && line.contains(allowed)
            }),
            "{name} = {value}: {said}"
        );
    }
    let output = load(&bench, Some(("HOTSPARE_DEADLINE", "20")));
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("deadline: no such setting; there are log, devices"), "{output:?}");
}

/// OpenSSL says nothing when a provider of its configuration file does not load, so the log must.
#[test]
fn a_wrong_line_in_the_file_is_told_in_the_log() {
    for (name, value, allowed) in WRONG {
        let bench = Bench::with_settings(&format!("{name} = {value}"));
        let output = bench.try_openssl(Side::Hotspare, "list -providers");
        assert!(!text(&output.stdout).contains("hotspare"), "{name} = {value}: {}", text(&output.stdout));
        let said = text(&output.stderr);
        assert!(
            said.contains("hotspare is not loaded")
                && said.contains(&format!("{name} = {value}"))
                && said.contains(allowed),
            "{name} = {value}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let quiet = Bench::with_settings("log = off\ndeadline_ms = soon");
    assert_eq!(text(&quiet.try_openssl(Side::Hotspare, "list -providers").stderr), "");
}

// Not among them: `fallback_provider = default`. OpenSSL takes a value that is the name of a section for that section, and
// `default` always is one; the default needs no line.
#[test]
fn right_settings_are_taken_and_variables_win() {
    let bench = Bench::with_settings(
        "deadline_ms = 50\ndeadline_factor = 4\nrequire_hardware = yes\nring_depth = 64\narena_mb = 2\nspin_us = 0\n\
         connect_timeout_ms = 100\ndevices = none\nlog = info",
    );
    bench.openssl(Side::Default, "genpkey -algorithm EC -pkeyopt group:P-256 -out key.pem");
    let sign = ["dgst", "-sha256", "-sign", "key.pem", "hotspare.cnf"];
    let by_file = bench.command(Side::Hotspare, "openssl").args(sign).output().unwrap();
    assert!(!by_file.status.success(), "require_hardware of the file: {}", text(&by_file.stderr));
    let mut command = bench.command(Side::Hotspare, "openssl");
    let by_variable = command.args(sign).env("HOTSPARE_REQUIRE_HARDWARE", "no").output().unwrap();
    assert!(by_variable.status.success(), "{}", text(&by_variable.stderr));
}

#[test]
fn a_missing_fallback_provider_is_named() {
    let bench = Bench::with_settings("fallback_provider = fips");
    if bench.try_openssl(Side::Default, "list -providers -provider fips").status.success() {
        return; // This machine has one.
    }
    let output = bench.try_openssl(Side::Hotspare, "genpkey -algorithm X25519 -propquery provider=hotspare");
    assert!(!output.status.success());
    let said = text(&output.stderr);
    assert!(said.contains("fallback provider can't be used") && said.contains("`fips`"), "{said}");
}

/// No device configured, or none reachable: all goes on in software, and nothing is said.
#[test]
fn unreachable_devices_are_no_error() {
    let folder = std::env::temp_dir().join("hotspare-no-such-emulator");
    let bench = Bench::with_settings(&format!("devices = emulated:{}", folder.display()));
    bench.openssl(Side::Default, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem");
    let made = bench.try_openssl(Side::Hotspare, "dgst -sha256 -sign key.pem hotspare.cnf");
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert_eq!(made.stdout, bench.openssl(Side::Default, "dgst -sha256 -sign key.pem hotspare.cnf"));
}
