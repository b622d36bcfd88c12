//! The bars: what has to be, by the issue "The provider whole: every algorithm, asynchronous, as quick as OpenSSL with no
//! device" ("It must show"). `./bench` fails when a median misses its bar.

/// A limit that a median must keep.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Bar {
    /// On which side of `limit` the median must be.
    pub side: Side,
    /// In the unit of the measurement.
    pub limit: f64,
}

/// See [`Bar::side`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Not below it.
    AtLeast,
    /// Not above it.
    AtMost,
}

impl Bar {
    const fn at_least(limit: f64) -> Self {
        Self { side: Side::AtLeast, limit }
    }

    const fn at_most(limit: f64) -> Self {
        Self { side: Side::AtMost, limit }
    }

    /// Whether `median` keeps it.
    #[must_use]
    pub fn is_kept(&self, median: f64) -> bool {
        match self.side {
            Side::AtLeast => median >= self.limit,
            Side::AtMost => median <= self.limit,
        }
    }
}

/// "With no device, `openssl speed -elapsed` for RSA-2048, P-256, P-384 and X25519 is at least 0.97 of the default provider's,
/// side by side, pinned, median of several; with `-async_jobs 64` as well."
pub const SPEED_RATIO: Bar = Bar::at_least(0.97);

/// "A synchronous request through `offload` at most 1 us", against an engine that answers at once, both sides spinning; in
/// nanoseconds.
pub const SYNCHRONOUS_NANOS: Bar = Bar::at_most(1_000.0);

/// "1,000,000 a second from one core asynchronously through `offload`."
pub const TICKETS_A_SECOND: Bar = Bar::at_least(1_000_000.0);

/// "300,000 a second through EVP with ASYNC jobs."
pub const EVP_JOBS_A_SECOND: Bar = Bar::at_least(300_000.0);

/// "A 100 ms request on one device delays another device's completions by less than 1 ms beyond what the watchdog saw"; in
/// microseconds. A bar keeps its limit too, so this is the greatest whole number below.
pub const DELAY_BESIDE_SLOW_MICROS: Bar = Bar::at_most(999.0);

/// "Processor time for a completion with 16 devices is at most 1.2 times that with one."
pub const SIXTEEN_DEVICES_RATIO: Bar = Bar::at_most(1.2);

/// "An idle process with devices attached and the completion loop alive: no processor time over ten seconds"; in nanoseconds, of
/// all its threads but the one that measures, as the scheduler counts.
pub const IDLE_NANOS: Bar = Bar::at_most(0.0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_kept_on_its_side_and_at_its_limit() {
        assert!(SPEED_RATIO.is_kept(0.97) && SPEED_RATIO.is_kept(1.3) && !SPEED_RATIO.is_kept(0.969));
        assert!(IDLE_NANOS.is_kept(0.0) && !IDLE_NANOS.is_kept(1.0));
        assert!(!SYNCHRONOUS_NANOS.is_kept(f64::NAN));
    }
}
