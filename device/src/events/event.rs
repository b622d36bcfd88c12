//! What a uevent says about a device, parsed from its properties.

use std::ffi::OsStr;
use std::fmt;

use crate::address::Bdf;

/// One event of one device.
///
/// Whatever a property holds, parsing doesn't fail: what is unreadable is taken for absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceEvent {
    /// The device, by the last component of `DEVPATH`, or else by `PCI_SLOT_NAME`.
    pub address: Option<Bdf>,
    /// The device's number as its driver counts (`accelid`). It may change when the device comes back.
    pub number: Option<u32>,
    /// What is said to have happened.
    pub kind: EventKind,
    /// Where it was heard.
    pub group: Group,
}

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// `qat_event=error`: a fatal error.
    Error,
    /// `qat_event=restarting`: a reset has begun.
    Restarting,
    /// `qat_event=restarted`: a reset is over and the device works.
    Restarted,
    /// `ERROR_EVENT=BEGIN_RECOVERY` of the PCI core. Some kernels leave it out.
    RecoveryBegin,
    /// `ERROR_EVENT=SUCCESSFUL_RECOVERY` of the PCI core.
    RecoverySucceeded,
    /// `ERROR_EVENT=FAILED_RECOVERY` of the PCI core.
    RecoveryFailed,
    /// `ACTION=add`: the device appeared.
    Added,
    /// `ACTION=remove`: the device is gone.
    Removed,
    /// `ACTION=bind`: a driver took the device.
    Bound,
    /// `ACTION=unbind`: the device's driver left it.
    Unbound,
    /// A `qat_event` or `ERROR_EVENT` of another name (old drivers also send `init`, `start`, `stop`, `shutdown`):
    /// something happened, so it is worth reading the state again.
    Other,
}

impl EventKind {
    /// Its name, for logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Restarting => "restarting",
            Self::Restarted => "restarted",
            Self::RecoveryBegin => "recovery begins",
            Self::RecoverySucceeded => "recovery succeeded",
            Self::RecoveryFailed => "recovery failed",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Bound => "bound",
            Self::Unbound => "unbound",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The multicast group in which an event was heard. The same event usually arrives in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// The kernel's own (group 1).
    Kernel,
    /// Relayed by systemd-udevd after its rules (group 2).
    Udev,
}

impl DeviceEvent {
    /// Reads the properties of a uevent. None if it says nothing about a device's health or presence.
    #[must_use]
    pub fn from_properties<'a>(
        properties: impl IntoIterator<Item = (&'a OsStr, &'a OsStr)>,
        group: Group,
    ) -> Option<Self> {
        let mut found = Properties::default();
        for (key, value) in properties {
            if let (Some(key), Some(value)) = (key.to_str(), value.to_str()) {
                found.take(key, value);
            }
        }
        let kind = found.kind()?;
        let address = found.device_path.or(found.slot);
        Some(Self { address, number: found.number.or(found.synthetic_number), kind, group })
    }
}

/// The properties that matter. Those that an administrator's write to the `uevent` file makes (`SYNTH_ARG_...`) give
/// way to genuine ones.
#[derive(Default)]
struct Properties<'a> {
    action: Option<&'a str>,
    device_path: Option<Bdf>,
    slot: Option<Bdf>,
    qat_event: Option<&'a str>,
    synthetic_event: Option<&'a str>,
    number: Option<u32>,
    synthetic_number: Option<u32>,
    error_event: Option<&'a str>,
}

impl<'a> Properties<'a> {
    fn take(&mut self, key: &'a str, value: &'a str) {
        match key {
            "ACTION" => self.action = Some(value),
            "DEVPATH" => self.device_path = value.rsplit('/').next().and_then(|name| name.parse().ok()),
            "PCI_SLOT_NAME" => self.slot = value.parse().ok(),
            "qat_event" => self.qat_event = Some(value),
            "SYNTH_ARG_QATEVENT" => self.synthetic_event = Some(value),
            "accelid" => self.number = decimal(value),
            "SYNTH_ARG_ACCELID" => self.synthetic_number = decimal(value),
            "ERROR_EVENT" => self.error_event = Some(value),
            _ => {}
        }
    }

    fn kind(&self) -> Option<EventKind> {
        if let Some(event) = self.qat_event.or(self.synthetic_event) {
            return Some(match event {
                "error" => EventKind::Error,
                "restarting" => EventKind::Restarting,
                "restarted" => EventKind::Restarted,
                _ => EventKind::Other,
            });
        }
        if let Some(event) = self.error_event {
            return Some(match event {
                "BEGIN_RECOVERY" => EventKind::RecoveryBegin,
                "SUCCESSFUL_RECOVERY" => EventKind::RecoverySucceeded,
                "FAILED_RECOVERY" => EventKind::RecoveryFailed,
                _ => EventKind::Other,
            });
        }
        match self.action? {
            "add" => Some(EventKind::Added),
            "remove" => Some(EventKind::Removed),
            "bind" => Some(EventKind::Bound),
            "unbind" => Some(EventKind::Unbound),
            _ => None,
        }
    }
}

/// A number of digits only: `parse` alone would also take a sign.
fn decimal(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn parse(properties: &[(&str, &str)]) -> Option<DeviceEvent> {
        let pairs = properties.iter().map(|(key, value)| (OsStr::new(key), OsStr::new(value)));
        DeviceEvent::from_properties(pairs, Group::Kernel)
    }

    const PATH: (&str, &str) = ("DEVPATH", "/devices/pci0000:6b/0000:6b:00.0");
    const CHANGE: (&str, &str) = ("ACTION", "change");

    fn kind_of(properties: &[(&str, &str)]) -> Option<EventKind> {
        parse(properties).map(|event| event.kind)
    }

    #[test]
    fn reads_the_events_of_the_drivers() {
        let event = parse(&[CHANGE, PATH, ("qat_event", "error"), ("accelid", "3")]).unwrap();
        assert_eq!(event.address.unwrap().to_string(), "0000:6b:00.0");
        assert_eq!(event.number, Some(3));
        assert_eq!(event.kind, EventKind::Error);
        assert_eq!(kind_of(&[CHANGE, PATH, ("qat_event", "restarting")]), Some(EventKind::Restarting));
        assert_eq!(kind_of(&[CHANGE, PATH, ("qat_event", "restarted")]), Some(EventKind::Restarted));
        assert_eq!(kind_of(&[CHANGE, PATH, ("qat_event", "shutdown")]), Some(EventKind::Other));
    }

    #[test]
    fn reads_the_events_of_the_pci_core() {
        let of = |name| kind_of(&[CHANGE, PATH, ("ERROR_EVENT", name), ("DEVICE_ONLINE", "0")]);
        assert_eq!(of("BEGIN_RECOVERY"), Some(EventKind::RecoveryBegin));
        assert_eq!(of("SUCCESSFUL_RECOVERY"), Some(EventKind::RecoverySucceeded));
        assert_eq!(of("FAILED_RECOVERY"), Some(EventKind::RecoveryFailed));
        assert_eq!(of("?"), Some(EventKind::Other));
        for (action, kind) in [
            ("add", EventKind::Added),
            ("remove", EventKind::Removed),
            ("bind", EventKind::Bound),
            ("unbind", EventKind::Unbound),
        ] {
            assert_eq!(kind_of(&[("ACTION", action), PATH]), Some(kind));
        }
    }

    #[test]
    fn reads_synthetic_events_and_prefers_genuine_ones() {
        let synthetic = [CHANGE, PATH, ("SYNTH_ARG_QATEVENT", "restarted"), ("SYNTH_ARG_ACCELID", "1")];
        let event = parse(&synthetic).unwrap();
        assert_eq!((event.kind, event.number), (EventKind::Restarted, Some(1)));
        let mut both = synthetic.to_vec();
        both.extend([("qat_event", "error"), ("accelid", "0")]);
        let event = parse(&both).unwrap();
        assert_eq!((event.kind, event.number), (EventKind::Error, Some(0)));
    }

    #[test]
    fn takes_what_it_cannot_read_for_absent() {
        for number in ["", "-1", "+1", "4294967296", "0x1", "one", " 1"] {
            let event = parse(&[CHANGE, PATH, ("qat_event", "error"), ("accelid", number)]).unwrap();
            assert_eq!(event.number, None, "{number:?}");
        }
        for path in ["", "/", "//", "/devices/pci0000:6b", "/devices/0000:6b:00.0/"] {
            let event = parse(&[CHANGE, ("DEVPATH", path), ("qat_event", "error")]).unwrap();
            assert_eq!(event.address, None, "{path:?}");
        }
        let event = parse(&[CHANGE, ("PCI_SLOT_NAME", "0000:6b:00.1"), ("qat_event", "error")]).unwrap();
        assert_eq!(event.address.unwrap().function, 1);
        let not_text = [(OsStr::new("qat_event"), OsStr::from_bytes(b"\xff\xfe"))];
        assert_eq!(DeviceEvent::from_properties(not_text, Group::Udev), None);
    }

    #[test]
    fn an_event_that_says_nothing_is_none() {
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&[CHANGE, PATH]), None);
        assert_eq!(parse(&[("ACTION", ""), PATH, ("accelid", "1")]), None);
    }
}
