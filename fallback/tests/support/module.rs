//! Providers written for a test: built, and loaded in a child process that has a configuration for them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Says to a test program that it is the child, which has OPENSSL_CONF set.
const CHILD: &str = "HOTSPARE_TEST_MODULE_CHILD";

/// Whether this process is the child.
pub fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs the test `child` of this program with this configuration.
pub fn in_a_child(configuration: &Path) -> Output {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child", "--nocapture"]).env(CHILD, "1").env("OPENSSL_CONF", configuration);
    child.output().unwrap()
}

/// Makes a provider from C. OpenSSL's headers and a C compiler are there: this package does not build without them.
pub fn build(directory: &Path, source: &str) -> PathBuf {
    let (file, module) = (directory.join("module.c"), directory.join("module.so"));
    std::fs::write(&file, source).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&module).arg(&file).arg("-lcrypto");
    assert!(compiler.status().unwrap().success());
    module
}

/// A folder that goes with this value.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        let name = std::env::current_exe().unwrap().file_stem().unwrap().to_string_lossy().into_owned();
        let path = std::env::temp_dir().join(format!("hs-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
