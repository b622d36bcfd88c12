//! Programs that run: started with their output in a log, ended by their own id, within a bound.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::error::{DemoError, system};
use crate::namespace::dies_with_us;

/// How long a program may take to end when asked to.
const GRACE: Duration = Duration::from_secs(5);

/// How long a command may take. The longest is a reset by hand, for which the emulator takes 30 s at most.
const COMMAND_TIME: Duration = Duration::from_secs(40);

/// How much of a log is shown when something went wrong.
const TAIL_LINES: usize = 12;

/// A program that was started. Ended when dropped.
pub(crate) struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it, with standard output and error in `log`.
    pub(crate) fn start(name: &'static str, mut command: Command, log: &Path) -> Result<Self, DemoError> {
        let file = open_log(log)?;
        let output = file.try_clone().map_err(system(log.display().to_string()))?;
        command.stdout(output);
        Self::spawn(name, command, log, file)
    }

    /// Starts it, and waits until it prints `line`.
    pub(crate) fn start_until(
        name: &'static str,
        mut command: Command,
        log: &Path,
        line: &'static str,
        bound: Duration,
    ) -> Result<Self, DemoError> {
        command.stdout(Stdio::piped());
        let mut program = Self::spawn(name, command, log, open_log(log)?)?;
        let (said, hears) = mpsc::channel();
        if let Some(output) = program.child.stdout.take() {
            std::thread::spawn(move || {
                let lines = BufReader::new(output).lines().map_while(Result::ok);
                // The receiver is gone once it has heard what it wanted.
                for found in lines.filter(|found| found == line) {
                    let _ = said.send(found);
                }
            });
        }
        match hears.recv_timeout(bound) {
            Ok(_) => Ok(program),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                Err(DemoError::Late { what: format!("{name} saying `{line}`"), bound })
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                program.check()?;
                Err(DemoError::Late { what: format!("{name} saying `{line}`"), bound })
            }
        }
    }

    fn spawn(name: &'static str, mut command: Command, log: &Path, errors: File) -> Result<Self, DemoError> {
        // A group of its own: what the terminal sends is for the demonstration, which ends its programs itself.
        command.stdin(Stdio::null()).stderr(errors).process_group(0);
        let child = dies_with_us(&mut command).spawn().map_err(|source| DemoError::NotStarted {
            program: command.get_program().to_string_lossy().into_owned(),
            source,
        })?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error if it has ended.
    pub(crate) fn check(&mut self) -> Result<(), DemoError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(DemoError::Ended {
                program: self.name,
                status: status.to_string(),
                log: self.log.clone(),
            }),
            Err(source) => Err(DemoError::System { what: self.name.to_owned(), source }),
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), DemoError> {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).map_err(system(self.name))
    }

    /// Asks it to end, waits, and then insists. True if asking was enough.
    pub(crate) fn end(&mut self, signal: Signal) -> bool {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return true;
        }
        if self.signal(signal).is_ok() && self.wait(GRACE) {
            return true;
        }
        let _ = self.child.kill();
        // Short: nothing survives that signal.
        let _ = self.child.wait();
        false
    }

    fn wait(&mut self, bound: Duration) -> bool {
        let pid = Pid::from_child(&self.child);
        let descriptor = rustix::process::pidfd_open(pid, PidfdFlags::empty());
        let (Ok(descriptor), Ok(bound)) = (descriptor, Timespec::try_from(bound)) else { return false };
        let ended = rustix::event::poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&bound));
        matches!(ended, Ok(1..)) && self.child.wait().is_ok()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end(Signal::TERM);
    }
}

fn open_log(path: &Path) -> Result<File, DemoError> {
    OpenOptions::new().create(true).append(true).open(path).map_err(system(path.display().to_string()))
}

/// Runs a command to its end and gives what it printed; an error if it failed.
pub(crate) fn run(command: &mut Command) -> Result<String, DemoError> {
    let shown = || {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    };
    let shown = shown();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let not_started = |source| DemoError::NotStarted { program: shown.clone(), source };
    let child = dies_with_us(command).spawn().map_err(not_started)?;
    let pid = Pid::from_child(&child);
    let (over, hears) = mpsc::channel();
    std::thread::spawn(move || over.send(child.wait_with_output()));
    let output = match hears.recv_timeout(COMMAND_TIME) {
        Ok(output) => output.map_err(system(shown.clone()))?,
        Err(_) => {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            return Err(DemoError::Late { what: shown, bound: COMMAND_TIME });
        }
    };
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(DemoError::Command { command: shown, why: format!("{}: {why}", output.status) });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
