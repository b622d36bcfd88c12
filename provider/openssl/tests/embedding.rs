//! A C program that uses the provider by OpenSSL's library, in ways that the `openssl` command does not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::Bench;

fn run(what: &str) {
    Bench::new().run_program("embedding", what);
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
