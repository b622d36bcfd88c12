//! The reading side. A file may be of any user: it is copied out once, with a bound, and then checked.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path as FilePath, PathBuf};

use super::fold::{FOLDED_PREFIX, Identity, LONGEST_FILE_BYTES, list_of};
use super::{
    Counter, DEVICE_WORDS, DeviceCounter, FILE_BYTES, FIRST_COUNTER, FIRST_DEVICE, FIRST_KIND, FIRST_LATENCY,
    MAGIC, MAX_DEVICES, Path, VERSION, WORDS, pack, start_time, unpack,
};
use crate::address::Bdf;
use crate::request::Kind;

/// Why a directory, or a file in it, could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system refused.
    #[error("{path}: {source}")]
    System {
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not such a file, or of another version.
    #[error("{path} is no file of counters of version {VERSION}")]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
}

/// The counters of one process, or a sum of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    words: Vec<u64>,
    devices: Vec<DeviceStats>,
}

/// The counters of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceStats {
    /// Which device.
    pub address: Bdf,
    values: Vec<u64>,
}

/// What one process published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessStats {
    /// Its id.
    pub pid: u64,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
    /// Its program.
    pub name: String,
    /// Whether it still runs.
    pub alive: bool,
    /// Its counters. Of a process that is dead, what it had in flight is counted as abandoned.
    pub sum: Sum,
}

impl DeviceStats {
    /// A counter's value.
    #[must_use]
    pub fn value(&self, counter: DeviceCounter) -> u64 {
        self.values[counter as usize]
    }
}

impl Default for Sum {
    fn default() -> Self {
        Self { words: vec![0; WORDS], devices: Vec::new() }
    }
}

impl Sum {
    /// What a file's words say.
    pub(super) fn of(words: &[u64]) -> Self {
        Self { devices: devices(words), words: words[..WORDS].to_vec() }
    }

    /// A file's words, all but its first; of more devices than `most` the last are left out.
    pub(super) fn to_words(&self, most: usize) -> Vec<u64> {
        let mut words = self.words.clone();
        words[..FIRST_COUNTER].fill(0);
        words[FIRST_DEVICE..FIRST_LATENCY].fill(0);
        let places = words[FIRST_DEVICE..FIRST_LATENCY].chunks_exact_mut(DEVICE_WORDS);
        for (place, device) in places.zip(self.devices.iter().take(most)) {
            place[0] = pack(device.address);
            place[1..=device.values.len()].copy_from_slice(&device.values);
        }
        words
    }

    /// A counter's value.
    #[must_use]
    pub fn value(&self, counter: Counter) -> u64 {
        self.words[FIRST_COUNTER + counter as usize]
    }

    /// Requests of this kind that were completed in this way.
    #[must_use]
    pub fn completed(&self, kind: Kind, path: Path) -> u64 {
        self.words[FIRST_KIND + kind as usize * Path::ALL.len() + path as usize]
    }

    /// How many requests took as many milliseconds as the index says; the last: as many or more.
    #[must_use]
    pub fn latencies(&self) -> &[u64] {
        &self.words[FIRST_LATENCY..]
    }

    /// The devices that were used.
    #[must_use]
    pub fn devices(&self) -> &[DeviceStats] {
        &self.devices
    }

    /// What law 2 says has to be nothing: submitted less all that requests can end as, and less those in flight.
    #[must_use]
    pub fn imbalance(&self) -> i128 {
        use Counter::{Abandoned, CallerErrors, Hardware, InFlight, Refused, ReplayedHardware, Software};
        let ends = [Hardware, ReplayedHardware, Software, CallerErrors, Refused, Abandoned, InFlight];
        let ended: i128 = ends.iter().map(|counter| i128::from(self.value(*counter))).sum();
        i128::from(self.value(Counter::Submitted)) - ended
    }

    /// Adds another's counters to these. What is no count (the longest time) becomes the greater of both.
    pub fn add(&mut self, other: &Self) {
        let longest = self.value(Counter::LongestMicros).max(other.value(Counter::LongestMicros));
        for (ours, theirs) in self.words.iter_mut().zip(&other.words).skip(FIRST_COUNTER) {
            *ours = ours.saturating_add(*theirs);
        }
        self.words[FIRST_COUNTER + Counter::LongestMicros as usize] = longest;
        for device in &other.devices {
            let Some(ours) = self.devices.iter_mut().find(|ours| ours.address == device.address) else {
                self.devices.push(device.clone());
                continue;
            };
            for counter in DeviceCounter::ALL {
                let (value, theirs) = (&mut ours.values[*counter as usize], device.value(*counter));
                *value = match counter {
                    DeviceCounter::Epoch => theirs.max(*value),
                    _ => value.saturating_add(theirs),
                };
            }
        }
        self.devices.sort_by_key(|device| device.address);
    }

    /// What a dead process had in flight went with it. Where the kill came between two counters, the sum is taken for
    /// right and `in_flight` for torn.
    pub(super) fn bury(&mut self) {
        let torn = self.imbalance() + i128::from(self.value(Counter::InFlight));
        self.words[FIRST_COUNTER + Counter::InFlight as usize] = 0;
        let abandoned = &mut self.words[FIRST_COUNTER + Counter::Abandoned as usize];
        *abandoned = abandoned.saturating_add(u64::try_from(torn).unwrap_or(0));
        self.words[FIRST_COUNTER + Counter::ActiveDevices as usize] = 0;
        for device in &mut self.devices {
            device.values[DeviceCounter::Active as usize] = 0;
        }
    }
}

/// A file that may be anybody's, and anything.
pub(super) struct Opened {
    pub(super) file: File,
    /// Whose it is.
    pub(super) user: u32,
}

impl Opened {
    /// Opens it; a pipe, say, is not waited for.
    pub(super) fn at(path: &FilePath) -> io::Result<Self> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = File::options().read(true).custom_flags(flags).open(path)?;
        let stat = rustix::fs::fstat(&file)?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
            return Err(io::Error::other("no ordinary file"));
        }
        Ok(Self { file, user: stat.st_uid })
    }

    /// Its words, copied out once; none if it is no file of counters.
    pub(super) fn words(&self) -> Option<Vec<u64>> {
        let mut bytes = Vec::with_capacity(FILE_BYTES);
        let limit = u64::try_from(LONGEST_FILE_BYTES).ok()?;
        (&self.file).take(limit).read_to_end(&mut bytes).ok()?;
        let word = |chunk: &[u8]| Some(u64::from_ne_bytes(chunk.try_into().ok()?));
        let words: Vec<u64> = bytes.chunks_exact(8).filter_map(word).collect();
        (words.len() >= WORDS && words[0] == MAGIC && words[1] == VERSION).then_some(words)
    }
}

/// Reads one file.
///
/// # Errors
/// [`ReadError`].
pub fn read_file(path: &FilePath) -> Result<ProcessStats, ReadError> {
    let opened = Opened::at(path).map_err(|source| ReadError::System { path: path.to_owned(), source })?;
    let words = opened.words().ok_or_else(|| ReadError::Foreign { path: path.to_owned() })?;
    Ok(process(&words))
}

fn process(words: &[u64]) -> ProcessStats {
    let name: Vec<u8> =
        words[4..6].iter().flat_map(|word| word.to_ne_bytes()).take_while(|byte| *byte != 0).collect();
    let (pid, started) = (words[2], words[3]);
    let alive = start_time(pid) == Some(started);
    let mut sum = Sum::of(words);
    if !alive {
        sum.bury();
    }
    let name = String::from_utf8_lossy(&name).replace(char::is_control, "?");
    ProcessStats { pid, start_time: started, name, alive, sum }
}

fn devices(words: &[u64]) -> Vec<DeviceStats> {
    let places = words[FIRST_DEVICE..].chunks_exact(DEVICE_WORDS).take(MAX_DEVICES);
    places
        .filter_map(|place| {
            let values = place[1..=DeviceCounter::ALL.len()].to_vec();
            Some(DeviceStats { address: unpack(place[0])?, values })
        })
        .collect()
}

/// Reads all files in `directory`, oldest process first, and says which could not be read. Ended processes whose files were
/// folded into one are one entry, with pid 0. A directory that does not exist holds none: no process has published yet.
///
/// # Errors
/// [`ReadError`] if the directory can't be read.
pub fn read_all(directory: &FilePath) -> Result<(Vec<ProcessStats>, Vec<ReadError>), ReadError> {
    steadily(|| folds(directory), |folds| read_with(directory, folds))
}

/// Reads with what `look` has seen, again and again until `look` sees the same afterwards.
fn steadily<L: PartialEq, R>(
    mut look: impl FnMut() -> Result<L, ReadError>,
    mut read: impl FnMut(&L) -> Result<R, ReadError>,
) -> Result<R, ReadError> {
    /// Files are folded at the first request of a process: that so many of them come one after the other is a bad day's luck.
    const TRIES: usize = 16;
    let mut before = look()?;
    for _ in 1..TRIES {
        let result = read(&before)?;
        let after = look()?;
        if before == after {
            return Ok(result);
        }
        before = after;
    }
    read(&before)
}

/// A folded file: whose, its words, and the files that are in it and may not be removed yet.
#[derive(PartialEq)]
struct Fold {
    path: PathBuf,
    user: u32,
    words: Vec<u64>,
    list: Vec<Identity>,
}

fn names(directory: &FilePath) -> Result<Vec<PathBuf>, ReadError> {
    let system = |source| ReadError::System { path: directory.to_owned(), source };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(system(error)),
    };
    let paths = entries.map(|entry| Ok(entry.map_err(system)?.path()));
    let is_ours = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "stats");
    paths.filter(|path| path.as_ref().map_or(true, is_ours)).collect()
}

fn is_fold(path: &FilePath) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(FOLDED_PREFIX.as_bytes()))
}

fn folds(directory: &FilePath) -> Result<Vec<Fold>, ReadError> {
    let mut folds = Vec::new();
    for path in names(directory)?.into_iter().filter(|path| is_fold(path)) {
        // What can't be read is named when the other files are.
        if let Ok(opened) = Opened::at(&path) {
            if let Some(words) = opened.words() {
                let (_, list) = list_of(&words);
                folds.push(Fold { path, user: opened.user, words, list });
            }
        }
    }
    folds.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(folds)
}

fn read_with(directory: &FilePath, folds: &[Fold]) -> Result<(Vec<ProcessStats>, Vec<ReadError>), ReadError> {
    let mut processes: Vec<_> = folds.iter().map(|fold| process(&fold.words)).collect();
    let mut errors = Vec::new();
    for path in names(directory)? {
        if folds.iter().any(|fold| fold.path == path) {
            continue;
        }
        let opened = match Opened::at(&path) {
            Ok(opened) => opened,
            // Folded meanwhile, which its folded file tells.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => {
                errors.push(ReadError::System { path, source });
                continue;
            }
        };
        let Some(words) = opened.words() else {
            errors.push(ReadError::Foreign { path });
            continue;
        };
        // A list is believed of its own user's files only.
        let identity = Identity::of(&words);
        if !folds.iter().any(|fold| fold.user == opened.user && fold.list.contains(&identity)) {
            processes.push(process(&words));
        }
    }
    processes.sort_by_key(|process| (process.start_time, process.pid));
    Ok((processes, errors))
}

#[cfg(test)]
mod tests {
    use super::super::Published;
    use super::*;
    use std::time::Duration;

    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("hotspare-stats-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_published_is_read_and_summed() {
        let directory = Directory::new("sum");
        let address: Bdf = "00ff:6b:1f.7".parse().unwrap();
        for _ in 0..2 {
            let published = Published::create(&directory.0).unwrap();
            published.add(Counter::Submitted, 3);
            published.count(Counter::Hardware);
            published.count(Counter::Software);
            published.count(Counter::InFlight);
            published.completed(Kind::EcdsaSignP256, Path::Hardware, Duration::from_micros(2500));
            let place = published.device(address).unwrap();
            assert_eq!(published.device(address), Some(place));
            published
                .device_counter(place, DeviceCounter::Completed)
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        let (processes, errors) = read_all(&directory.0).unwrap();
        assert!(errors.is_empty());
        assert_eq!(processes.len(), 2);
        let mut sum = Sum::default();
        for process in &processes {
            assert!(process.alive);
            sum.add(&process.sum);
        }
        assert_eq!(sum.value(Counter::Submitted), 6);
        assert_eq!(sum.imbalance(), 0);
        assert_eq!(sum.value(Counter::LongestMicros), 2500);
        assert_eq!(sum.completed(Kind::EcdsaSignP256, Path::Hardware), 2);
        assert_eq!(sum.latencies()[2], 2);
        assert_eq!(sum.devices()[0].address, address);
        assert_eq!(sum.devices()[0].value(DeviceCounter::Completed), 2);
    }

    #[test]
    fn what_a_dead_process_had_in_flight_is_abandoned() {
        let directory = Directory::new("dead");
        let published = Published::create(&directory.0).unwrap();
        published.add(Counter::Submitted, 5);
        published.add(Counter::Hardware, 2);
        published.add(Counter::InFlight, 2);
        let path = published.path().unwrap().to_owned();
        let mut bytes = std::fs::read(&path).unwrap();
        // Another start time: the pid was used again.
        bytes[24] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let process = read_file(&path).unwrap();
        assert!(!process.alive);
        assert_eq!(process.sum.imbalance(), 0);
        assert_eq!(process.sum.value(Counter::Abandoned), 3);
        assert_eq!(process.sum.value(Counter::InFlight), 0);
    }

    #[test]
    fn what_changed_while_it_was_read_is_read_again() {
        let mut states = [1, 2, 3, 3].into_iter();
        let mut seen = Vec::new();
        let result = steadily(
            || Ok(states.next()),
            |state| {
                seen.push(*state);
                Ok(*state)
            },
        );
        assert_eq!(result.unwrap(), Some(3));
        assert_eq!(seen, [Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn foreign_files_are_named_and_hurt_nobody() {
        let directory = Directory::new("foreign");
        for (name, content) in
            [("empty.stats", vec![]), ("long.stats", vec![0xff; 3 * FILE_BYTES]), ("other", vec![1])]
        {
            std::fs::write(directory.0.join(name), content).unwrap();
        }
        let (processes, errors) = read_all(&directory.0).unwrap();
        assert!(processes.is_empty());
        assert_eq!(errors.len(), 2);
        assert!(read_all(&directory.0.join("missing")).unwrap().0.is_empty());
    }
}
