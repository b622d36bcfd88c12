//! Results that would give a key away, or be taken for somebody else's, if they were wrong: what has to be verified before
//! it leaves (law 5), by a public request to the software path.

use hotspare_device::{Operation, Output, Request};
use hotspare_fallback::{Fallback, FallbackError};

/// Whether a device's result for this operation is verified.
pub(crate) fn is_needed(operation: Operation) -> bool {
    match operation {
        // One faulty signature by the Chinese remainder theorem gives a factor of the modulus (Boneh, DeMillo, Lipton 1997).
        Operation::RsaPrivate => true,
        // A point on another curve lets its sender search for the scalar in small groups.
        Operation::EcMultiply(_) => true,
        _ => false,
    }
}

/// Whether `output` is a right result of `request`.
///
/// # Errors
/// The software path could not tell.
pub(crate) fn verify(fallback: &Fallback, request: &Request, output: &Output) -> Result<bool, FallbackError> {
    match request.operation() {
        Operation::RsaPrivate => {
            let public = match Request::rsa_public(request.key(), output) {
                Ok(public) => public,
                // Not below the modulus.
                Err(_) => return Ok(false),
            };
            let mut input = Output::new();
            fallback.execute(&public, &mut input)?;
            Ok(*input == *request.operands().part(0))
        }
        Operation::EcMultiply(curve) => {
            let (x, y) = output.split_at(output.len() / 2);
            fallback.is_on_curve(curve, x, y)
        }
        _ => Ok(true),
    }
}
