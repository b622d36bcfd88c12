//! What the software path keeps with a key.

use std::ptr;

use hotspare_device::{EcKey, Executor, InvalidRequest, Key, KeyMaterial, Operation, Request};
use once_cell::race::OnceBox;

use crate::ec::Scalar;
use crate::ecdsa::{Signer, Verifier};
use crate::failure::Failure;
use crate::library::Library;
use crate::mod_exp::PreparedModExp;
use crate::montgomery::PreparedMontgomery;
use crate::recovery::Recovery;
use crate::rsa::PreparedRsa;

/// A key ready for one software path.
struct PreparedKey {
    kind: Kind,
    library: &'static Library,
}

enum Kind {
    Rsa(PreparedRsa),
    Ec(PreparedEc),
    EcPublic(Verifier),
    Montgomery(PreparedMontgomery),
    ModExp(PreparedModExp),
}

/// Computes `request`; the result fills `output`.
pub(crate) fn execute(
    library: &'static Library,
    request: &Request,
    output: &mut [u8],
) -> Result<(), Failure> {
    let kept = kept(library, request.key())?;
    match kept.downcast_ref::<PreparedKey>() {
        Some(prepared) if ptr::eq(prepared.library, library) => prepared.execute(request, output),
        // The key was prepared for another provider, which must not compute for this one. Providers that share keys are
        // rare, so it is prepared for this request only.
        _ => PreparedKey::new(library, request.key().material())?.execute(request, output),
    }
}

fn kept<'key>(
    library: &'static Library,
    key: &'key Key,
) -> Result<&'key (dyn std::any::Any + Send + Sync), Failure> {
    key.prepared(Executor::Software, |material| Ok(Box::new(PreparedKey::new(library, material)?)))
}

impl PreparedKey {
    fn new(library: &'static Library, material: &KeyMaterial) -> Result<Self, Failure> {
        let kind = match material {
            KeyMaterial::Rsa(key) => Kind::Rsa(PreparedRsa::new(library, key)?),
            KeyMaterial::Ec(key) => Kind::Ec(PreparedEc::new(library, key)?),
            KeyMaterial::EcPublic(key) => Kind::EcPublic(Verifier::new(library, key)?),
            KeyMaterial::ModExp(key) => Kind::ModExp(PreparedModExp::new(library, key)?),
            KeyMaterial::Montgomery(key) => Kind::Montgomery(PreparedMontgomery::new(key)?),
            _ => return Err(InvalidRequest::WrongKey.into()),
        };
        Ok(Self { kind, library })
    }

    fn execute(&self, request: &Request, output: &mut [u8]) -> Result<(), Failure> {
        let (library, operands) = (self.library, request.operands());
        let first = operands.part(0);
        match (request.operation(), &self.kind, request.key().material()) {
            (Operation::RsaPrivate | Operation::RsaPrivateExponent, Kind::Rsa(key), _) => {
                key.private(library, first, output)
            }
            (Operation::RsaPublic, Kind::Rsa(key), _) => key.public(library, first, output),
            (Operation::EcdsaSign(_), Kind::Ec(prepared), KeyMaterial::Ec(key)) => {
                prepared.signer(library, key)?.sign(library, first, output)
            }
            (Operation::EcdsaVerify(_), Kind::EcPublic(key), _) => {
                key.verify(library, first, (operands.part(1), operands.part(2)), output)
            }
            (Operation::EcMultiply(_), Kind::Ec(prepared), KeyMaterial::Ec(key)) => {
                prepared.multiply(library, key, (first, operands.part(1)), output)
            }
            (Operation::MontgomeryMultiply(_), Kind::Montgomery(prepared), KeyMaterial::Montgomery(key)) => {
                prepared.multiply(library, key, first, output)
            }
            (Operation::ModExp, Kind::ModExp(prepared), KeyMaterial::ModExp(key)) => {
                prepared.raise(library, key, first, output)
            }
            _ => Err(InvalidRequest::WrongKey.into()),
        }
    }
}

/// An EC key ready for use.
struct PreparedEc {
    scalar: Scalar,
    // An ephemeral key never signs, and the default provider never recovers, so these parts wait for their first use.
    // If two threads come at once, both make one and one wins: nobody waits, so a fork in another thread leaves nothing
    // half-done to the child.
    signer: OnceBox<Signer>,
    recovery: OnceBox<Recovery>,
}

impl PreparedEc {
    fn new(library: &Library, key: &EcKey) -> Result<Self, Failure> {
        let scalar = Scalar::new(library, key)?;
        Ok(Self { scalar, signer: OnceBox::new(), recovery: OnceBox::new() })
    }

    fn signer(&self, library: &Library, key: &EcKey) -> Result<&Signer, Failure> {
        self.signer.get_or_try_init(|| Ok(Box::new(Signer::new(library, key)?)))
    }

    fn recovery(&self, library: &Library, key: &EcKey) -> Result<&Recovery, Failure> {
        self.recovery.get_or_try_init(|| Ok(Box::new(Recovery::new(library, key)?)))
    }

    fn multiply(
        &self,
        library: &Library,
        key: &EcKey,
        point: (&[u8], &[u8]),
        output: &mut [u8],
    ) -> Result<(), Failure> {
        if library.is_in_libcrypto() {
            return self.scalar.multiply(library, key.curve, point, output);
        }
        self.recovery(library, key)?.multiply(library, point, output)
    }
}
