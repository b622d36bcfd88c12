//! Known-answer requests: how a device earns its work. They are in no ledger and in no sum of requests.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use hotspare_device::stats::Counter;
use hotspare_device::{Response, State, Status, SubmitError};

use crate::core::{Core, probe_tag};
use crate::known_answers::KnownAnswer;
use crate::target::Target;
use crate::wait;

/// How long a device has for all known-answer requests together. Generous: a device that just came back is cold, and the
/// machine may be busy; a device that is merely slow shows that later.
const PROBE_TIME: Duration = Duration::from_millis(500);

/// How long to wait for room in a device's ring before looking again.
const ROOM_PAUSE: Duration = Duration::from_micros(100);

/// The round of known-answer requests that a device has.
#[derive(Default)]
pub(crate) struct Probe {
    round: u32,
    /// Those that it has not answered yet: an answer, and whether it is the wrong one.
    open: Vec<Option<(&'static [u8], bool)>>,
    wrong: bool,
}

impl Probe {
    fn begin(&mut self, answers: &[KnownAnswer]) -> u32 {
        // 24 bits of it go into a tag.
        self.round = self.round.wrapping_add(1) & 0x00ff_ffff;
        self.open = answers.iter().map(|answer| Some((answer.expected, answer.is_not))).collect();
        self.wrong = false;
        self.round
    }

    /// A response for one of them. Those of earlier rounds count for nothing.
    pub(crate) fn response(&mut self, response: &Response<'_>) {
        let Some(number) =
            (0_u8..).take(self.open.len()).find(|number| probe_tag(self.round, *number) == response.tag)
        else {
            return;
        };
        if let Some((expected, is_not)) = self.open[usize::from(number)].take() {
            self.wrong |= response.status != Status::Done || (response.output == expected) == is_not;
        }
    }

    fn is_over(&self) -> bool {
        self.wrong || self.open.iter().all(Option::is_none)
    }
}

/// Gives the device all known-answer requests and waits for the answers, no longer than [`PROBE_TIME`]. True if all are right.
pub(crate) fn passes(core: &Core, target: &Target, answers: &[KnownAnswer]) -> bool {
    let Some(instance) = target.instance() else { return false };
    let probe = || target.probe.lock().unwrap_or_else(PoisonError::into_inner);
    let deadline = Instant::now() + PROBE_TIME;
    // What the device still owes from before (dummies, a new epoch) is taken first.
    core.poll_if_free(target);
    let round = probe().begin(answers);
    let mut all_taken = true;
    for (number, answer) in (0_u8..).zip(answers) {
        if !instance.supports(answer.request.operation()) {
            probe().open[usize::from(number)] = None;
            continue;
        }
        core.stats.count(Counter::KnownAnswers);
        let mut submitted = instance.submit(&answer.request, probe_tag(round, number));
        // A ring may be too short for all of them at once.
        while submitted == Err(SubmitError::Full) && !probe().wrong && Instant::now() < deadline {
            core.poll_if_free(target);
            std::thread::sleep(ROOM_PAUSE);
            submitted = instance.submit(&answer.request, probe_tag(round, number));
        }
        if submitted.is_err() {
            all_taken = false;
            break;
        }
    }
    while all_taken && !probe().is_over() && Instant::now() < deadline && instance.state().0 == State::Up {
        wait::wait_for(core, target, deadline, &|| !probe().is_over());
    }
    let mut probe = probe();
    let passed = all_taken && probe.is_over() && !probe.wrong;
    for (number, open) in (0_u8..).zip(&mut probe.open) {
        if open.take().is_some() {
            instance.abandon(probe_tag(round, number));
        }
    }
    if !passed {
        core.stats.count(Counter::KnownAnswersFailed);
    }
    passed
}
