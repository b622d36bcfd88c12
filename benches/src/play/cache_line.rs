//! What the machine itself takes for a word from one processor to the other and back. Everything that crosses processors is a
//! multiple of it, and it changes when a virtual machine's processors are moved.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::{NANOS, Played, played, repeat};
use crate::error::BenchError;
use crate::processor::{self, Pair};

const ROUND_TRIPS: u32 = 1_000;

#[repr(align(128))]
struct Line(AtomicU64);

pub(crate) fn play(time: Duration) -> Result<Played, BenchError> {
    let pair = Pair::choose()?;
    let (line, stop) = (Line(AtomicU64::new(0)), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            processor::pin(pair.engine);
            // The other side makes it odd, we make it even.
            while !stop.load(Ordering::Relaxed) {
                let value = line.0.load(Ordering::Acquire);
                if value % 2 == 1 {
                    line.0.store(value + 1, Ordering::Release);
                }
                std::hint::spin_loop();
            }
        });
        processor::pin(pair.measured);
        let samples = repeat(time, ROUND_TRIPS, || {
            for _ in 0..ROUND_TRIPS {
                let value = line.0.load(Ordering::Acquire);
                line.0.store(value + 1, Ordering::Release);
                while line.0.load(Ordering::Acquire) == value + 1 {
                    std::hint::spin_loop();
                }
            }
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        Ok(played(NANOS, samples?))
    })
}
