use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::super::{Counter, DeviceCounter, Published, read_all};
use super::*;

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hotspare-fold-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The file of a process that has ended with one request done in hardware and one in flight. Such pids there are none.
    fn leave_behind(&self, process: u64) -> PathBuf {
        let published = Published::create(&self.0.join("template")).unwrap();
        published.add(Counter::Submitted, 2);
        published.count(Counter::Hardware);
        published.count(Counter::InFlight);
        let place = published.device("0000:6b:00.0".parse().unwrap()).unwrap();
        published.device_counter(place, DeviceCounter::Completed).fetch_add(1, Ordering::Relaxed);
        let mut bytes = std::fs::read(published.path().unwrap()).unwrap();
        std::fs::remove_file(published.path().unwrap()).unwrap();
        bytes[16..24].copy_from_slice(&(1 << 40 | process).to_ne_bytes());
        let [started, number] = [24, 56].map(|at| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap()));
        let path = self.0.join(file_name(1 << 40 | process, started, number));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn fold(&self) {
        fold_if_many(&self.0).unwrap();
    }

    fn file_count(&self) -> usize {
        let names = std::fs::read_dir(&self.0).unwrap();
        names
            .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "stats"))
            .count()
    }

    fn assert_sum(&self, processes: u64) {
        let (all, errors) = read_all(&self.0).unwrap();
        assert!(errors.is_empty(), "{errors:?}");
        let mut sum = Sum::default();
        for process in &all {
            sum.add(&process.sum);
        }
        assert_eq!(sum.imbalance(), 0);
        assert_eq!(sum.value(Counter::Submitted), 2 * processes);
        assert_eq!(sum.value(Counter::Hardware), processes);
        assert_eq!(sum.value(Counter::Abandoned), processes);
        assert_eq!(sum.devices()[0].value(DeviceCounter::Completed), processes);
        assert_eq!(sum.devices().len(), 1);
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn files_of_ended_processes_become_one_once_they_are_many_and_nothing_is_lost() {
    let directory = Directory::new("many");
    for process in 0..256 {
        directory.leave_behind(process);
    }
    directory.fold();
    assert_eq!(directory.file_count(), 256, "not many yet");
    for process in 256..600 {
        directory.leave_behind(process);
    }
    let mut counts = vec![directory.file_count()];
    for _ in 0..4 {
        directory.fold();
        directory.assert_sum(600);
        counts.push(directory.file_count());
    }
    assert_eq!(counts, [600, 473, 345, 217, 217]);
    let (all, _) = read_all(&directory.0).unwrap();
    assert_eq!((all[0].pid, all[0].alive, &*all[0].name), (0, false, "ended processes"));
}

#[test]
fn who_still_counts_is_left_alone_wherever_its_pid_means_something() {
    let directory = Directory::new("alive");
    let published = Published::create(&directory.0).unwrap();
    let elsewhere = directory.leave_behind(1000);
    // As a process in another pid namespace: its pid says nothing here, but it holds the lock.
    let lock = File::open(&elsewhere).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    for process in 0..300 {
        directory.leave_behind(process);
    }
    for _ in 0..4 {
        directory.fold();
    }
    assert!(directory.file_count() < 300);
    assert!(elsewhere.exists() && published.path().unwrap().exists());
    directory.assert_sum(301);
    drop(lock);
    for process in 300..600 {
        directory.leave_behind(process);
    }
    for _ in 0..8 {
        directory.fold();
    }
    directory.assert_sum(601);
    assert!(published.path().unwrap().exists());
}

#[test]
fn a_folder_that_was_killed_before_it_removed_what_it_had_folded_doubles_nothing() {
    let directory = Directory::new("killed");
    let paths: Vec<_> = (0..300).map(|process| directory.leave_behind(process)).collect();
    let contents: Vec<_> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    directory.fold();
    let folded: Vec<_> = paths.iter().zip(&contents).filter(|(path, _)| !path.exists()).collect();
    assert_eq!(folded.len(), FOLDED_AT_ONCE);
    for (path, content) in &folded {
        std::fs::write(path, content).unwrap();
    }
    directory.assert_sum(300);
    // Who folds next removes them, and counts none of them again.
    directory.fold();
    assert!(folded.iter().all(|(path, _)| !path.exists()));
    directory.assert_sum(300);
}

#[test]
fn readers_and_many_folders_at_once_see_the_same_sum_all_the_time() {
    let directory = Directory::new("at-once");
    for process in 0..1200 {
        directory.leave_behind(process);
    }
    let (over, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    let fold = || {
        let before = reads.load(Ordering::SeqCst);
        directory.fold();
        // Each of the next readings meets another folding.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while reads.load(Ordering::SeqCst) == before && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
    };
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                reads.fetch_add(1, Ordering::SeqCst);
                directory.assert_sum(1200);
            }
        });
        let folders: Vec<_> = (0..3).map(|_| scope.spawn(|| (0..10).for_each(|_| fold()))).collect();
        folders.into_iter().for_each(|folder| folder.join().unwrap());
        over.store(true, Ordering::SeqCst);
        reader.join().unwrap();
    });
    directory.assert_sum(1200);
    assert!(directory.file_count() <= MANY_FILES);
}

#[test]
fn a_pipe_among_the_files_keeps_nobody_waiting() {
    let directory = Directory::new("pipe");
    let path = directory.0.join("1.1.0.stats");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    let (processes, errors) = read_all(&directory.0).unwrap();
    assert_eq!((processes.len(), errors.len()), (0, 1));
}
