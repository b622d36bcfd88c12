//! The configuration file.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hotspare_device::Bdf;
use hotspare_device::files::MonitorPaths;
use serde::Deserialize;
use tracing::level_filters::LevelFilter;

/// What the daemon was told to do. Documented, key by key, in `hotspare-hbd.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) root: PathBuf,
    pub(crate) run_dir: PathBuf,
    pub(crate) socket_mode: u32,
    pub(crate) devices: Selection,
    pub(crate) policy: Policy,
    pub(crate) log: LevelFilter,
}

/// Which devices are monitored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Each one that is there at the start.
    All,
    /// These.
    These(Vec<Bdf>),
}

/// How each of them is checked and reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Time between two checks; none: the device's timer.
    pub(crate) interval: Option<Duration>,
    pub(crate) reset: ResetPolicy,
    /// Between a failure and the daemon's reset.
    pub(crate) reset_delay: Duration,
    /// After that a reset, whoever makes it, has failed.
    pub(crate) reset_timeout: Duration,
}

/// Who resets a device that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ResetPolicy {
    /// The driver, where its `auto_reset` is on; the daemon, where it is off.
    Auto,
    /// The daemon; `auto_reset` must be off.
    Managed,
    /// Not the daemon.
    Never,
}

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("the configuration {} can't be read: {source}", .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the configuration {} is wrong: {why}", .path.display())]
    Syntax { path: PathBuf, why: String },
    #[error("{}: {key} = {value}: allowed is {allowed}", .path.display())]
    Value { path: PathBuf, key: &'static str, value: String, allowed: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    root: PathBuf,
    run_dir: PathBuf,
    socket_mode: String,
    devices: Vec<String>,
    interval_ms: Option<u64>,
    reset: ResetPolicy,
    reset_delay_ms: u64,
    reset_timeout_ms: u64,
    log: Level,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
}

impl Default for File {
    fn default() -> Self {
        Self {
            root: "/".into(),
            run_dir: MonitorPaths::DEFAULT.into(),
            socket_mode: "0600".into(),
            devices: vec![ALL.into()],
            interval_ms: None,
            reset: ResetPolicy::Auto,
            reset_delay_ms: 0,
            reset_timeout_ms: 30_000,
            log: Level::Warn,
        }
    }
}

const ALL: &str = "all";

impl Config {
    /// Reads and checks the file at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text)
            .map_err(|error| ConfigError::Syntax { path: path.to_owned(), why: error.to_string() })?;
        let check = Check { path };
        let within = |key, value, least, most| check.milliseconds(key, value, least, most);
        Ok(Self {
            socket_mode: check.mode(&file.socket_mode)?,
            devices: check.devices(&file.devices)?,
            policy: Policy {
                interval: file
                    .interval_ms
                    .map(|interval| within("interval_ms", interval, 1, 3_600_000))
                    .transpose()?,
                reset: file.reset,
                reset_delay: within("reset_delay_ms", file.reset_delay_ms, 0, 600_000)?,
                reset_timeout: within("reset_timeout_ms", file.reset_timeout_ms, 1_000, 600_000)?,
            },
            root: check.absolute("root", file.root)?,
            run_dir: check.absolute("run_dir", file.run_dir)?,
            log: match file.log {
                Level::Off => LevelFilter::OFF,
                Level::Error => LevelFilter::ERROR,
                Level::Warn => LevelFilter::WARN,
                Level::Info => LevelFilter::INFO,
                Level::Debug => LevelFilter::DEBUG,
            },
        })
    }
}

/// Makes values of what the file says, or the error that names the key, the value and what is allowed.
struct Check<'a> {
    path: &'a Path,
}

impl Check<'_> {
    fn milliseconds(
        &self,
        key: &'static str,
        value: u64,
        least: u64,
        most: u64,
    ) -> Result<Duration, ConfigError> {
        if (least..=most).contains(&value) {
            return Ok(Duration::from_millis(value));
        }
        self.refuse(key, value, format!("{least} to {most}"))
    }

    fn absolute(&self, key: &'static str, value: PathBuf) -> Result<PathBuf, ConfigError> {
        if value.is_absolute() {
            return Ok(value);
        }
        self.refuse(key, format!("\"{}\"", value.display()), "an absolute path".into())
    }

    fn mode(&self, value: &str) -> Result<u32, ConfigError> {
        match u32::from_str_radix(value, 8) {
            Ok(mode) if mode <= 0o777 && value.bytes().all(|byte| byte.is_ascii_digit()) => Ok(mode),
            _ => self.refuse("socket_mode", format!("\"{value}\""), "\"0000\" to \"0777\", octal".into()),
        }
    }

    fn devices(&self, names: &[String]) -> Result<Selection, ConfigError> {
        if names == [ALL] {
            return Ok(Selection::All);
        }
        let mut addresses: Vec<Bdf> = names.iter().filter_map(|name| name.parse().ok()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() || addresses.len() != names.len() {
            let allowed = "[\"all\"], or a list of different PCI addresses such as [\"0000:6b:00.0\"]";
            return self.refuse("devices", format!("{names:?}"), allowed.into());
        }
        Ok(Selection::These(addresses))
    }

    fn refuse<T>(
        &self,
        key: &'static str,
        value: impl fmt::Display,
        allowed: String,
    ) -> Result<T, ConfigError> {
        Err(ConfigError::Value { path: self.path.to_owned(), key, value: value.to_string(), allowed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(Path::new("x.toml"), text)
    }

    #[test]
    fn the_example_file_holds_the_defaults() {
        let example = include_str!("../hotspare-hbd.toml");
        assert_eq!(parse(example).unwrap(), parse("").unwrap());
        // And with everything switched on that it shows as a comment, all of its keys exist.
        let uncommented = example.replace("\n#interval_ms", "\ninterval_ms");
        assert_eq!(parse(&uncommented).unwrap().policy.interval, Some(Duration::from_millis(1000)));
    }

    #[test]
    fn a_wrong_value_is_named_with_what_is_allowed() {
        for (text, parts) in [
            ("interval_ms = 0", ["interval_ms = 0", "1 to 3600000"]),
            ("reset_timeout_ms = 999", ["reset_timeout_ms = 999", "1000 to 600000"]),
            ("root = \"relative\"", ["root = \"relative\"", "absolute"]),
            ("socket_mode = \"+77\"", ["socket_mode = \"+77\"", "octal"]),
            ("socket_mode = \"1777\"", ["socket_mode", "octal"]),
            ("devices = []", ["devices = []", "\"all\""]),
            ("devices = [\"all\", \"0000:6b:00.0\"]", ["devices", "PCI addresses"]),
            ("devices = [\"0000:6b:00.0\", \"0000:6b:00.0\"]", ["devices", "different"]),
            ("reset = \"sometimes\"", ["sometimes", "`auto`, `managed`, `never`"]),
            ("log = \"loud\"", ["loud", "`warn`"]),
            ("intervall_ms = 5", ["intervall_ms", "`interval_ms`"]),
            ("interval_ms = \"5\"", ["interval_ms", "u64"]),
        ] {
            let message = parse(text).unwrap_err().to_string();
            for part in parts {
                assert!(message.contains(part), "{text}: {part} is not in: {message}");
            }
        }
    }
}
