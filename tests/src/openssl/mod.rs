//! OpenSSL as an application uses it: library contexts made from configuration files, keys, signatures, agreements, encryption.
//! Every operation says by which provider it must be computed, and makes sure that it was.

mod ffi;

pub mod agreement;
pub mod encryption;
pub mod error;
pub mod job;
pub mod key;
pub mod library;
pub mod params;
pub mod signature;

pub use error::OpensslError;
pub use key::Key;
pub use library::{Library, Provider, Side};
