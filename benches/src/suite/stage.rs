//! Running subjects in turn, each in a process of its own with a processor for itself as far as the machine allows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::child::with_us;
use crate::error::{BenchError, system};
use crate::options::RunOptions;
use crate::play::Played;
use crate::processor::Pair;
use crate::samples::Samples;

/// How to measure, and with what.
pub(crate) struct Stage {
    pub(crate) options: RunOptions,
    pub(crate) pair: Pair,
    own: PathBuf,
}

/// Of one subject, by name: the medians of its turns.
pub(crate) type Medians = BTreeMap<String, Samples>;

/// A subject and its arguments, as on the command line.
pub(crate) type Call<'a> = &'a [&'a str];

impl Stage {
    pub(crate) fn new(options: &RunOptions) -> Result<Self, BenchError> {
        let own = std::env::current_exe().map_err(system("this program"))?;
        Ok(Self { options: options.clone(), pair: Pair::choose()?, own })
    }

    /// How often each subject gets its turn.
    pub(crate) fn rounds(&self) -> usize {
        if self.options.quick { 3 } else { 9 }
    }

    /// How long a turn is, in seconds.
    fn turn(&self) -> f64 {
        if self.options.quick { 0.2 } else { 0.5 }
    }

    /// A program of the workspace, or the provider.
    pub(crate) fn program(&self, name: &str) -> Result<PathBuf, BenchError> {
        let path = self.options.programs.join(name);
        std::path::absolute(&path).ok().filter(|path| path.exists()).ok_or(BenchError::Missing(path))
    }

    /// Plays these subjects, one after the other, again and again.
    pub(crate) fn in_turn(&self, calls: &[Call<'_>]) -> Result<Vec<Medians>, BenchError> {
        let mut medians = vec![BTreeMap::<String, Vec<f64>>::new(); calls.len()];
        let turn = self.turn().to_string();
        for round in 1..=self.rounds() {
            eprint!("\rbench:   round {round} of {} ", self.rounds());
            for (call, medians) in calls.iter().zip(&mut medians) {
                let played = self.play(&[*call, &["--seconds", &turn][..]].concat())?;
                for (name, values) in played {
                    let samples = Samples::new(values).ok_or_else(|| nothing(call))?;
                    medians.entry(name).or_default().push(samples.median());
                }
            }
        }
        eprintln!();
        let all = |medians: BTreeMap<String, Vec<f64>>| {
            medians.into_iter().filter_map(|(name, values)| Some((name, Samples::new(values)?))).collect()
        };
        Ok(medians.into_iter().map(all).collect())
    }

    /// This program.
    pub(crate) fn own(&self) -> &Path {
        &self.own
    }

    /// Plays one subject once. All that it measured, by name.
    pub(crate) fn play(&self, arguments: &[&str]) -> Result<Played, BenchError> {
        self.play_command(Command::new(&self.own).arg("play").args(arguments))
    }

    /// The same, of a command that ends up playing a subject.
    pub(crate) fn play_command(&self, command: &mut Command) -> Result<Played, BenchError> {
        let said = self.say(command)?;
        serde_json::from_str(&said)
            .map_err(|_| BenchError::Misunderstood { program: format!("{command:?}"), said })
    }

    /// What a program says on its standard output. It ends when we do.
    pub(crate) fn say(&self, command: &mut Command) -> Result<String, BenchError> {
        let name = format!("{command:?}");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("HOTSPARE_") {
                command.env_remove(variable);
            }
        }
        let output = with_us(command).output().map_err(system(name.clone()))?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(said(&output.stdout))
        } else {
            let status = output.status.to_string();
            Err(BenchError::Program { program: name, status, said: said(&output.stderr) })
        }
    }

    /// Says that something takes a while.
    pub(crate) fn note(&self, what: &str, time: Duration) {
        eprintln!("bench:   {what}: {:.0} s", time.as_secs_f64());
    }
}

/// Samples by their name.
pub(crate) fn named<'a>(samples: &'a Medians, name: &'static str) -> Result<&'a Samples, BenchError> {
    samples.get(name).ok_or(BenchError::Hotspare(format!("{name} was not measured")))
}

pub(crate) fn nothing(call: Call<'_>) -> BenchError {
    BenchError::Hotspare(format!("{}: nothing was measured", call.join(" ")))
}
