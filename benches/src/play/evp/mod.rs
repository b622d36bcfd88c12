//! X25519 through EVP and `hotspare.so`, with and without ASYNC jobs.

mod exchange;
mod ffi;
mod jobs;

use std::ffi::{c_int, c_void};
use std::path::Path;
use std::time::Duration;

use super::rig::Rig;
use super::{PAUSED, Played, RATE, played, repeat};
use crate::error::BenchError;
use exchange::{Exchange, Library};
use jobs::{JOBS, Loop, Waking};

/// Derivations in one sample.
const DERIVED: u32 = 3_000;
const PLAIN: u32 = 1_000;

/// [`JOBS`] jobs that derive, one after the other, through the provider and devices that answer at once.
pub(crate) fn jobs(time: Duration, module: Option<&Path>) -> Result<Played, BenchError> {
    let rig = Rig::new(1)?;
    let library = load(&rig, module)?;
    let exchanges = (0..JOBS).map(|_| Exchange::new(&library)).collect::<Result<Vec<_>, _>>()?;
    let arguments = std::array::from_fn(|number| &raw const exchanges[number]);
    let mut jobs = Loop::new()?;
    let samples = repeat(time, DERIVED, || jobs.run(DERIVED, derive, &arguments))?;
    jobs.finish(derive, &arguments)?;
    let mut played = rates(samples);
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let paused = jobs.paused as f64 / jobs.finished as f64;
    played.insert(PAUSED.to_owned(), vec![paused]);
    Ok(played)
}

/// The same without jobs, one after the other.
pub(crate) fn plain(time: Duration, module: Option<&Path>) -> Result<Played, BenchError> {
    let rig = Rig::new(1)?;
    let exchange = Exchange::new(&load(&rig, module)?)?;
    let samples = repeat(time, PLAIN, || {
        for _ in 0..PLAIN {
            exchange.derive()?;
        }
        Ok(())
    })?;
    Ok(rates(samples))
}

/// What OpenSSL's own switching from job to job allows: jobs that pause once, and do nothing.
pub(crate) fn empty_jobs(time: Duration) -> Result<Played, BenchError> {
    crate::processor::pin(crate::processor::Pair::choose()?.measured);
    let mut jobs = Loop::new()?;
    let wakings = jobs.wakings();
    let arguments: [*const Waking; JOBS] = std::array::from_fn(|number| &raw const wakings[number]);
    let samples = repeat(time, DERIVED, || jobs.run(DERIVED, jobs::pause_once, &arguments))?;
    jobs.finish(jobs::pause_once, &arguments)?;
    Ok(rates(samples))
}

extern "C" fn derive(argument: *mut c_void) -> c_int {
    // SAFETY: the argument is the copy that `ASYNC_start_job` made of a pointer to an `Exchange`, which outlives the jobs, and
    // which only this job uses.
    let exchange = unsafe { &**argument.cast::<*const Exchange>() };
    c_int::from(exchange.derive().is_ok())
}

fn load(rig: &Rig, module: Option<&Path>) -> Result<std::rc::Rc<Library>, BenchError> {
    let module = module.ok_or_else(|| BenchError::Hotspare("no module".to_owned()))?;
    if !module.exists() {
        return Err(BenchError::Missing(module.to_owned()));
    }
    let text = format!(
        "openssl_conf = init\n[init]\nproviders = providers\n\
         [providers]\ndefault = default_settings\nhotspare = hotspare_settings\n[default_settings]\nactivate = 1\n\
         [hotspare_settings]\nmodule = {}\nactivate = 1\nstats_dir = none\nrequire_hardware = yes\n\
         connect_timeout_ms = 5000\ndeadline_ms = 5000\ndevices = {}\n",
        module.display(),
        rig.specification(),
    );
    Library::load(&rig.scratch().write("openssl.cnf", &text)?)
}

/// Nanoseconds for one, as how many a second.
fn rates(nanos: Vec<f64>) -> Played {
    played(RATE, nanos.into_iter().map(|nanos| 1e9 / nanos).collect())
}
