//! The conformance kit: one suite that every driver passes before it is used. Each check proves one promise of
//! [`Instance`]'s documentation, and every operation that the device says to have is computed once.
//!
//! # How a driver's author uses it
//!
//! 1. In the driver's crate: `hotspare-device` as a dev-dependency, with the feature `conformance` (on by default).
//! 2. A [`Stand`]: what makes a device of the driver ready, with one [`Instance`] of it, and gives a [`Subject`], by which
//!    the kit has things happen to that device. What the hardware, or its emulation, can't do is said in [`Stand::can`]; checks
//!    that need it are not run, and the report says so. A stand that can do nothing at all is still worth something.
//! 3. One test that runs the suite and shows the report:
//!
//! ```
//! use std::sync::Arc;
//!
//! use hotspare_device::conformance::{self, Action, Ready, Stand, Subject};
//! use hotspare_device::drivers::emulated::{instant::InstantEngine, socket_path};
//! use hotspare_device::InstanceOptions;
//!
//! /// A device that is always well: it can only answer.
//! struct Plain {
//!     root: std::path::PathBuf,
//! }
//!
//! /// Keeps the device alive.
//! struct Running(#[allow(dead_code)] InstantEngine);
//!
//! impl Stand for Plain {
//!     fn can(&self, _action: Action) -> bool {
//!         false
//!     }
//!
//!     fn set_up(&self, options: &InstanceOptions) -> Result<Ready, String> {
//!         let socket = socket_path(&self.root, "0000:6b:00.0".parse().map_err(|bad| format!("{bad}"))?);
//!         let engine = InstantEngine::start(&socket).map_err(|error| error.to_string())?;
//!         let driver = hotspare_device::open(&format!("emulated:{}", self.root.display()));
//!         let devices = driver.map_err(|error| error.to_string())?.devices();
//!         let device = devices.map_err(|error| error.to_string())?.swap_remove(0);
//!         let instance = device.open_instance(options).map_err(|error| error.to_string())?;
//!         Ok(Ready { instance, subject: Box::new(Running(engine)) })
//!     }
//! }
//!
//! impl Subject for Running {
//!     fn act(&self, action: Action) -> Result<(), String> {
//!         Err(format!("{action:?} was not promised"))
//!     }
//! }
//!
//! let root = std::env::temp_dir().join(format!("hotspare-conformance-{}", std::process::id()));
//! std::fs::create_dir_all(root.join("run/hotspare-emulator")).unwrap();
//! let report = conformance::run(Arc::new(Plain { root: root.clone() }));
//! std::fs::remove_dir_all(&root).unwrap();
//! println!("{report}");
//! assert!(report.passed(), "{report}");
//! ```
//!
//! `device/tests/conformance.rs` is a stand that can do everything (a scripted device), `emulator/tests/emulator/conformance.rs`
//! one around a program.
//!
//! # What the suite can't see
//!
//! That memory in quarantine is not handed to the device again, and that nothing reads or writes out of bounds: only a test
//! that looks into the driver's memory shows that. The driver of the emulated device has such tests of its own
//! (`drivers/emulated/tests.rs`). Here, quarantine is what [`Instance::occupancy`] says it is, and its effects.

mod checks;
mod samples;
mod trial;

use std::fmt;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crate::instance::{Instance, InstanceOptions};
pub use samples::{Sample, samples};

/// Nothing that a check waits for takes longer, however busy the machine. What takes longer never happens.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// No check takes longer: one that does hangs in the driver. (A method that must not block did.)
const LONGEST_CHECK: Duration = Duration::from_secs(120);

/// What can happen to a device. After [`Subject::act`] has returned, the device has done it: a poll finds what it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// From now on it answers nothing until `Release`; it may be asked for more than one `Hold` without one.
    Hold,
    /// It answers what it held, in any order, and from now on at once again.
    Release,
    /// While it holds: it answers the newest request that it has, and nothing else.
    ReleaseNewest,
    /// From now on it answers nothing, until `Restart`. Nobody is told.
    FallSilent,
    /// It reports a fatal error, and stays in error. May follow `Hold` if the stand can `AnswerLate`, and `FallSilent`.
    Fail,
    /// While in error, after `Hold` and `Fail`: it answers what it held, which nobody waits for any more.
    AnswerLate,
    /// It restarts: it ends up working, in a later epoch, whatever it was before. What it had taken in is forgotten.
    Restart,
    /// It holds: it answers everything twice, and from now on works again.
    AnswerTwice,
    /// It holds: it answers requests that it was never given, and then what it holds, once each, with a status that there is
    /// not. From now on it works again.
    AnswerNonsense,
    /// It, or the process that serves it, goes without a word.
    Vanish,
    /// After `Vanish`: it is there again, in a later epoch, and can be joined.
    Return,
}

/// Makes devices of the driver under test.
pub trait Stand: Send + Sync {
    /// Whether subjects of this stand can do this.
    fn can(&self, action: Action) -> bool;

    /// A new device that works and answers at once and rightly, and an instance of it. It is given up, in any state, by
    /// dropping both, in any order. Its answers to [`samples`] are right; nothing else is asked of it.
    ///
    /// # Errors
    /// Why there is none; the check fails.
    fn set_up(&self, options: &InstanceOptions) -> Result<Ready, String>;
}

/// A device that is ready for a check. The handle is the only one: checks see whether dropping it is clean.
pub struct Ready {
    /// An instance of the device.
    pub instance: Arc<dyn Instance>,
    /// What happens to the device.
    pub subject: Box<dyn Subject>,
}

/// One device, in the hands of the kit.
pub trait Subject: Send + Sync {
    /// Has it do this.
    ///
    /// # Errors
    /// Why it could not; the check fails.
    fn act(&self, action: Action) -> Result<(), String>;
}

/// How one check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The promise was kept.
    Passed,
    /// It was broken.
    Failed(String),
    /// The stand, or the device, lacks what the check needs.
    NotRun(String),
}

/// What came out for one promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check's name.
    pub name: &'static str,
    /// What it proves.
    pub promise: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// What came out for all promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// One for each check, in the order of the suite.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether no promise was found broken. Checks that were not run don't count: see [`Report::not_run`].
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.findings.iter().any(|finding| matches!(finding.outcome, Outcome::Failed(_)))
    }

    /// Names of the checks that were not run, so that a test can say which it knows of.
    #[must_use]
    pub fn not_run(&self) -> Vec<&'static str> {
        let not_run = self.findings.iter().filter(|finding| matches!(finding.outcome, Outcome::NotRun(_)));
        not_run.map(|finding| finding.name).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            match &finding.outcome {
                Outcome::Passed => {
                    writeln!(f, "passed   {} ({} ms)", finding.name, finding.took.as_millis())?;
                }
                Outcome::NotRun(why) => writeln!(f, "not run: {}: {why}", finding.name)?,
                Outcome::Failed(why) => {
                    writeln!(f, "FAILED   {}: {why}\n         promised: {}", finding.name, finding.promise)?;
                }
            }
        }
        Ok(())
    }
}

/// Runs the whole suite, one check after the other, each with a device of its own.
#[must_use]
pub fn run(stand: Arc<dyn Stand>) -> Report {
    run_matching(stand, "")
}

/// Runs the checks in whose names `part` occurs.
#[must_use]
pub fn run_matching(stand: Arc<dyn Stand>, part: &str) -> Report {
    let checks = checks::ALL.iter().filter(|check| check.name.contains(part));
    let findings = checks.map(|check| {
        let began = Instant::now();
        let outcome = outcome(check, &stand);
        Finding { name: check.name, promise: check.promise, outcome, took: began.elapsed() }
    });
    Report { findings: findings.collect() }
}

/// Runs one check in a thread, so that one that hangs is told from one that waits.
fn outcome(check: &'static checks::Check, stand: &Arc<dyn Stand>) -> Outcome {
    if let Some(lacking) = check.needs.iter().find(|action| !stand.can(**action)) {
        return Outcome::NotRun(format!("the stand can't {lacking:?}"));
    }
    let (done, ended) = mpsc::channel();
    let stand = Arc::clone(stand);
    let thread = std::thread::Builder::new().name(check.name.to_owned()).spawn(move || {
        // The receiver has gone if we took too long.
        let _ = done.send((check.run)(&*stand));
    });
    let thread = match thread {
        Ok(thread) => thread,
        Err(error) => return Outcome::Failed(format!("no thread to run it in: {error}")),
    };
    match ended.recv_timeout(LONGEST_CHECK) {
        Ok(Ok(())) => match thread.join() {
            Ok(()) => Outcome::Passed,
            Err(_) => Outcome::Failed("it panicked at its end".to_owned()),
        },
        Ok(Err(trial::Ending::Failed(why))) => Outcome::Failed(why),
        Ok(Err(trial::Ending::NotRun(why))) => Outcome::NotRun(why),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Outcome::Failed("it panicked (what it said is in the test's output)".to_owned())
        }
        // The thread is left to itself: it can't be ended.
        Err(mpsc::RecvTimeoutError::Timeout) => Outcome::Failed(format!(
            "it was not over after {} s: something blocks that must not",
            LONGEST_CHECK.as_secs()
        )),
    }
}
