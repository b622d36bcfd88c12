//! Configuration: the provider's section in openssl.cnf, and `HOTSPARE_*` variables, which win.

use std::ffi::{CString, OsString};

use hotspare_offload::{Config, SETTINGS, SettingError};
use tracing::level_filters::LevelFilter;

use crate::core::Core;

/// What every variable begins with.
const PREFIX: &str = "HOTSPARE_";
/// What variables for the project's own tests begin with (`HOTSPARE_TEST_SEED`): they are no settings.
const TEST_PREFIX: &str = "HOTSPARE_TEST_";
/// The one setting that is this face's own.
const LOG: &str = "log";
const LOG_ALLOWED: &str = "`off`, `error`, `warn`, `info` or `debug`";

/// Name and value of a variable; what is not UTF-8 as well as it can be shown.
type Variable = (Result<String, String>, Result<String, String>);

/// All settings.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Those of the offload.
    pub(crate) offload: Config,
    /// What is logged, to the standard error stream.
    pub(crate) log: LevelFilter,
}

impl Default for Settings {
    fn default() -> Self {
        Self { offload: Config::default(), log: LevelFilter::ERROR }
    }
}

/// A setting that can't be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingsError {
    /// From the configuration file.
    #[error("openssl.cnf: {0}")]
    File(Wrong),
    /// From the environment.
    #[error("environment variable {variable}: {wrong}")]
    Environment { variable: String, wrong: Wrong },
}

/// What is wrong with one setting: names the setting, the value and what is allowed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    /// One of the offload's.
    #[error(transparent)]
    Offload(#[from] SettingError),
    /// Our own.
    #[error("{LOG} = {0}: not allowed; {LOG} is {LOG_ALLOWED}")]
    Log(String),
    /// Unknown here.
    #[error("{name}: no such setting; there are {known}")]
    Unknown { name: String, known: String },
    /// Not text.
    #[error("{name} = {value}: not valid UTF-8")]
    NotText { name: String, value: String },
}

impl Settings {
    /// Reads the configuration of one loading of the provider. After an error everything else is set, so that the log
    /// can be used to tell of it.
    pub(crate) fn read(&mut self, core: &Core) -> Result<(), SettingsError> {
        let section = self.take_section(|name| CString::new(name).ok().and_then(|name| core.setting(&name)));
        // A program that runs with other rights than its caller's must not be steered by the caller's environment.
        // SAFETY: only reads the auxiliary vector.
        if unsafe { libc::getauxval(libc::AT_SECURE) } != 0 {
            return section;
        }
        let lossy = |text: OsString| text.into_string().map_err(|bytes| bytes.to_string_lossy().into());
        section
            .and(self.take_environment(std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)))))
    }

    fn take_section(&mut self, value: impl Fn(&str) -> Option<String>) -> Result<(), SettingsError> {
        let mut result = Ok(());
        for name in names() {
            if let Some(value) = value(name) {
                result = result.and(self.set(name, &value).map_err(SettingsError::File));
            }
        }
        result
    }

    fn take_environment(&mut self, variables: impl Iterator<Item = Variable>) -> Result<(), SettingsError> {
        let mut result = Ok(());
        for (variable, value) in variables {
            let Ok(variable) = variable else { continue };
            if variable.starts_with(TEST_PREFIX) {
                continue;
            }
            let Some(name) = variable.strip_prefix(PREFIX) else { continue };
            let name = name.to_ascii_lowercase();
            let set = match value {
                Ok(value) => self.set(&name, &value),
                Err(value) => Err(Wrong::NotText { name, value }),
            };
            result = result.and(set.map_err(|wrong| SettingsError::Environment { variable, wrong }));
        }
        result
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Wrong> {
        if name == LOG {
            self.log = match value.trim() {
                "off" => LevelFilter::OFF,
                "error" => LevelFilter::ERROR,
                "warn" => LevelFilter::WARN,
                "info" => LevelFilter::INFO,
                "debug" => LevelFilter::DEBUG,
                _ => return Err(Wrong::Log(value.to_owned())),
            };
            return Ok(());
        }
        match self.offload.set(name, value) {
            Err(SettingError::Unknown { .. }) => {
                let known: Vec<_> = names().collect();
                Err(Wrong::Unknown { name: name.to_owned(), known: known.join(", ") })
            }
            other => Ok(other?),
        }
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    [LOG].into_iter().chain(SETTINGS.iter().map(|setting| setting.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, value: &str) -> Variable {
        (Ok(name.to_owned()), Ok(value.to_owned()))
    }

    #[test]
    fn the_environment_wins() {
        let mut settings = Settings::default();
        let section = |name: &str| match name {
            "deadline_ms" => Some("30".to_owned()),
            "log" => Some("info".to_owned()),
            _ => None,
        };
        settings.take_section(section).unwrap();
        assert_eq!(settings.log, LevelFilter::INFO);
        let variables = [
            variable("HOTSPARE_DEADLINE_MS", "40"),
            variable("PATH", "/bin"),
            variable("HOTSPARE_TEST_SEED", "1"),
        ];
        settings.take_environment(variables.into_iter()).unwrap();
        assert_eq!(settings.offload.deadline.floor.as_millis(), 40);
    }

    #[test]
    fn wrong_settings_name_variable_value_and_what_is_allowed() {
        for (name, value, wanted) in [
            ("HOTSPARE_LOG", "loud", "log = loud: not allowed; log is `off`, `error`"),
            (
                "HOTSPARE_DEADLINE_MS",
                "soon",
                "deadline_ms = soon: not allowed; deadline_ms is a whole number",
            ),
            ("HOTSPARE_DEADLINE", "20", "deadline: no such setting; there are log, devices, deadline_ms"),
        ] {
            let variables = [variable(name, value)];
            let error = Settings::default().take_environment(variables.into_iter()).unwrap_err().to_string();
            assert!(error.contains(wanted) && error.contains(name), "{error}");
        }
        let not_text = [(Ok("HOTSPARE_LOG".to_owned()), Err("\u{fffd}".to_owned()))];
        let error = Settings::default().take_environment(not_text.into_iter()).unwrap_err().to_string();
        assert!(error.contains("UTF-8"), "{error}");
    }
}
