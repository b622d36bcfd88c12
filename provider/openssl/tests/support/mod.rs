//! Runs the real `openssl` command, with and without the provider, in a folder of its own.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A program that takes longer has come to a standstill.
const PROGRAM_LIMIT: Duration = Duration::from_secs(120);

/// The module, as `cargo build --release -p hotspare-provider-openssl` leaves it.
pub(crate) fn module() -> PathBuf {
    // A test runs as <target>/<profile>/deps/<name>.
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let module = deps.parent().unwrap().join("libhotspare_openssl.so");
    assert!(
        module.exists(),
        "{} is missing: run `cargo build --release -p hotspare-provider-openssl` first",
        module.display()
    );
    module
}

/// With the provider preferred, or OpenSSL as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Hotspare,
    Default,
}

/// Both.
pub(crate) const SIDES: [Side; 2] = [Side::Hotspare, Side::Default];

/// A folder with configuration files, gone when dropped.
pub(crate) struct Bench {
    folder: PathBuf,
}

static FOLDERS: AtomicU32 = AtomicU32::new(0);

impl Bench {
    /// With the provider's default settings, but for where counters go.
    pub(crate) fn new() -> Self {
        Self::with_settings("")
    }

    /// With more lines in the provider's section.
    pub(crate) fn with_settings(settings: &str) -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("hotspare-openssl-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let bench = Self { folder };
        let common = "[req]\ndistinguished_name = name\n[name]\n";
        bench.write("default.cnf", format!("openssl_conf = init\n[init]\n{common}"));
        let hotspare = format!(
            "openssl_conf = init\n[init]\nproviders = providers\nalg_section = algorithms\n\
             [providers]\ndefault = default_settings\nhotspare = hotspare_settings\n[default_settings]\nactivate = 1\n\
             [hotspare_settings]\nmodule = {}\nactivate = 1\nstats_dir = {}\n{settings}\n\
             [algorithms]\ndefault_properties = ?provider=hotspare\n{common}",
            module().display(),
            bench.path("stats").display(),
        );
        bench.write("hotspare.cnf", hotspare);
        bench
    }

    /// A file of the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// A program that runs in the folder with this side's configuration.
    pub(crate) fn command(&self, side: Side, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let file = match side {
            Side::Hotspare => "hotspare.cnf",
            Side::Default => "default.cnf",
        };
        command.current_dir(&self.folder).env("OPENSSL_CONF", self.path(file));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HOTSPARE_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// `openssl` with these arguments, split at spaces.
    pub(crate) fn try_openssl(&self, side: Side, arguments: &str) -> Output {
        self.command(side, "openssl").args(arguments.split_whitespace()).output().unwrap()
    }

    /// As [`Self::try_openssl`], and it must succeed.
    pub(crate) fn openssl(&self, side: Side, arguments: &str) -> Vec<u8> {
        let output = self.try_openssl(side, arguments);
        assert!(output.status.success(), "{side:?}: openssl {arguments}: {}", text(&output.stderr));
        output.stdout
    }

    /// Compiles a C program of `tests/programs`, linked with OpenSSL.
    pub(crate) fn compile(&self, name: &str) -> PathBuf {
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(name).with_extension("c");
        let binary = self.path(name);
        let output = Command::new("cc")
            .args(["-Wall", "-Wextra", "-Werror", "-O1", "-g", "-pthread", "-o"])
            .arg(&binary)
            .arg(&source)
            .args(["-lssl", "-lcrypto", "-ldl"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        binary
    }

    /// Runs a C program of `tests/programs` to its end, with the module's folder and name and `what` as arguments; it must succeed.
    pub(crate) fn run_program(&self, name: &str, what: &str) {
        let (program, module) = (self.compile(name), module());
        let mut child = self
            .command(Side::Default, program)
            .arg(module.parent().unwrap())
            .args(["libhotspare_openssl", what])
            .env("HOTSPARE_STATS_DIR", self.path("stats"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = child.stderr.take().unwrap();
        let said = std::thread::spawn(move || {
            let mut said = Vec::new();
            let _ = errors.read_to_end(&mut said);
            said
        });
        let start = Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if start.elapsed() > PROGRAM_LIMIT => {
                    child.kill().unwrap();
                    break child.wait().unwrap();
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        assert!(status.success(), "{name} {what}: {status}: {}", text(&said.join().unwrap()));
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What a program said.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The reasons on an error queue as a program printed it, without threads, places and our own texts.
pub(crate) fn reasons(stderr: &[u8]) -> Vec<String> {
    text(stderr)
        .lines()
        .filter_map(|line| line.split_once(":error:"))
        .map(|(_, rest)| {
            // number:library:function:reason:file:line:data
            let fields: Vec<_> = rest.split(':').collect();
            fields.get(3).map_or(rest.to_owned(), |reason| (*reason).to_owned())
        })
        .collect()
}
