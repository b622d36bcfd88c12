//! What can go wrong with the demonstration itself, as opposed to what it is to find out.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error("interrupted")]
    Interrupted,
    #[error("{what}: {source}")]
    System { what: String, source: io::Error },
    #[error("{program} could not be started ({source}): is it installed and built?")]
    NotStarted { program: String, source: io::Error },
    #[error("{program} ended ({status}); its log is {}", .log.display())]
    Ended { program: &'static str, status: String, log: PathBuf },
    #[error("{command} failed: {why}")]
    Command { command: String, why: String },
    #[error("{what} did not happen within {bound:?}")]
    Late { what: String, bound: Duration },
    #[error("{what} can't be understood: {why}")]
    Strange { what: String, why: String },
    #[error("the clients can't be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// For `map_err` of what the system refuses.
pub(crate) fn system<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> DemoError {
    move |source| DemoError::System { what: what.into(), source: source.into() }
}

/// For `map_err` of what can't be read as it should.
pub(crate) fn strange<E: std::fmt::Display>(what: impl Into<String>) -> impl FnOnce(E) -> DemoError {
    move |why| DemoError::Strange { what: what.into(), why: why.to_string() }
}
