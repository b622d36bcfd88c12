//! The catalogue of faults: one file a family, each with one table.

mod whole_device;

/// A fault that can be injected.
pub(crate) struct Fault {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// What the emulated device does.
    what: &'static str,
    /// What real hardware does that is like it.
    hardware: &'static str,
    /// How it is brought about.
    pub(crate) effect: Effect,
}

/// What the supervisor does for a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A fatal error that the device reports.
    Fatal,
    /// The device stops and reports nothing.
    Hang,
}

const FAMILIES: &[&[Fault]] = &[whole_device::FAULTS];

/// All faults.
pub(crate) fn catalogue() -> impl Iterator<Item = &'static Fault> {
    FAMILIES.iter().copied().flatten()
}

/// The fault with this name.
pub(crate) fn find(name: &str) -> Option<&'static Fault> {
    catalogue().find(|fault| fault.name == name)
}

/// All names, for messages.
pub(crate) fn names() -> String {
    catalogue().map(|fault| fault.name).collect::<Vec<_>>().join(", ")
}

/// The catalogue, for `inject --help`.
pub(crate) fn help() -> String {
    let mut text = String::from("Faults:");
    for fault in catalogue() {
        text.push_str(&format!("\n  {}\n      {}\n      Like: {}", fault.name, fault.what, fault.hardware));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_found_by_its_name_and_explained() {
        for fault in catalogue() {
            assert_eq!(catalogue().filter(|other| other.name == fault.name).count(), 1, "{}", fault.name);
            assert_eq!(find(fault.name).unwrap().what, fault.what);
            let help = help();
            assert!(help.contains(fault.name) && help.contains(fault.what) && help.contains(fault.hardware));
        }
        assert!(find("").is_none());
    }
}
