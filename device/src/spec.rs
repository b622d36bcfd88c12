//! From a specification string to a driver.

use std::path::PathBuf;

use crate::drivers::emulated::EmulatedDriver;
use crate::instance::Driver;

/// A specification that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{spec}` names no device: {why}; allowed is `emulated:DIR` with the directory of hotspare-emulator")]
pub struct SpecError {
    /// What was given.
    pub spec: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// The driver that `spec` names. `emulated:DIR` is the emulator whose root is `DIR`, an absolute path. Whether there
/// are devices at this moment is not looked at.
///
/// # Errors
/// [`SpecError`] if the string has another form.
pub fn open(spec: &str) -> Result<Box<dyn Driver>, SpecError> {
    let error = |why| SpecError { spec: spec.to_owned(), why };
    match spec.split_once(':') {
        Some(("emulated", dir)) if dir.starts_with('/') => {
            Ok(Box::new(EmulatedDriver::new(PathBuf::from(dir))))
        }
        Some(("emulated", _)) => Err(error("the directory must be an absolute path")),
        _ => Err(error("unknown kind")),
    }
}

#[cfg(test)]
mod tests {
    use super::open;

    #[test]
    fn says_what_is_wrong_and_what_is_allowed() {
        assert!(open("emulated:/run/emu").is_ok());
        let message = open("emulated:run/emu").err().map(|error| error.to_string()).unwrap();
        assert!(message.contains("absolute") && message.contains("emulated:DIR"), "{message}");
        assert!(open("qta").is_err());
    }
}
