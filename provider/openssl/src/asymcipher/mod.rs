//! Asymmetric ciphers.

mod constant_time;
mod operation;
mod rejection;
pub(crate) mod rsa;
mod tls;
