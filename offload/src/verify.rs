//! Results that would give a key away, or be taken for somebody else's, if they were wrong: what has to be verified before
//! it leaves (law 5), by a public request to the software path.

use hotspare_device::{Operation, Output, Request};
use hotspare_fallback::{Fallback, FallbackError};

/// Whether a device's result for this operation is verified.
pub(crate) fn is_needed(operation: Operation) -> bool {
    match operation {
        // One faulty signature by the Chinese remainder theorem gives a factor of the modulus (Boneh, DeMillo, Lipton 1997).
        Operation::RsaPrivate | Operation::RsaPrivateExponent => true,
        // A point on another curve lets its sender search for the scalar in small groups.
        Operation::EcMultiply(_) => true,
        // A device's "no" would be an error that is not the caller's.
        Operation::EcdsaVerify(_) => true,
        _ => false,
    }
}

/// Whether software may fail to verify a device's result without anything being wrong: whoever sends a signature can make it one for
/// which OpenSSL gives an error and no answer (its point comes out at infinity). That must not fill logs.
pub(crate) fn may_fail(operation: Operation) -> bool {
    matches!(operation, Operation::EcdsaVerify(_))
}

/// Whether `output` is a right result of `request`.
///
/// # Errors
/// The software path could not tell.
pub(crate) fn verify(fallback: &Fallback, request: &Request, output: &Output) -> Result<bool, FallbackError> {
    match request.operation() {
        Operation::RsaPrivate | Operation::RsaPrivateExponent => {
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
        Operation::EcdsaVerify(_) => {
            // "Yes" is r itself, which no disturbed bit makes up. "No" is computed again.
            if **output == *request.operands().part(1) {
                return Ok(true);
            }
            let mut ours = Output::new();
            fallback.execute(request, &mut ours)?;
            Ok(*ours != *request.operands().part(1))
        }
        _ => Ok(true),
    }
}
