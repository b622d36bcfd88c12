//! Finding, and bringing up to date, the programs and modules of this workspace.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The provider's module.
#[must_use]
pub fn provider_module() -> PathBuf {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| built("hotspare-provider-openssl", "libhotspare_openssl.so")).clone()
}

/// The emulator.
#[must_use]
pub fn emulator() -> PathBuf {
    static EMULATOR: OnceLock<PathBuf> = OnceLock::new();
    EMULATOR.get_or_init(|| built("hotspare-emulator", "hotspare-emulator")).clone()
}

/// The heartbeat daemon.
#[must_use]
pub fn heartbeat_daemon() -> PathBuf {
    static DAEMON: OnceLock<PathBuf> = OnceLock::new();
    DAEMON.get_or_init(|| built("hotspare-hbd", "hotspare-hbd")).clone()
}

/// The command `hotspare`.
#[must_use]
pub fn hotspare() -> PathBuf {
    static COMMAND: OnceLock<PathBuf> = OnceLock::new();
    COMMAND.get_or_init(|| built("hotspare-cli", "hotspare")).clone()
}

/// What `package` builds, beside this test program. Cargo builds programs only for tests of their own package, so that
/// under `cargo test` this asks it to, which takes a moment if there is nothing to do. Run by hand, a test takes what
/// is there.
fn built(package: &str, file: &str) -> PathBuf {
    let profile = profile_directory();
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", package, "--manifest-path"]);
        build.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
        build.arg("--target-dir").arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let status = build.status().expect("cargo starts");
        assert!(status.success(), "building {package} failed");
    }
    let path = profile.join(file);
    assert!(path.exists(), "{}: not there; build it with cargo build --release -p {package}", path.display());
    path
}

/// `target/release`: test programs are in `deps` below it.
fn profile_directory() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.parent().unwrap().parent().unwrap().to_owned()
}
