//! Asymmetric ciphers.

mod operation;
pub(crate) mod rsa;
mod tls;
