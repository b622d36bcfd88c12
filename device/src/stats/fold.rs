//! Folding: the counters of many ended processes into one file, so that files do not pile up over months of reloads.
//!
//! Each user folds the files of its own ended processes into a file of its own, `folded.UID.stats`, which is laid out as the
//! others are, with pid 0, and after that a list of the files whose counters it has just taken in:
//!
//! | word | what |
//! | --- | --- |
//! | 7 | how many files were folded in all |
//! | 1024 | how often it was written |
//! | 1025 | how many files the list names |
//! | then | for each: pid, start time, beginning, number |
//!
//! Nothing is lost or counted twice, whoever is killed in between: the new file replaces the old one by a rename, which at once
//! adds the counters and names the files that they came from. Readers skip files that are named; they are removed after the
//! rename, and before the list is written anew. Those who fold exclude each other by a lock. That a process has ended is
//! known by the lock that it holds on its file, since a pid means nothing in another pid namespace, and by its pid.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path as FilePath, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::read::{Opened, Sum};
use super::{FILE_BYTES, MAGIC, MAX_DEVICES, VERSION, WORDS, start_time};

/// With more files than these in a directory, some are folded.
const MANY_FILES: usize = 256;
/// How many are folded at once, and how many looked at for that: it happens at a process's first request.
const FOLDED_AT_ONCE: usize = 128;
const LOOKED_AT: usize = 1024;
/// Length of the longest file.
pub(super) const LONGEST_FILE_BYTES: usize = FILE_BYTES + (2 + 4 * FOLDED_AT_ONCE) * 8;
/// Begins the name of every folded file.
pub(super) const FOLDED_PREFIX: &str = "folded.";
/// What stands in the place of a program's name.
const NAME: &[u8; 16] = b"ended processes\0";

/// Which file of which process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pid: u64,
    started: u64,
    began: u64,
    number: u64,
}

impl Identity {
    /// From the words of a file.
    pub(super) fn of(words: &[u64]) -> Self {
        Self { pid: words[2], started: words[3], began: words[6], number: words[7] }
    }

    fn file_name(self) -> String {
        file_name(self.pid, self.started, self.number)
    }
}

/// The name under which a process publishes.
pub(super) fn file_name(pid: u64, started: u64, number: u64) -> String {
    format!("{pid}.{started}.{number}.stats")
}

/// The list at the end of a folded file, and how often it was written.
pub(super) fn list_of(words: &[u64]) -> (u64, Vec<Identity>) {
    let Some([generation, count, list @ ..]) = words.get(WORDS..) else { return (0, Vec::new()) };
    let count = usize::try_from(*count).unwrap_or(0);
    let named = list.chunks_exact(4).take(count);
    let identities =
        named.map(|word| Identity { pid: word[0], started: word[1], began: word[2], number: word[3] });
    (*generation, identities.collect())
}

/// Folds some files of this user's ended processes if there are many files.
///
/// # Errors
/// What the system says. The counters are right whatever happens.
pub(super) fn fold_if_many(directory: &FilePath) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        if let Some(name) = name.to_str().filter(|name| name.ends_with(".stats")) {
            names.push(name.to_owned());
        }
    }
    if names.len() <= MANY_FILES {
        return Ok(());
    }
    let user = rustix::process::geteuid().as_raw();
    let Some(_lock) = lock(directory, user)? else { return Ok(()) };
    let folded = directory.join(format!("{FOLDED_PREFIX}{user}.stats"));
    let mut words = match Opened::at(&folded) {
        Ok(opened) if opened.user == user => opened.words().ok_or_else(|| {
            io::Error::other(format!("{} is no file of counters: remove it", folded.display()))
        })?,
        // Somebody else's: our files stay as they are.
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => vec![0; WORDS],
        Err(error) => return Err(error),
    };
    let (generation, list) = list_of(&words);
    for identity in list {
        remove(directory, identity, user)?;
    }
    words.truncate(WORDS);
    let mut sum = Sum::of(&words);
    let ended = ended_processes(directory, &names, user);
    if ended.is_empty() {
        return Ok(());
    }
    for (_, identity, theirs) in &ended {
        debug_assert_ne!(identity.pid, 0);
        sum.add(theirs);
    }
    let count = words[7].saturating_add(ended.len() as u64);
    write(directory, &folded, &sum, count, generation + 1, &ended)?;
    for (_, identity, _) in &ended {
        remove(directory, *identity, user)?;
    }
    Ok(())
}

/// Excludes other processes of this user. None if one of them is folding.
fn lock(directory: &FilePath, user: u32) -> io::Result<Option<File>> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(directory.join(format!(".fold.{user}.lock")))?;
    if rustix::fs::fstat(&file)?.st_uid != user {
        return Ok(None);
    }
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Files of this user's processes that have ended, each with the lock on it held, and what they counted.
fn ended_processes(directory: &FilePath, names: &[String], user: u32) -> Vec<(File, Identity, Sum)> {
    let mut ended = Vec::new();
    for name in names.iter().filter(|name| !name.starts_with(FOLDED_PREFIX)).take(LOOKED_AT) {
        if ended.len() == FOLDED_AT_ONCE {
            break;
        }
        let Ok(opened) = Opened::at(&directory.join(name)) else { continue };
        // A process holds the lock as long as it counts.
        let is_ours =
            opened.user == user && flock(&opened.file, FlockOperation::NonBlockingLockExclusive).is_ok();
        let Some(words) = opened.words().filter(|words| is_ours && words.len() == WORDS) else { continue };
        let identity = Identity::of(&words);
        if identity.file_name() != *name || start_time(identity.pid) == Some(identity.started) {
            continue;
        }
        let mut sum = Sum::of(&words);
        sum.bury();
        ended.push((opened.file, identity, sum));
    }
    ended
}

fn write(
    directory: &FilePath,
    folded: &FilePath,
    sum: &Sum,
    count: u64,
    generation: u64,
    ended: &[(File, Identity, Sum)],
) -> io::Result<()> {
    let mut words = sum.to_words(MAX_DEVICES);
    words[0] = MAGIC;
    words[1] = VERSION;
    let (first, second) = NAME.split_at(8);
    for (word, half) in [(4, first), (5, second)] {
        words[word] = u64::from_ne_bytes(half.try_into().map_err(io::Error::other)?);
    }
    words[7] = count;
    words.extend([generation, ended.len() as u64]);
    for (_, identity, _) in ended {
        words.extend([identity.pid, identity.started, identity.began, identity.number]);
    }
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let new: PathBuf = directory.join(format!(".{FOLDED_PREFIX}new.{}", rustix::process::geteuid().as_raw()));
    // One that was left behind when its writer was killed.
    if let Err(error) = std::fs::remove_file(&new) {
        if error.kind() != io::ErrorKind::NotFound {
            return Err(error);
        }
    }
    let mut file = File::options().write(true).create_new(true).mode(0o644).open(&new)?;
    file.write_all(&bytes)?;
    std::fs::rename(&new, folded)
}

/// Removes a file whose counters are in the folded one.
fn remove(directory: &FilePath, identity: Identity, user: u32) -> io::Result<()> {
    let path = directory.join(identity.file_name());
    match Opened::at(&path) {
        Ok(opened)
            if opened.user == user
                && opened.words().is_some_and(|words| Identity::of(&words) == identity) =>
        {
            std::fs::remove_file(&path)
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
