//! What subjects of `offload` share: devices that answer at once, settings, the request.

use std::time::Duration;

use hotspare_device::{Key, KeyMaterial, MontgomeryCurve, MontgomeryKey, Request};
use hotspare_offload::{Config, Offload};

use crate::engine::{self, Engine};
use crate::error::{BenchError, system};
use crate::processor::{self, Pair};
use crate::scratch::Scratch;

/// Devices that answer at once, on the one processor, for the calling thread on the other.
pub(crate) struct Rig {
    // Ends before its directory goes.
    _engine: Engine,
    scratch: Scratch,
    pair: Pair,
}

impl Rig {
    /// Starts so many devices, and pins this thread.
    pub(crate) fn new(devices: u8) -> Result<Self, BenchError> {
        let pair = Pair::choose()?;
        let scratch = Scratch::new()?;
        let engine =
            Engine::start(scratch.path(), devices, pair.engine).map_err(system("the instant engine"))?;
        processor::pin(pair.measured);
        Ok(Self { _engine: engine, scratch, pair })
    }

    pub(crate) fn pair(&self) -> Pair {
        self.pair
    }

    pub(crate) fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// What names the devices in a configuration.
    pub(crate) fn specification(&self) -> String {
        format!("emulated:{}", self.scratch.path().display())
    }

    /// An `Offload` with these devices in use. What no device does is an error, so that nothing else is measured.
    pub(crate) fn offload(&self, spin: Duration) -> Result<Offload, BenchError> {
        let mut config = Config { spin, require_hardware: true, stats_dir: None, ..Config::default() };
        config.devices = vec![self.specification()];
        // Far longer than the request that takes its time, and than the scheduler lets anybody wait.
        config.deadline.floor = PATIENCE;
        config.instance.connect_timeout = PATIENCE;
        let offload = Offload::new(config);
        if offload.has_hardware() {
            Ok(offload)
        } else {
            Err(BenchError::Hotspare("the devices that answer at once were not accepted".to_owned()))
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

/// Makes requests that the engine answers at once, or slowly.
pub(crate) struct Requests {
    key: Key,
}

impl Requests {
    pub(crate) fn new() -> Result<Self, BenchError> {
        let material = MontgomeryKey { curve: MontgomeryCurve::X25519, scalar: vec![7; 32] };
        Ok(Self { key: Key::new(KeyMaterial::Montgomery(material)).map_err(hotspare)? })
    }

    /// A request that is answered at once.
    pub(crate) fn instant(&self) -> Result<Request, BenchError> {
        Request::montgomery_multiply(&self.key, &engine::PEER).map_err(hotspare)
    }

    /// A request that takes [`engine::SLOW`].
    pub(crate) fn slow(&self) -> Result<Request, BenchError> {
        Request::montgomery_multiply(&self.key, &engine::SLOW_PEER).map_err(hotspare)
    }
}

/// An error of the library under measurement.
pub(crate) fn hotspare(error: impl std::error::Error) -> BenchError {
    BenchError::Hotspare(error.to_string())
}
