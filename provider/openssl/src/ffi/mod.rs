//! OpenSSL's provider interface as this crate needs it: what the headers have and `openssl-sys` lacks.
//!
//! Written from `openssl/core.h`, `core_dispatch.h` and `core_names.h`; `headers.rs` compares every value with the
//! installed headers.

pub(crate) mod functions;
#[cfg(test)]
mod headers;
pub(crate) mod libcrypto;
pub(crate) mod names;
pub(crate) mod types;
