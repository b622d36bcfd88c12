//! Tests that need a process of their own: they fork, count descriptors, or replace OpenSSL's allocator.

use std::process::Command;
use std::time::Duration;

use hotspare_tests::process;

/// Which test this process is for.
const VARIABLE: &str = "HOTSPARE_TEST_ALONE";
/// A test that takes longer has come to a standstill.
const BOUND: Duration = Duration::from_secs(400);

/// Runs `body`, which belongs to the test called `name`, in a process where nothing else runs, with these variables.
pub(crate) fn alone(name: &str, variables: &[(&str, &str)], body: impl FnOnce()) {
    if std::env::var(VARIABLE).as_deref() == Ok(name) {
        return body();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(VARIABLE, name);
    command.envs(variables.iter().copied());
    match process::run(command, BOUND) {
        Ok(said) => {
            assert!(said.contains("1 passed"), "there is no test called {name}: {said}");
            println!("{said}");
        }
        Err(said) => panic!("{said}"),
    }
}

/// The descriptors that this process has open.
pub(crate) fn descriptors() -> usize {
    // The one that reads the directory is always among them.
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
