//! On what was measured.

use serde::Serialize;

/// See the module.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Machine {
    processor: String,
    processors: usize,
    kernel: String,
    openssl: String,
    /// How many processes ran or wanted to, in the last minute, when the run began: what else the machine had to do.
    load: Option<f64>,
}

impl Machine {
    pub(super) fn look() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let openssl = std::process::Command::new("openssl").arg("version").output();
        let openssl = openssl.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        Self {
            processor: model.map(|(_, model)| model.to_owned()).unwrap_or_default(),
            processors: crate::processor::allowed().len(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            openssl: openssl.unwrap_or_default(),
            load: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()),
        }
    }
}
