//! Telling everybody: device events through the kernel.

use std::sync::Mutex;

use hotspare_device::Bdf;
use hotspare_device::events::{InjectError, Injector};

/// Sends device events if the daemon may. Where it may not, that is said once; its log and state file remain.
pub(crate) struct Announcer {
    injector: Mutex<Option<Injector>>,
}

impl Announcer {
    pub(crate) fn new() -> Self {
        let injector =
            Injector::new().map_err(|error| tracing::warn!("no device events are sent: {error}")).ok();
        Self { injector: Mutex::new(injector) }
    }

    /// Announces `event` of a device: `error`, `restarting` or `restarted`. Does not block.
    pub(crate) fn announce(&self, address: Bdf, number: u32, event: &str) {
        // A poisoned lock guards nothing that could be half-done.
        let mut injector = self.injector.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(sender) = injector.as_mut() else { return };
        match sender.announce(address, number, event) {
            Ok(()) => {}
            Err(error @ InjectError::NotPermitted) => {
                tracing::warn!("no device events are sent: {error}");
                *injector = None;
            }
            Err(error) => tracing::warn!("{address}: the event `{event}` was not sent: {error}"),
        }
    }
}
