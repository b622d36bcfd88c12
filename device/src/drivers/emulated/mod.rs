//! The driver of the emulated accelerator (`hotspare-emulator`).

use std::path::PathBuf;
use std::sync::Arc;

use crate::instance::{Device, Driver, OpenError};

pub mod wire;

/// The devices of one `hotspare-emulator`.
pub struct EmulatedDriver {
    root: PathBuf,
}

impl EmulatedDriver {
    /// The emulator with this root directory.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }
}

impl Driver for EmulatedDriver {
    fn devices(&self) -> Result<Vec<Arc<dyn Device>>, OpenError> {
        let _ = &self.root;
        Ok(Vec::new())
    }
}
