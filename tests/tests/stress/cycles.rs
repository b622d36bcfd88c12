//! Whole worlds made and dropped again and again in one thread: what is left of them.

use std::fs;

use crate::program::{Orders, must};

/// Loads and unloads.
const CYCLES: usize = 1000;
/// In every so many a request is made, and so devices are joined.
const REQUEST_EVERY: usize = 8;

pub(crate) fn run(orders: &Orders) {
    let mut random = orders.random(0);
    let mut cycle = |number: usize| {
        let world = must("making a world", orders.fresh_world());
        if number % REQUEST_EVERY == 0 {
            must("computing", world.agreement(&mut random));
        }
    };
    cycle(0);
    let before = (descriptors(), threads(), kibibytes());
    (1..CYCLES).for_each(&mut cycle);
    let after = (descriptors(), threads(), kibibytes());
    eprintln!("address space: {} KiB before, {} KiB after", before.2, after.2);
    assert_eq!(after.0, before.0, "descriptors");
    assert_eq!(after.1, before.1, "threads");
}

/// Where the open descriptors lead.
fn descriptors() -> Vec<String> {
    let entries = fs::read_dir("/proc/self/fd").unwrap();
    let mut targets: Vec<_> = entries
        .filter_map(|entry| Some(fs::read_link(entry.ok()?.path()).ok()?.to_string_lossy().into_owned()))
        .collect();
    targets.sort_unstable();
    targets
}

/// The names of all threads.
pub(crate) fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let mut names: Vec<_> =
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok()).collect();
    names.sort_unstable();
    names
}

/// The address space in use.
fn kibibytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
