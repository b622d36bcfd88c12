//! The pages for administrators say what works. Every block marked `sh` in `docs/openssl.md` is run, in order, with the
//! places of a test; the units' snippets are read by systemd where it is; files that two pages have are the same. What
//! `docs/nginx.md` and `docs/haproxy.md` write, `./demo` runs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is test code")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use hotspare_tests::emulator::Emulator;
use hotspare_tests::programs;
use hotspare_tests::scratch::Scratch;

const OPENSSL: &str = include_str!("../../docs/openssl.md");
const NGINX: &str = include_str!("../../docs/nginx.md");
const HAPROXY: &str = include_str!("../../docs/haproxy.md");

/// Language and content of each block between fences.
fn blocks(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'))
}

/// The block for a file, which begins with a comment that is its path; without that line.
fn file<'a>(page: &'a str, path: &str) -> &'a str {
    let begins = |block: &str| block.split([' ', ':', '\n']).nth(1) == Some(path);
    let mut found = blocks(page).filter(|(_, block)| block.starts_with("# /") && begins(block));
    let (Some((_, block)), None) = (found.next(), found.next()) else { panic!("not one block for {path}") };
    block.split_once('\n').unwrap().1
}

/// The page's places in a whole machine, and those of this test.
fn place(text: &str, places: &BTreeMap<&str, String>) -> String {
    places.iter().fold(text.to_owned(), |text, (of_page, ours)| text.replace(of_page, ours))
}

#[test]
fn the_commands_of_the_page_about_openssl_work() {
    let scratch = Scratch::new();
    let root = scratch.path();
    let built = programs::provider_module().parent().unwrap().to_owned();
    // They are all built before the page installs them.
    let _ = (programs::emulator(), programs::heartbeat_daemon(), programs::hotspare());
    let emulator = Emulator::start(2);
    let inside = |path: &str| root.join(path).display().to_string();
    let places = BTreeMap::from([
        ("target/release", built.display().to_string()),
        ("/usr/lib/x86_64-linux-gnu/ossl-modules", inside("modules")),
        ("/usr/bin", inside("bin")),
        ("hb-daemon/", concat!(env!("CARGO_MANIFEST_DIR"), "/../hb-daemon/").to_owned()),
        ("/etc/systemd/system", inside("units")),
        ("/etc/hotspare", inside("etc")),
        ("/run/emulator", emulator.root().display().to_string()),
        ("/run/hotspare/stats", inside("stats")),
    ]);
    fs::create_dir(root.join("etc")).unwrap();
    let configuration = file(OPENSSL, "/etc/hotspare/openssl.cnf");
    fs::write(root.join("etc/openssl.cnf"), place(configuration, &places)).unwrap();
    let script: String =
        blocks(OPENSSL).filter(|(language, _)| *language == "sh").map(|(_, block)| block).collect();
    assert!(script.lines().count() > 10, "{script}");
    let mut command = Command::new("bash");
    command.args(["-e", "-u", "-x", "-o", "pipefail", "-c", &place(&script, &places)]).current_dir(root);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HOTSPARE_") || name == "OPENSSL_CONF" {
            command.env_remove(name);
        }
    }
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", inside("bin")));
    command.env("OPENSSL_MODULES", inside("modules")).env("HOTSPARE_STATS_DIR", inside("stats"));
    let output = command.output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {said}", output.status);
    assert!(said.contains("active 2 of 2"), "{said}");
    assert!(ran_in_hardware(root), "{said}");
}

/// Whether devices did what was asked for.
fn ran_in_hardware(root: &Path) -> bool {
    let mut stats = Command::new(programs::hotspare());
    let output = stats.arg("stats").arg("--dir").arg(root.join("stats")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let of = |operation: &str| {
        let line = text.lines().find(|line| line.starts_with(operation))?;
        line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()
    };
    // Two signatures by hand, and those of `openssl speed`.
    of("ecdsa-p256-sign").is_some_and(|count| count > 2)
        && of("rsa2048-private").is_some_and(|count| count > 0)
}

#[test]
fn files_that_two_pages_have_are_the_same() {
    assert_eq!(file(OPENSSL, "/etc/hotspare/openssl.cnf"), file(NGINX, "/etc/nginx/openssl.cnf"));
}

/// `INFO device in use device=...` in a page is a line of the log: its words stand in a source.
#[test]
fn the_log_lines_of_the_pages_are_written_somewhere() {
    let mut sources = String::new();
    for room in ["offload/src", "provider/openssl/src"] {
        read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(room), &mut sources);
    }
    let mut found = 0;
    for page in [OPENSSL, NGINX, HAPROXY] {
        // Every second part lies between two backquotes, with the fences taken out.
        for quoted in page.replace("```", "").split('`').skip(1).step_by(2) {
            let message = ["INFO ", "WARN ", "ERROR "].iter().find_map(|level| quoted.strip_prefix(level));
            let Some(message) = message else { continue };
            let words = message.split(" ...").next().unwrap().split(" device=").next().unwrap();
            assert!(sources.contains(&format!("\"{words}\"")), "nobody writes `{words}`");
            found += 1;
        }
    }
    assert!(found > 5, "{found}");
}

fn read_all(directory: &Path, text: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, text);
        } else {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn systemd_understands_the_units_lines() {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        println!("no systemd-analyze here");
        return;
    };
    assert!(version.status.success());
    let scratch = Scratch::new();
    for (page, service) in [(NGINX, "nginx"), (HAPROXY, "haproxy")] {
        let directory = scratch.path().join(format!("{service}.service.d"));
        fs::create_dir(&directory).unwrap();
        let lines = file(page, &format!("/etc/systemd/system/{service}.service.d/hotspare.conf"));
        fs::write(directory.join("hotspare.conf"), lines).unwrap();
        let unit = scratch.path().join(format!("{service}.service"));
        fs::write(&unit, "[Service]\nExecStart=/bin/true\n").unwrap();
        let mut verify = Command::new("systemd-analyze");
        verify.args(["verify", "--man=no"]).arg(&unit);
        verify.env("SYSTEMD_UNIT_PATH", format!("{}:", scratch.path().display()));
        let output = verify.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("hotspare.conf"), "{said}");
    }
    let unknown = scratch.path().join("nginx.service.d/hotspare.conf");
    fs::write(&unknown, "[Service]\nNoSuchThing=1\n").unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]).arg(scratch.path().join("nginx.service"));
    let output = verify.env("SYSTEMD_UNIT_PATH", format!("{}:", scratch.path().display())).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("hotspare.conf"), "the check notices nothing");
}
