//! Reading and writing small files of which the other side may be the kernel, an emulator, or somebody hostile.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// What goes wrong with a file of a device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It isn't there. Normal while a device is down or restarts, and where the driver hasn't got it.
    #[error("{} is not there", .0.display())]
    Absent(PathBuf),
    /// A write was refused since the device is in use or in the middle of a reset (EBUSY).
    #[error("{}: the device is in use, or a reset is under way", .0.display())]
    Busy(PathBuf),
    /// A write was refused since the value, or the moment for it, is wrong (EINVAL).
    #[error("{}: the driver does not take `{value}` now", .path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What was to be written.
        value: String,
    },
    /// It holds something else than it should.
    #[error("{} holds `{text}`, which is not {expected}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The beginning of what it holds.
        text: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// It can't be read or written for another reason.
    #[error("{}: {source}", .path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FileError {
    /// Whether the file just isn't there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent(_))
    }

    pub(super) fn from_system(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match Errno::from_io_error(&source) {
            // A sysfs file whose device goes away while it is open answers ENODEV; ENOTDIR is a directory replaced.
            Some(Errno::NOENT | Errno::NODEV | Errno::NOTDIR) => Self::Absent(path),
            Some(Errno::BUSY) => Self::Busy(path),
            _ => Self::System { path, source },
        }
    }
}

/// The longest content that is read: the kernel's files are one page at most.
const PAGE: usize = 4096;
/// How much of a wrong content an error shows.
const SHOWN: usize = 40;

/// The text of a kernel file: its first line, without the trailing NUL that debugfs files of the QAT driver have.
///
/// Made with a single `read`, since for `heartbeat/status` each read is a check.
pub(super) fn read_line(path: &Path) -> Result<String, FileError> {
    let mut content = [0_u8; PAGE];
    let length = File::open(path)
        .and_then(|mut file| read_once(&mut file, &mut content))
        .map_err(|source| FileError::from_system(path, source))?;
    let content = content.get(..length).unwrap_or_default();
    let line = content.split(|byte| matches!(byte, b'\0' | b'\n')).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).trim().to_owned())
}

fn read_once(file: &mut File, content: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(content) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A file whose line `parse` understands.
pub(super) fn read_parsed<T>(
    path: &Path,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, FileError> {
    let line = read_line(path)?;
    parse(&line).ok_or_else(|| {
        let text = line.chars().take(SHOWN).collect();
        FileError::Malformed { path: path.to_owned(), text, expected }
    })
}

/// As [`read_parsed`], for a file that an emulator overwrites in place ([`write_in_place`]): what a read that coincides
/// with the write makes no sense of is read again.
pub(super) fn read_settled<T>(
    path: &Path,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, FileError> {
    for _ in 1..READS {
        match read_parsed(path, expected, &parse) {
            Err(FileError::Malformed { .. }) => std::thread::yield_now(),
            result => return result,
        }
    }
    read_parsed(path, expected, parse)
}

/// How often a file is read whose content makes no sense. A write of some bytes is long over by then.
const READS: u32 = 5;

/// Writes to a file that exists, as `echo value > path` does, in one write and in place: the kernel acts on the
/// write, an emulator notices it by inotify. A file of another kind than regular (a FIFO) doesn't make it wait.
pub(super) fn write_existing(path: &Path, value: &str) -> Result<(), FileError> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(nonblocking());
    in_place(&options, path, format!("{value}\n").as_bytes()).map_err(|source| {
        match Errno::from_io_error(&source) {
            Some(Errno::INVAL) => FileError::Refused { path: path.to_owned(), value: value.to_owned() },
            _ => FileError::from_system(path, source),
        }
    })
}

/// Puts `content` into the file at `path` without changing its inode, so that whoever has it open or watches it by
/// inotify keeps doing so; makes the file if there is none.
///
/// For those files of an emulated device that others write too. The file is never empty in between: it is
/// overwritten by one write and only then cut to its new length. A reader looks at the first line only. One whose
/// read coincides with the write may still see bytes of both contents, so this is for words of which no such mixture
/// is another word, and their readers read again what makes no sense. Everything else is for [`replace`].
///
/// # Errors
/// What the system says.
pub fn write_in_place(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).custom_flags(nonblocking());
    in_place(&options, path, content)
}

fn in_place(options: &OpenOptions, path: &Path, content: &[u8]) -> io::Result<()> {
    let file = options.open(path)?;
    let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
    // A kernel file says what it likes of its length; to cut it is harmless, a shell does it with each `>`.
    let longer = file.metadata()?.len() > length;
    if file.write_at(content, 0)? != content.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    if longer {
        file.set_len(length)?;
    }
    Ok(())
}

/// `O_NONBLOCK` in the type that `custom_flags` takes.
fn nonblocking() -> i32 {
    rustix::fs::OFlags::NONBLOCK.bits().try_into().unwrap_or(0)
}

/// Puts a whole new file in the place of `path`, with one rename: a reader sees the old file or the new, each
/// complete. For files that only one process writes.
///
/// # Errors
/// What the system says; then the old file is untouched and no other is left behind.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.new", std::process::id()));
    let temporary = directory.join(temporary);
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one worth telling.
        let _ = fs::remove_file(&temporary);
    }
    written
}
