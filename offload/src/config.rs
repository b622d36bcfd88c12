//! The settings of one `Offload`, and how they are read from text.

use std::path::PathBuf;
use std::time::Duration;

use hotspare_device::InstanceOptions;

/// How long a request may stay in hardware, all its tries together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadlineRule {
    /// The least that a request gets.
    pub floor: Duration,
    /// How many times its operation's usual time it gets, if that is longer.
    pub usual_factor: u32,
}

impl Default for DeadlineRule {
    fn default() -> Self {
        Self { floor: Duration::from_millis(20), usual_factor: 8 }
    }
}

/// The settings. `Config::default()` has no devices: everything is computed in software.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Specifications of devices, as `hotspare_device::open` takes them.
    pub devices: Vec<String>,
    /// How long a request may stay in hardware.
    pub deadline: DeadlineRule,
    /// Fail rather than compute in software.
    pub require_hardware: bool,
    /// Where the counters are published; none: they are not.
    pub stats_dir: Option<PathBuf>,
    /// How instances are made.
    pub instance: InstanceOptions,
    /// How long a waiter looks at the ring before it sleeps.
    pub spin: Duration,
    /// OpenSSL's provider that computes in software.
    pub fallback_provider: String,
}

/// Where counters are published unless the configuration says otherwise.
pub const DEFAULT_STATS_DIR: &str = "/run/hotspare/stats";

impl Default for Config {
    fn default() -> Self {
        Self {
            devices: Vec::new(),
            deadline: DeadlineRule::default(),
            require_hardware: false,
            stats_dir: Some(PathBuf::from(DEFAULT_STATS_DIR)),
            instance: InstanceOptions::default(),
            spin: Duration::from_micros(20),
            fallback_provider: "default".to_owned(),
        }
    }
}

/// One setting, as text has it.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name in configuration files; `HOTSPARE_` and the name in capitals is the environment variable.
    pub name: &'static str,
    /// What values are allowed, for error messages and documentation.
    pub allowed: &'static str,
    /// The default, as text.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// All settings that [`Config::set`] knows.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "devices",
        allowed: "a comma-separated list of emulated:DIR (DIR an absolute path), or `none`",
        default: "none",
        meaning: "the accelerators to use",
    },
    Setting {
        name: "deadline_ms",
        allowed: "a whole number from 1 to 60000",
        default: "20",
        meaning: "the least time that a request may stay in hardware, all tries together; a request whose operation \
                  usually takes long gets `deadline_factor` times that instead",
    },
    Setting {
        name: "deadline_factor",
        allowed: "a whole number from 1 to 1000",
        default: "8",
        meaning: "how many times its operation's usual time a request may stay in hardware",
    },
    Setting {
        name: "require_hardware",
        allowed: "`yes` or `no`",
        default: "no",
        meaning: "fail a request rather than compute it in software (for tests: it shows a broken device)",
    },
    Setting {
        name: "stats_dir",
        allowed: "an absolute path of a directory, or `none`",
        default: DEFAULT_STATS_DIR,
        meaning: "where each process publishes its counters for `hotspare stats`",
    },
    Setting {
        name: "ring_depth",
        allowed: "a power of two from 8 to 4096",
        default: "256",
        meaning: "how many requests of one process may be in flight on one device",
    },
    Setting {
        name: "arena_mb",
        allowed: "a whole number from 1 to 1024",
        default: "4",
        meaning: "memory shared with each device, in MiB",
    },
    Setting {
        name: "connect_timeout_ms",
        allowed: "a whole number from 1 to 10000",
        default: "200",
        meaning: "how long joining a device may take",
    },
    Setting {
        name: "spin_us",
        allowed: "a whole number from 0 to 10000",
        default: "20",
        meaning: "how long a waiting thread looks at the ring before it sleeps; and, at most, the completion loop, as far as it pays",
    },
    Setting {
        name: "fallback_provider",
        allowed: "`default` or `fips`",
        default: "default",
        meaning: "OpenSSL's provider that computes in software",
    },
];

/// A setting that can't be. Names the key, the value and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// The value is not allowed.
    #[error("{name} = {value}: not allowed; {name} is {allowed}")]
    Value {
        /// The setting.
        name: &'static str,
        /// What was given.
        value: String,
        /// What may be given.
        allowed: &'static str,
    },
    /// There is no such setting.
    #[error("{name}: no such setting; there are {known}")]
    Unknown {
        /// What was given.
        name: String,
        /// All names.
        known: String,
    },
}

impl Config {
    /// Sets one setting from text.
    ///
    /// # Errors
    /// [`SettingError`]; the configuration is unchanged then.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            let known: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
            return Err(SettingError::Unknown { name: name.to_owned(), known: known.join(", ") });
        };
        self.apply(setting, value.trim()).ok_or_else(|| SettingError::Value {
            name: setting.name,
            value: value.to_owned(),
            allowed: setting.allowed,
        })
    }

    fn apply(&mut self, setting: &Setting, value: &str) -> Option<()> {
        match setting.name {
            "devices" => self.devices = device_list(value)?,
            "deadline_ms" => self.deadline.floor = Duration::from_millis(whole(value, 1, 60_000)?),
            "deadline_factor" => self.deadline.usual_factor = u32::try_from(whole(value, 1, 1000)?).ok()?,
            "require_hardware" => self.require_hardware = yes_or_no(value)?,
            "stats_dir" => self.stats_dir = path_or_none(value)?,
            "ring_depth" => {
                let depth = u32::try_from(whole(value, 8, 4096)?).ok()?;
                self.instance.ring_depth = depth.is_power_of_two().then_some(depth)?;
            }
            "arena_mb" => self.instance.arena_mb = u32::try_from(whole(value, 1, 1024)?).ok()?,
            "connect_timeout_ms" => {
                self.instance.connect_timeout = Duration::from_millis(whole(value, 1, 10_000)?);
            }
            "spin_us" => self.spin = Duration::from_micros(whole(value, 0, 10_000)?),
            "fallback_provider" => {
                self.fallback_provider = ["default", "fips"].contains(&value).then(|| value.to_owned())?;
            }
            _ => return None,
        }
        Some(())
    }
}

fn device_list(value: &str) -> Option<Vec<String>> {
    if value == "none" {
        return Some(Vec::new());
    }
    let specs: Vec<String> = value.split(',').map(|spec| spec.trim().to_owned()).collect();
    specs.iter().all(|spec| hotspare_device::open(spec).is_ok()).then_some(specs)
}

fn whole(value: &str, least: u64, most: u64) -> Option<u64> {
    value.parse().ok().filter(|number| (least..=most).contains(number))
}

fn yes_or_no(value: &str) -> Option<bool> {
    match value {
        "yes" | "on" | "true" | "1" => Some(true),
        "no" | "off" | "false" | "0" => Some(false),
        _ => None,
    }
}

fn path_or_none(value: &str) -> Option<Option<PathBuf>> {
    match value {
        "none" => Some(None),
        path if path.starts_with('/') => Some(Some(PathBuf::from(path))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_in_the_table_is_the_default_of_the_structure() {
        let mut config = Config::default();
        for setting in SETTINGS {
            config.set(setting.name, setting.default).unwrap();
        }
        assert_eq!(config, Config::default());
    }

    #[test]
    fn the_readme_has_every_setting_as_it_is() {
        let readme = include_str!("../../README.md");
        for Setting { name, default, allowed, .. } in SETTINGS {
            let row = format!("| `{name}` | `{default}` | {allowed} |");
            assert!(readme.contains(&row), "missing in README.md: {row}");
        }
    }

    #[test]
    fn a_wrong_value_names_key_value_and_what_is_allowed() {
        let mut config = Config::default();
        for (name, value) in [
            ("devices", "emulated:relative"),
            ("devices", ""),
            ("deadline_ms", "0"),
            ("deadline_ms", "20ms"),
            ("require_hardware", "maybe"),
            ("stats_dir", "stats"),
            ("ring_depth", "100"),
            ("arena_mb", "0"),
            ("fallback_provider", "legacy"),
        ] {
            let message = config.set(name, value).unwrap_err().to_string();
            let allowed = SETTINGS.iter().find(|setting| setting.name == name).unwrap().allowed;
            assert!(
                message.contains(name) && message.contains(value) && message.contains(allowed),
                "{message}"
            );
        }
        assert_eq!(config, Config::default());
        assert!(config.set("deadlines", "1").unwrap_err().to_string().contains("deadline_ms"));
    }
}
