//! Programs that a test runs: never left behind, and waited for with a bound.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// How long a program may take to end after SIGTERM before it gets SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// A running program. When this is dropped, also by a panic, it is told to end (SIGTERM, then SIGKILL), by its id, and
/// waited for. If the test's own process is killed, or the thread that started it ends, the kernel tells it to end.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    said: Arc<Said>,
    /// They end with the program's streams.
    readers: Vec<thread::JoinHandle<()>>,
}

/// What a program has said.
#[derive(Debug, Default)]
struct Said {
    now: Mutex<SaidNow>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct SaidNow {
    /// On both its streams.
    all: String,
    /// On its standard output.
    lines: Vec<String>,
    /// It has closed its standard output.
    ended: bool,
}

impl Program {
    /// Starts `command`, without input. What it says is kept, and shown if the test fails.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let parent = rustix::process::getpid();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // SAFETY: between fork and exec it makes two system calls and allocates nothing.
        unsafe {
            command.pre_exec(move || {
                rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
                // The parent may have gone before the kernel knew what we want.
                if rustix::process::getppid() == Some(parent) {
                    Ok(())
                } else {
                    Err(std::io::Error::from_raw_os_error(libc::ESRCH))
                }
            });
        }
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let said = Arc::new(Said::default());
        let output = child.stdout.take().unwrap();
        let errors = child.stderr.take().unwrap();
        let (of_output, of_errors) = (Arc::clone(&said), Arc::clone(&said));
        let output = thread::spawn(move || {
            of_output.follow(output, |now, line| now.lines.push(line));
            of_output.now.lock().unwrap().ended = true;
            of_output.more.notify_all();
        });
        let errors = thread::spawn(move || of_errors.follow(errors, |_, _| {}));
        Self { name, child, said, readers: vec![output, errors] }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it prints this line.
    ///
    /// # Panics
    /// If it doesn't within `bound`, or ends before.
    pub fn wait_for_line(&self, wanted: &str, bound: Duration) {
        let has_it = |now: &SaidNow| now.lines.iter().any(|line| line.trim_end() == wanted);
        let now = self.said.now.lock().unwrap();
        let waiting = self.said.more.wait_timeout_while(now, bound, |now| !has_it(now) && !now.ended);
        let (now, _) = waiting.unwrap();
        let (found, all) = (has_it(&now), now.all.clone());
        drop(now);
        assert!(found, "{}: no `{wanted}` within {bound:?}; it said:\n{all}", self.name);
    }

    /// What it has said so far, on both its streams.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.now.lock().unwrap().all.clone()
    }

    /// Waits until it ends by itself; none if it doesn't within `bound`.
    pub fn wait(&mut self, bound: Duration) -> Option<ExitStatus> {
        let pid = Pid::from_child(&self.child);
        let descriptor = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        let timeout = Timespec::try_from(bound).unwrap();
        match poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&timeout)) {
            Ok(1..) => self.child.wait().ok(),
            _ => None,
        }
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// If it can't be sent.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            if self.wait(GRACE).is_none() {
                drop(self.child.kill());
                drop(self.child.wait());
                eprintln!("{}: did not end within {GRACE:?} after SIGTERM", self.name);
            }
        }
        if thread::panicking() {
            let said = self.said.now.lock().map_or_else(|_| String::new(), |now| now.all.clone());
            eprintln!("--- {} said:\n{said}", self.name);
        }
    }
}

/// Runs `command` to its end and gives what it printed.
///
/// # Errors
/// What it printed, if it fails.
///
/// # Panics
/// If it takes longer than `bound`.
pub fn run(command: Command, bound: Duration) -> Result<String, String> {
    let mut program = Program::start(command);
    let ended = program.wait(bound);
    if ended.is_some() {
        // What it said last may still be on its way.
        program.readers.drain(..).for_each(|reader| reader.join().unwrap());
    }
    match ended {
        Some(status) if status.success() => Ok(program.said()),
        Some(status) => Err(format!("{}: {status}; it said:\n{}", program.name, program.said())),
        None => panic!("{}: still runs after {bound:?}", program.name),
    }
}

impl Said {
    /// Reads a stream to its end, so that the program never waits for us.
    fn follow(&self, stream: impl Read, each: impl Fn(&mut SaidNow, String)) {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            let mut now = self.now.lock().unwrap();
            now.all.push_str(&line);
            now.all.push('\n');
            each(&mut now, line);
            drop(now);
            self.more.notify_all();
        }
    }
}
