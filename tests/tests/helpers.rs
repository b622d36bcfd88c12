//! The helpers themselves: a program that a test starts never outlives it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hotspare_tests::process::Program;
use hotspare_tests::scratch::Scratch;

const BOUND: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Program {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    Program::start(command)
}

fn runs(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn a_program_ends_with_its_guard_even_if_it_ignores_being_asked_or_the_test_panics() {
    let polite = shell("echo ready; exec sleep 60");
    polite.wait_for_line("ready", BOUND);
    let pid = polite.id();
    assert!(runs(pid));
    drop(polite);
    assert!(!runs(pid));

    let stubborn = shell("trap '' TERM; echo ready; exec sleep 60");
    stubborn.wait_for_line("ready", BOUND);
    let pid = stubborn.id();
    let panicked = std::thread::spawn(move || {
        let _guard = stubborn;
        panic!("on purpose");
    });
    assert!(panicked.join().is_err());
    assert!(!runs(pid));
}

#[test]
fn a_program_ends_when_the_thread_that_started_it_is_gone() {
    let leaked = std::thread::spawn(|| {
        let program = shell("echo ready; exec sleep 60");
        program.wait_for_line("ready", BOUND);
        program
    });
    let mut program = leaked.join().unwrap();
    assert!(program.wait(BOUND).is_some(), "the kernel did not end it");
}

#[test]
fn waiting_for_a_line_ends_when_the_program_does() {
    let program = shell("echo something else; echo and why >&2");
    let waited =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| program.wait_for_line("ready", BOUND)));
    let message = *waited.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("no `ready`") && message.contains("something else"), "{message}");
}

#[test]
fn a_scratch_directory_goes_with_what_is_in_it() {
    let scratch = Scratch::new();
    let path = scratch.path().to_owned();
    std::fs::create_dir_all(path.join("a/b")).unwrap();
    std::fs::write(path.join("a/b/c"), "d").unwrap();
    drop(scratch);
    assert!(!path.exists());
}
