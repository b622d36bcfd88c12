//! An engine: a thread that takes requests from all rings in turn, computes, and answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hotspare_device::drivers::emulated::wire::descriptor::{self, STATUS_MALFORMED, STATUS_UNSUPPORTED};
use hotspare_device::drivers::emulated::wire::layout::{SLOT_OUTPUT, SLOT_OUTPUT_BYTES};
use hotspare_device::drivers::emulated::wire::payload::Payload;
use zeroize::Zeroize;

use super::ring::{Ring, Take, Work};
use super::shared::{Rings, Shared};
use crate::crypto::{Calculator, Outcome};

/// An idle engine goes through its loop this often: more than three times in the shortest timer of the heartbeat (200
/// ms), so that each check finds other counters than the one before.
const IDLE_LOOP: Duration = Duration::from_millis(60);

/// One engine.
pub(crate) struct Engine {
    number: u32,
    shared: Arc<Shared>,
    spin: Duration,
    calculator: Calculator,
    rings: Rings,
    version: u64,
    /// Where the next round begins, so that no ring is always the first.
    next: usize,
    /// Private copies of what is computed on; wiped after each request.
    payload: Box<[u8; SLOT_OUTPUT]>,
    output: [u8; SLOT_OUTPUT_BYTES],
}

impl Engine {
    pub(crate) fn new(number: u32, shared: Arc<Shared>, spin: Duration, calculator: Calculator) -> Self {
        let (rings, version) = shared.rings();
        Self {
            number,
            shared,
            spin,
            calculator,
            rings,
            version,
            next: 0,
            payload: Box::new([0; SLOT_OUTPUT]),
            output: [0; SLOT_OUTPUT_BYTES],
        }
    }

    /// Works until the process ends.
    pub(crate) fn run(mut self) {
        let mut idle_since = None;
        loop {
            self.shared.page.begin(self.number);
            // A device that is stopped stays in the middle of its loop: its heart stands still.
            self.shared.wait_until_running();
            if self.shared.is_outdated(self.version) {
                (self.rings, self.version) = self.shared.rings();
            }
            if self.serve_one() {
                idle_since = None;
            } else if idle_since.get_or_insert_with(Instant::now).elapsed() < self.spin {
                std::hint::spin_loop();
            } else {
                (self.rings, self.version) = self.shared.sleep(IDLE_LOOP);
                idle_since = None;
            }
            self.shared.page.end(self.number);
        }
    }

    /// Serves the next request, if there is one: each ring in turn.
    fn serve_one(&mut self) -> bool {
        let count = self.rings.len();
        for step in 0..count {
            let at = (self.next + step) % count;
            let Some(ring) = self.rings.get(at) else { continue };
            match ring.take() {
                Take::Nothing => {}
                Take::Stale => return true,
                Take::Taken(work) => {
                    self.next = at + 1;
                    let ring = Arc::clone(ring);
                    self.serve(&ring, work);
                    return true;
                }
                Take::Broken(rule) => {
                    if ring.expel() {
                        self.shared.complain(Some(ring.instance()), ring.peer(), &rule);
                        self.shared.tell_main();
                    }
                }
            }
        }
        false
    }

    fn serve(&mut self, ring: &Ring, work: Work) {
        let wanted = work.descriptor.output_length as usize;
        let status = match self.compute(ring, &work) {
            Ok(outcome) => outcome.status(),
            Err(status) => status,
        };
        let output = match status {
            descriptor::STATUS_DONE => self.output.get(..wanted).unwrap_or_default(),
            _ => &[],
        };
        ring.answer(&work, status, output);
        self.output.zeroize();
    }

    /// Checks and copies what the descriptor points to, and computes. The error is the status of a descriptor that
    /// can't be computed.
    fn compute(&mut self, ring: &Ring, work: &Work) -> Result<Outcome, u32> {
        let descriptor = &work.descriptor;
        let operation = descriptor::operation(descriptor.operation).ok_or(STATUS_UNSUPPORTED)?;
        if descriptor.slot >= ring.shape().slots {
            return Err(STATUS_MALFORMED);
        }
        let payload = self.payload.get_mut(..descriptor.payload_length as usize).ok_or(STATUS_MALFORMED)?;
        let output = self.output.get_mut(..descriptor.output_length as usize).ok_or(STATUS_MALFORMED)?;
        // The one and only look at the user's memory; it may change afterwards as it likes.
        ring.memory().read(ring.shape().slot(descriptor.slot), payload).map_err(|_| STATUS_MALFORMED)?;
        let outcome = match Payload::parse(payload, operation) {
            Some(parts) => self.calculator.compute(operation, &parts, output),
            None => Outcome::Malformed,
        };
        payload.zeroize();
        Ok(outcome)
    }
}
