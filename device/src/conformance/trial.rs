//! What a check works with: one device and its instance, and the books of what was submitted and answered.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Action, PATIENCE, Ready, Sample, Stand, Subject, samples};
use crate::instance::{Instance, InstanceOptions, Response, State, Status, SubmitError, Tag};

/// Why a check ended early.
#[derive(Debug)]
pub(super) enum Ending {
    /// A promise was broken.
    Failed(String),
    /// The device lacks what it takes.
    NotRun(String),
}

impl From<String> for Ending {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

pub(super) type Verdict<T = ()> = Result<T, Ending>;

/// Ends the check with this explanation, unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($explanation:tt)+) => {
        if !$condition {
            return Err($crate::conformance::trial::Ending::Failed(format!($($explanation)+)));
        }
    };
}
pub(super) use ensure;

/// So many requests may be in flight in each check, unless it says otherwise: few, so that a ring is soon full.
const DEPTH: u32 = 8;

/// What came back for a request, checked by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) tag: u64,
    pub(super) status: Status,
}

/// One device and what was asked of it.
pub(super) struct Trial {
    pub(super) instance: Arc<dyn Instance>,
    pub(super) subject: Box<dyn Subject>,
    /// What the device has, the quick ones first.
    pub(super) samples: Vec<Sample>,
    last_tag: u64,
    /// Accepted and not answered, with the sample that it was.
    open: HashMap<u64, usize>,
}

impl Trial {
    pub(super) fn new(stand: &dyn Stand) -> Verdict<Self> {
        let options =
            InstanceOptions { ring_depth: DEPTH, arena_mb: 1, connect_timeout: Duration::from_secs(10) };
        let Ready { instance, subject } = stand.set_up(&options)?;
        let mut samples = samples().map_err(|error| error.to_string())?;
        samples.retain(|sample| instance.supports(sample.request.operation()));
        ensure!(!samples.is_empty(), "the device has no operation at all");
        Ok(Self { instance, subject, samples, last_tag: 0, open: HashMap::new() })
    }

    pub(super) fn act(&self, action: Action) -> Verdict {
        self.subject.act(action).map_err(|why| Ending::Failed(format!("{action:?}: {why}")))
    }

    /// Submits a quick request.
    pub(super) fn try_submit(&mut self) -> Result<u64, SubmitError> {
        self.try_submit_sample(0)
    }

    pub(super) fn try_submit_sample(&mut self, sample: usize) -> Result<u64, SubmitError> {
        let tag = self.last_tag + 1;
        self.instance.submit(&self.samples[sample].request, Tag(tag))?;
        self.last_tag = tag;
        self.open.insert(tag, sample);
        Ok(tag)
    }

    /// Submits so many requests, all of which are taken.
    pub(super) fn submit(&mut self, count: u32) -> Verdict<Vec<u64>> {
        (0..count)
            .map(|number| {
                let submitted = self.try_submit();
                submitted.map_err(|error| Ending::Failed(format!("request {number} was refused: {error}")))
            })
            .collect()
    }

    /// Submits until the ring refuses, and gives what was taken and the refusal.
    pub(super) fn fill(&mut self) -> Verdict<(Vec<u64>, SubmitError)> {
        let most = self.instance.occupancy().depth + 1;
        let mut taken = Vec::new();
        for _ in 0..=most {
            match self.try_submit() {
                Ok(tag) => taken.push(tag),
                Err(refusal) => return Ok((taken, refusal)),
            }
        }
        Err(Ending::Failed(format!("{most} requests were taken, one more than may be in flight")))
    }

    /// Polls once, and checks each response by itself.
    pub(super) fn poll(&mut self) -> Verdict<Vec<Answer>> {
        let Self { instance, samples, open, .. } = self;
        let (mut answers, mut wrong) = (Vec::new(), None);
        let given = instance.poll(&mut |response: Response<'_>| {
            match check(&response, open, samples) {
                Ok(()) => answers.push(Answer { tag: response.tag.0, status: response.status }),
                Err(why) => wrong = Some(why),
            };
        });
        match wrong {
            Some(why) => Err(Ending::Failed(why)),
            None => {
                ensure!(given == answers.len(), "poll said {given}, and gave {}", answers.len());
                Ok(answers)
            }
        }
    }

    /// Polls until so many responses came; not one more.
    pub(super) fn collect(&mut self, count: usize) -> Verdict<Vec<Answer>> {
        let deadline = Instant::now() + PATIENCE;
        let mut answers = Vec::new();
        while answers.len() < count {
            let new = self.poll()?;
            if new.is_empty() {
                ensure!(
                    Instant::now() < deadline,
                    "{} of {count} responses never came",
                    count - answers.len()
                );
                std::thread::sleep(Duration::from_micros(100));
            }
            answers.extend(new);
        }
        ensure!(answers.len() == count, "{} responses, {count} wanted", answers.len());
        Ok(answers)
    }

    /// Collects all that is open; each is computed.
    pub(super) fn collect_computed(&mut self) -> Verdict {
        let answers = self.collect(self.open.len())?;
        for answer in answers {
            ensure!(answer.status == Status::Done, "request {} came back {:?}", answer.tag, answer.status);
        }
        Ok(())
    }

    /// Shows that the instance works: a ring full of requests, each computed.
    pub(super) fn works(&mut self) -> Verdict {
        let depth = self.instance.occupancy().depth;
        let deadline = Instant::now() + PATIENCE;
        for number in 0..depth {
            // After a restart the device may still have to throw away what it was asked before.
            while let Err(refusal) = self.try_submit() {
                ensure!(
                    refusal == SubmitError::Full && Instant::now() < deadline,
                    "request {number} of {depth} was refused: {refusal}"
                );
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        self.collect_computed()
    }

    /// Nothing comes, and nothing is open.
    pub(super) fn nothing_more(&mut self) -> Verdict {
        for _ in 0..50 {
            let answers = self.poll()?;
            ensure!(answers.is_empty(), "responses that nobody is owed: {answers:?}");
            std::thread::sleep(Duration::from_micros(100));
        }
        ensure!(self.open.is_empty(), "requests {:?} were never answered", self.open.keys());
        Ok(())
    }

    /// Waits until the instance says that the device is in this state. Does not poll.
    pub(super) fn wait_for(&self, state: State) -> Verdict {
        let deadline = Instant::now() + PATIENCE;
        while self.instance.state().0 != state {
            ensure!(Instant::now() < deadline, "never {state}, but {}", self.instance.state().0);
            std::thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }

    /// Polls until the device is up in a later epoch than this; what comes meanwhile is given back.
    pub(super) fn wait_for_epoch_after(&mut self, epoch: u64) -> Verdict<Vec<Answer>> {
        let deadline = Instant::now() + PATIENCE;
        let mut answers = Vec::new();
        loop {
            answers.extend(self.poll()?);
            let (state, now) = self.instance.state();
            if state == State::Up && now > epoch {
                // One more, which adopts the epoch.
                answers.extend(self.poll()?);
                return Ok(answers);
            }
            ensure!(
                Instant::now() < deadline,
                "after a restart it is {state} in epoch {now}, before {epoch}"
            );
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// The removal descriptor, if the driver has such a thing.
    pub(super) fn removal(&self) -> Verdict<Arc<OwnedFd>> {
        self.instance
            .removal_descriptor()
            .ok_or_else(|| Ending::NotRun("the driver has no removal descriptor".to_owned()))
    }
}

/// What holds for each response, whatever was before.
fn check(response: &Response<'_>, open: &mut HashMap<u64, usize>, samples: &[Sample]) -> Result<(), String> {
    let Response { tag, status, output } = response;
    let Some(sample) = open.remove(&tag.0) else {
        return Err(format!("a response ({status:?}) for {}, which is not open: a second one?", tag.0));
    };
    let sample = &samples[sample];
    let (operation, wanted) = (sample.request.operation(), sample.request.output_length());
    match status {
        Status::Done if output.len() != wanted => {
            Err(format!("{operation:?} gave {} bytes, {wanted} were promised", output.len()))
        }
        Status::Done if *output != sample.expected => {
            Err(format!("{operation:?} gave a wrong result for {}: another request's?", tag.0))
        }
        Status::Done => Ok(()),
        _ if !output.is_empty() => Err(format!("{status:?} came with {} bytes", output.len())),
        _ => Ok(()),
    }
}

/// Real answers first, then dummies, these in the order of submission.
pub(super) fn ensure_reals_before_ordered_dummies(answers: &[Answer], submitted: &[u64]) -> Verdict {
    let real = answers.iter().take_while(|answer| answer.status != Status::Dummy).count();
    let dummies = &answers[real..];
    ensure!(
        dummies.iter().all(|answer| answer.status == Status::Dummy),
        "a real response after a dummy: {answers:?}"
    );
    let is_caught = |tag: &&u64| dummies.iter().any(|answer| answer.tag == **tag);
    let in_order: Vec<u64> = submitted.iter().filter(is_caught).copied().collect();
    let given: Vec<u64> = dummies.iter().map(|answer| answer.tag).collect();
    ensure!(given == in_order, "dummies for {given:?}, submitted in the order {in_order:?}");
    Ok(())
}

/// Whether one of them is readable before so long has passed.
pub(super) fn is_readable(descriptors: &[BorrowedFd<'_>], longest: Duration) -> bool {
    let deadline = Instant::now() + longest;
    loop {
        let mut wanted: Vec<_> =
            descriptors.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 });
        match poll(&mut wanted, Some(&left)) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Whether this one is readable at this moment.
pub(super) fn is_readable_now(descriptor: impl AsFd) -> bool {
    is_readable(&[descriptor.as_fd()], Duration::ZERO)
}
