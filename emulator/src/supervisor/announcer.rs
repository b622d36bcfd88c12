//! Telling the world: genuine uevents, through the kernel.

use hotspare_device::Bdf;
use hotspare_device::events::{InjectError, Injector};

/// Sends uevents, or says once that it can't.
pub(super) struct Announcer {
    injector: Option<Injector>,
}

impl Announcer {
    /// One that sends, or one that keeps silent.
    pub(super) fn new(sends: bool) -> Self {
        match Injector::new() {
            Ok(injector) => Self { injector: sends.then_some(injector) },
            Err(error) => {
                warn(&error);
                Self { injector: None }
            }
        }
    }

    /// `qat_event` of a device: `error`, `restarting` or `restarted`.
    pub(super) fn qat_event(&mut self, address: Bdf, number: u32, event: &str) {
        self.send(|injector| injector.announce(address, number, event));
    }

    /// The PCI device appears or vanishes: `add` or `remove`.
    pub(super) fn pci_event(&mut self, address: Bdf, action: &str) {
        let slot = address.to_string();
        let path = format!("/devices/pci{:04x}:{:02x}/{slot}", address.domain, address.bus);
        let properties = [("SUBSYSTEM", "pci"), ("PCI_SLOT_NAME", slot.as_str())];
        self.send(|injector| injector.send(action, &path, &properties));
    }

    fn send(&mut self, send: impl FnOnce(&mut Injector) -> Result<(), InjectError>) {
        let Some(injector) = &mut self.injector else { return };
        match send(injector) {
            Ok(()) => {}
            Err(error @ (InjectError::NotPermitted | InjectError::NoAcknowledgement)) => {
                warn(&error);
                self.injector = None;
            }
            Err(error) => tracing::warn!("a uevent was not sent: {error}"),
        }
    }
}

fn warn(error: &InjectError) {
    tracing::warn!("no uevents will be sent, users are told by their rings only: {error}");
}
