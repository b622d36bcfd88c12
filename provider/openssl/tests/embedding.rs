//! A C program that uses the provider by OpenSSL's library, in ways that the `openssl` command does not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Stdio;
use std::time::{Duration, Instant};

use support::{Bench, Side, module, text};

/// A run that takes longer has come to a standstill.
const LIMIT: Duration = Duration::from_secs(120);

fn run(what: &str) {
    let bench = Bench::new();
    let program = bench.compile("embedding");
    let module = module();
    let mut child = bench
        .command(Side::Default, program)
        .arg(module.parent().unwrap())
        .args(["libhotspare_openssl", what])
        .env("HOTSPARE_STATS_DIR", bench.path("stats"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = child.stderr.take().unwrap();
    let said = std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = std::io::Read::read_to_end(&mut errors, &mut said);
        said
    });
    let start = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if start.elapsed() > LIMIT => {
                child.kill().unwrap();
                break child.wait().unwrap();
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    assert!(status.success(), "{what}: {status}: {}", text(&said.join().unwrap()));
}

#[test]
fn several_library_contexts() {
    run("contexts");
}

#[test]
fn many_threads_with_the_same_keys() {
    run("threads");
}

#[test]
fn masters_workers_and_their_children() {
    run("forks");
}

#[test]
fn loading_makes_nothing_and_unloading_leaves_nothing() {
    run("loading");
}

#[test]
fn keys_from_numbers() {
    run("numbers");
}

#[test]
fn retries_and_late_changes() {
    run("retries");
}

#[test]
fn a_process_that_cleans_nothing_up() {
    run("abandon");
}
