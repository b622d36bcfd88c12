//! The driver of the emulated accelerator (`hotspare-emulator`).

mod connection;
mod instance;
mod memory;
mod rings;
mod slots;
pub mod wire;

pub mod instant;
pub mod scripted;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::address::Bdf;
use crate::instance::{Device, Driver, Instance, InstanceOptions, OpenError};
use instance::EmulatedInstance;

/// Where the emulator with this root has the socket of a device.
#[must_use]
pub fn socket_path(root: &Path, address: Bdf) -> PathBuf {
    root.join("run/hotspare-emulator").join(format!("{address}.sock"))
}

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
        let directory = self.root.join("run/hotspare-emulator");
        let unreachable = |source| OpenError::Unreachable { what: directory.display().to_string(), source };
        let mut addresses = Vec::new();
        for entry in std::fs::read_dir(&directory).map_err(unreachable)? {
            let name = entry.map_err(unreachable)?.file_name();
            let address = name.to_str().and_then(|name| name.strip_suffix(".sock")).map(str::parse::<Bdf>);
            if let Some(Ok(address)) = address {
                addresses.push(address);
            }
        }
        addresses.sort_unstable();
        let device = |address| -> Arc<dyn Device> {
            Arc::new(EmulatedDevice { address, socket: socket_path(&self.root, address) })
        };
        Ok(addresses.into_iter().map(device).collect())
    }
}

struct EmulatedDevice {
    address: Bdf,
    socket: PathBuf,
}

impl Device for EmulatedDevice {
    fn address(&self) -> Bdf {
        self.address
    }

    fn open_instance(&self, options: &InstanceOptions) -> Result<Arc<dyn Instance>, OpenError> {
        Ok(Arc::new(EmulatedInstance::open(self.address, &self.socket, options)?))
    }
}
