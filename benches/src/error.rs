//! What can go wrong with measuring itself.

use std::io;
use std::path::PathBuf;

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The system said no.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program failed.
    #[error("{program}: {status}\n{said}")]
    Program {
        /// Its name and arguments.
        program: String,
        /// How it ended.
        status: String,
        /// What it said last.
        said: String,
    },
    /// A program said something else than expected.
    #[error("{program} said nothing that can be understood: {said}")]
    Misunderstood {
        /// Its name.
        program: String,
        /// What it said.
        said: String,
    },
    /// Something is not built.
    #[error("{0}: not there; ./bench builds it")]
    Missing(PathBuf),
    /// Two threads that spin need a processor each.
    #[error("two processors are needed, one for the engine and one for its user")]
    Processors,
    /// No benchmark has this name.
    #[error("there is no benchmark `{name}`: there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// Hotspare did not do what is measured.
    #[error("{0}")]
    Hotspare(String),
    /// OpenSSL did not do what is measured.
    #[error("OpenSSL: {0} failed")]
    Openssl(&'static str),
}

/// Says what was tried when the system said no.
pub fn system<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> BenchError {
    let what = what.into();
    move |source| BenchError::System { what, source: source.into() }
}
