//! One operation with all that distinguishes it.

use std::fmt;
use std::sync::Arc;

use hotspare_tests::openssl::{OpensslError, Side};

type Run = dyn Fn(&Side) -> Result<(), OpensslError> + Send + Sync;

/// One operation.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) algorithm: &'static str,
    pub(crate) operation: &'static str,
    /// Padding, or mode.
    pub(crate) padding: &'static str,
    /// Empty if there is none.
    pub(crate) digest: &'static str,
    /// Size, curve, or group.
    pub(crate) key: String,
    /// Which versions of OpenSSL have it; empty: all.
    pub(crate) versions: &'static str,
    /// The installed OpenSSL has it not: where it has it, it is computed there, with no device and with one.
    pub(crate) unavailable: Option<[&'static str; 2]>,
    run: Arc<Run>,
}

impl Case {
    pub(crate) fn new(
        (algorithm, operation): (&'static str, &'static str),
        padding: &'static str,
        digest: &'static str,
        key: &str,
        run: impl Fn(&Side) -> Result<(), OpensslError> + Send + Sync + 'static,
    ) -> Self {
        let (key, run) = (key.to_owned(), Arc::new(run));
        Self { algorithm, operation, padding, digest, key, versions: "", unavailable: None, run }
    }

    /// Runs it on a side. What the other side has to give for it, it gives meanwhile.
    pub(crate) fn run(&self, side: &Side) -> Result<(), OpensslError> {
        (self.run)(side)
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { algorithm, operation, padding, digest, key, .. } = self;
        write!(f, "{algorithm} {operation} {padding} {digest} {key}")
    }
}
