//! One library context with its providers and keys, and what is done in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotspare_tests::openssl::agreement::derive;
use hotspare_tests::openssl::signature::{Padding, Scheme, sign, verify};
use hotspare_tests::openssl::{Key, Library, OpensslError, Provider, Side};
use hotspare_tests::random::Random;

/// Keys that every program uses, made once.
#[derive(Debug, Clone)]
pub(crate) struct KeyFiles(pub(crate) PathBuf);

const RSA: &str = "rsa.der";
const P256: [&str; 2] = ["p256-1.der", "p256-2.der"];
const P384: [&str; 2] = ["p384-1.der", "p384-2.der"];
const X25519: [&str; 2] = ["x25519-1.der", "x25519-2.der"];

impl KeyFiles {
    /// Makes them.
    pub(crate) fn write(folder: &Path) {
        let (_provider, side) = crate::default_side();
        crate::write_key(folder, RSA, &Key::generate_rsa(&side, 2048).unwrap());
        for name in P256 {
            crate::write_key(folder, name, &Key::generate_ec(&side, "P-256").unwrap());
        }
        for name in P384 {
            crate::write_key(folder, name, &Key::generate_ec(&side, "P-384").unwrap());
        }
        for name in X25519 {
            crate::write_key(folder, name, &Key::generate_x25519(&side).unwrap());
        }
    }

    fn read(&self, library: &Arc<Library>, name: &str) -> Result<Key, OpensslError> {
        Key::from_private_der(library, &fs::read(self.0.join(name)).unwrap())
    }
}

/// Two keys of one kind, and the secret that they share.
struct Pair {
    keys: [Key; 2],
    secret: Vec<u8>,
}

/// See the module.
pub(crate) struct World {
    rsa: Key,
    pairs: Vec<Pair>,
    /// Hotspare where it is active, otherwise the default provider.
    tested: Side,
    reference: Side,
    module: PathBuf,
    // Unloaded last, in this order.
    _providers: Vec<Provider>,
    library: Arc<Library>,
}

const PKCS1: Scheme = Scheme { digest: c"SHA2-256", padding: Padding::Pkcs1 };
const PSS: Scheme =
    Scheme { digest: c"SHA2-256", padding: Padding::Pss { mask_digest: c"SHA2-256", salt_bytes: 32 } };
const ECDSA: Scheme = Scheme { digest: c"SHA2-256", padding: Padding::None };

impl World {
    /// One in `library`; `loaded`: with Hotspare loaded for as long as it lives.
    pub(crate) fn new(
        library: Arc<Library>,
        keys: &KeyFiles,
        module: &Path,
        loaded: bool,
    ) -> Result<Self, OpensslError> {
        let mut providers = Vec::new();
        if loaded {
            providers.push(load(&library, module)?);
        }
        providers.push(library.load_provider(Path::new("/"), "default")?);
        let reference = Side::new(&library, "default");
        let pair = |names: [&str; 2]| -> Result<Pair, OpensslError> {
            let keys = [keys.read(&library, names[0])?, keys.read(&library, names[1])?];
            let secret = derive(&reference, &keys[0], &keys[1])?;
            Ok(Pair { keys, secret })
        };
        Ok(Self {
            rsa: keys.read(&library, RSA)?,
            pairs: vec![pair(P256)?, pair(P384)?, pair(X25519)?],
            tested: Side::preferring(&library, "hotspare"),
            reference,
            module: module.to_owned(),
            _providers: providers,
            library,
        })
    }

    /// Loads Hotspare once more.
    pub(crate) fn load(&self) -> Result<Provider, OpensslError> {
        load(&self.library, &self.module)
    }

    /// Some operation; what it gives is checked.
    pub(crate) fn operate(&self, random: &mut Random) -> Result<(), String> {
        match random.below(10) {
            0 => self.signature(&self.rsa, if random.below(2) == 0 { &PKCS1 } else { &PSS }, random),
            1..=3 => self.signature(&self.pairs[random.below(2)].keys[0], &ECDSA, random),
            _ => self.agreement(random),
        }
    }

    /// The operation that takes least time.
    pub(crate) fn agreement(&self, random: &mut Random) -> Result<(), String> {
        let pair = random.choose(&self.pairs);
        let own = random.below(2);
        let secret = derive(&self.tested, &pair.keys[own], &pair.keys[1 - own]).map_err(text)?;
        if secret == pair.secret { Ok(()) } else { Err("a wrong secret".to_owned()) }
    }

    fn signature(&self, key: &Key, scheme: &Scheme, random: &mut Random) -> Result<(), String> {
        let message = random.bytes(40);
        let (signer, verifier) = match random.below(4) {
            0 => (&self.reference, &self.tested),
            _ => (&self.tested, &self.reference),
        };
        let mut signature = sign(signer, key, scheme, &message).map_err(text)?;
        if !verify(verifier, key, scheme, &message, &signature).map_err(text)? {
            return Err("a good signature is refused".to_owned());
        }
        if random.below(4) == 0 {
            let place = random.below(signature.len());
            signature[place] ^= 1;
            if verify(verifier, key, scheme, &message, &signature).map_err(text)? {
                return Err("a bad signature is taken".to_owned());
            }
        }
        Ok(())
    }
}

fn load(library: &Arc<Library>, module: &Path) -> Result<Provider, OpensslError> {
    library.load_provider(module.parent().unwrap(), module.file_stem().unwrap().to_str().unwrap())
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn text(error: OpensslError) -> String {
    error.to_string()
}
