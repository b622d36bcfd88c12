//! The page.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::Row;
use crate::rsa::DIGESTS;

const HEAD: &str = "\
# What is computed where

Written by `HOTSPARE_TEST_WRITE_MATRIX=1 cargo test --release -p hotspare-tests --test matrix`, which runs each line once with a device and once
with none and reads the counters; `./test` runs it and compares.

- **device**: the request went to an accelerator.
- **software**: the request was Hotspare's, and the processor computed it.
- **passed through**: no request; OpenSSL's own provider computed it (the counter `passed_through`).

Each digest was run. \"All\" are MD5, SHA1, SHA224, SHA256, SHA384, SHA512, SHA512/224, SHA512/256, SHA3-224, SHA3-256, SHA3-384 and SHA3-512; masks (PSS,
OAEP) are made with the same digest. RSA keys have their primes (CRT) unless the line says otherwise. The last column says where OpenSSL need not have
the operation; such lines are checked where it has. What is not here, Ed25519 and Ed448 among it, Hotspare does not offer: it stays the default
provider's.

| algorithm | operation | padding, mode | digests | key | with a device | with none | OpenSSL |
| --- | --- | --- | --- | --- | --- | --- | --- |
";

/// A line without its digests.
#[derive(PartialEq)]
struct Line<'a> {
    head: [&'a str; 3],
    tail: [&'a str; 4],
}

/// The whole page. Lines that differ in nothing but the digest are one.
pub(crate) fn page(rows: &[Row]) -> String {
    let mut lines: Vec<(Line<'_>, Vec<&str>)> = Vec::new();
    let mut heads = Vec::new();
    for row in rows {
        let case = &row.case;
        let head = [case.algorithm, case.operation, case.padding];
        if !heads.contains(&head) {
            heads.push(head);
        }
        let line = Line { head, tail: [&case.key, row.with_device, row.with_none, case.versions] };
        match lines.iter_mut().find(|(other, _)| *other == line) {
            Some((_, digests)) => digests.push(case.digest),
            None => lines.push((line, vec![case.digest])),
        }
    }
    lines.sort_by_key(|(line, _)| heads.iter().position(|head| *head == line.head));
    let mut page = HEAD.to_owned();
    for (Line { head, tail }, digests) in lines {
        let all = digests.len() == DIGESTS.len();
        let digests = if all { "all".to_owned() } else { digests.join(", ") };
        let cells = head.into_iter().chain([&*digests]).chain(tail);
        let cells: Vec<_> =
            cells.map(|cell| if cell.is_empty() { " |".to_owned() } else { format!(" {cell} |") }).collect();
        let _ = writeln!(page, "|{}", cells.concat());
    }
    page
}

/// The lines that one page has and the other has not.
pub(crate) fn differences(written: &str, found: &str) -> String {
    let [written, found] = [written, found].map(|page| page.lines().collect::<BTreeSet<_>>());
    let mut text = String::new();
    for line in written.difference(&found) {
        let _ = writeln!(text, "- {line}");
    }
    for line in found.difference(&written) {
        let _ = writeln!(text, "+ {line}");
    }
    text
}
