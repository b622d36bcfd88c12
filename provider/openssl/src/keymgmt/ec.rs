//! EC keys. Offloaded: those on P-256, P-384 and P-521.

use std::ffi::{CStr, c_char, c_int, c_void};

use hotspare_device::{Curve, EcKey, Key, KeyMaterial, Kind as RequestKind, Operation, Request};
use openssl_sys::OSSL_PARAM;
use zeroize::Zeroizing;

use crate::core::params::{self, END, Owned, UNMODIFIED};
use crate::entry::entry;
use crate::ffi::functions::Keymgmt;
use crate::ffi::names;
use crate::ffi::types::{Constant, Dispatch};
use crate::keymgmt::generation::{Draft, Origin};
use crate::keymgmt::{Kind, manager};
use crate::random;
use crate::software::Software;

/// The kind.
pub(crate) struct Ec;

impl Kind for Ec {
    const NAME: &'static str = "EC";

    fn functions(software: &Software) -> &Keymgmt {
        &software.ec
    }

    unsafe fn material(exported: *const OSSL_PARAM) -> Option<KeyMaterial> {
        let is_on = |curve: &Curve| {
            // SAFETY: the caller vouches for the list.
            unsafe {
                params::is_text(exported, names::GROUP_NAME, own_name(*curve).to_str().unwrap_or_default())
            }
        };
        let curve = Curve::ALL.into_iter().find(is_on)?;
        // SAFETY: as above.
        let number = unsafe { params::number(exported, names::PRIVATE_KEY) }?;
        let scalar = padded(&number, curve.field_bytes())?;
        // A scalar out of range is the software provider's to judge.
        random::is_below(&scalar, curve.order())
            .then(|| KeyMaterial::Ec(EcKey { curve, scalar: scalar.to_vec() }))
    }

    fn multiplication(functions: &Keymgmt, key: *mut c_void) -> Option<RequestKind> {
        curve(functions, key).map(multiplication_on)
    }

    /// x, y.
    fn public(functions: &Keymgmt, key: *mut c_void) -> Option<Vec<u8>> {
        let bytes = curve(functions, key)?.field_bytes();
        let (mut x, mut y) = ([0; FIELD_MAX_BYTES], [0; FIELD_MAX_BYTES]);
        let mut asked = [
            params::big_number(names::EC_PUBLIC_X, &mut x),
            params::big_number(names::EC_PUBLIC_Y, &mut y),
            END,
        ];
        // SAFETY: the key is the software provider's; the list ends with END and its places outlive the call.
        if unsafe { functions.get_params?(key, asked.as_mut_ptr()) } != 1
            || asked[..2].iter().any(|one| one.return_size == UNMODIFIED)
        {
            return None;
        }
        let coordinates = [padded(&params::big_endian(&x), bytes)?, padded(&params::big_endian(&y), bytes)?];
        Some([coordinates[0].as_slice(), coordinates[1].as_slice()].concat())
    }

    fn generation(software: &Software, origin: &Origin<'_>) -> Option<RequestKind> {
        curve_of(software, origin).map(multiplication_on)
    }

    fn draft(software: &Software, origin: &Origin<'_>) -> Option<(Request, Draft)> {
        let curve = curve_of(software, origin)?;
        let scalar = random::below(software, curve.order())?;
        let mut params = Owned::default();
        params.text(names::GROUP_NAME, own_name(curve));
        params.number(names::PRIVATE_KEY, &scalar);
        let key = Key::new(KeyMaterial::Ec(EcKey { curve, scalar: scalar.to_vec() })).ok()?;
        Some((Request::ec_multiply_generator(&key).ok()?, Draft { key, params }))
    }

    fn complete(draft: &mut Draft, product: &[u8]) -> bool {
        // SEC 1, 2.3.3: an uncompressed point.
        draft.params.octets(names::PUBLIC_KEY, &[&[4], product].concat());
        true
    }
}

/// Length of the longest coordinate.
const FIELD_MAX_BYTES: usize = Curve::P521.field_bytes();
/// Room for the name of any curve.
const GROUP_NAME_BYTES: usize = 64;

/// OpenSSL's own name of `curve`. A curve given by its parameters has it too, if they are those of `curve`.
const fn own_name(curve: Curve) -> &'static CStr {
    match curve {
        Curve::P384 => c"secp384r1",
        Curve::P521 => c"secp521r1",
        _ => c"prime256v1",
    }
}

/// All its names.
const fn all_names(curve: Curve) -> &'static [&'static str] {
    match curve {
        Curve::P384 => &["P-384", "secp384r1"],
        Curve::P521 => &["P-521", "secp521r1"],
        _ => &["P-256", "prime256v1", "secp256r1"],
    }
}

fn multiplication_on(curve: Curve) -> RequestKind {
    Operation::EcMultiply(curve).kind(2 * curve.field_bytes())
}

/// `number` with zeros before it, `length` bytes long; `None` if it is longer.
fn padded(number: &[u8], length: usize) -> Option<Zeroizing<Vec<u8>>> {
    let mut padded = Zeroizing::new(vec![0; length]);
    let start = length.checked_sub(number.len())?;
    padded[start..].copy_from_slice(number);
    Some(padded)
}

/// The answer of the software provider's key to a question for a string.
fn text<'a>(functions: &Keymgmt, key: *mut c_void, name: &CStr, room: &'a mut [u8]) -> Option<&'a CStr> {
    let mut asked = [params::utf8(name, room), END];
    // SAFETY: the key is the software provider's; the list ends with END and its place outlives the call.
    let answered = unsafe { functions.get_params?(key, asked.as_mut_ptr()) } == 1;
    if answered { CStr::from_bytes_until_nul(room).ok() } else { None }
}

/// On which of our curves a key of the software provider is.
fn curve(functions: &Keymgmt, key: *mut c_void) -> Option<Curve> {
    let mut room = [0; GROUP_NAME_BYTES];
    let name = text(functions, key, names::GROUP_NAME, &mut room)?;
    Curve::ALL.into_iter().find(|curve| own_name(*curve) == name)
}

/// The curve of a key to be generated; `None` if it is none of ours, or the key is to be written in another way than by the
/// curve's name and an uncompressed point.
fn curve_of(software: &Software, origin: &Origin<'_>) -> Option<Curve> {
    match origin {
        Origin::Nothing => None,
        Origin::Group(name) => {
            let name = name.to_str().ok()?;
            let has_it = |curve: &Curve| all_names(*curve).iter().any(|one| one.eq_ignore_ascii_case(name));
            Curve::ALL.into_iter().find(has_it)
        }
        Origin::Template(template) => {
            let (functions, key) = (&software.ec, template.software_key());
            let mut room = [0; GROUP_NAME_BYTES];
            let is_plain = text(functions, key, names::EC_ENCODING, &mut room)? == c"named_curve"
                && text(functions, key, names::EC_POINT_FORMAT, &mut room)? == c"uncompressed";
            if is_plain { curve(functions, key) } else { None }
        }
    }
}

/// The key manager.
pub(crate) static FUNCTIONS: Constant<[Dispatch; Keymgmt::COUNT + 1]> = Constant(
    Keymgmt {
        gen_set_template: Some(manager::gen_set_template::<Ec>),
        set_params: Some(manager::set_params::<Ec>),
        settable_params: Some(manager::settable_params::<Ec>),
        validate: Some(validate),
        query_operation_name: Some(query_operation_name),
        ..manager::common::<Ec>()
    }
    .dispatch(),
);

entry! {
    /// A key exchange has its peer's public key validated, in full: OpenSSL multiplies the point by the order of its curve, which
    /// takes as long as the exchange itself. Our curves have a cofactor of 1, so each of their points has that order, and the quick
    /// check (the point is on the curve, and not at infinity) comes to the same.
    fn validate(key: *const c_void, selection: c_int, how: c_int) -> c_int = 0; {
        manager::with_key::<Ec>(key, |key, functions| {
            let object = key.software_key();
            let is_implied = selection == names::SELECT_PUBLIC
                && key.context().software().is_some_and(|software| !software.is_validated())
                && curve(functions, object).is_some();
            let how = if is_implied { names::VALIDATE_QUICK } else { how };
            // SAFETY: the key is the software provider's.
            functions.validate.map_or(0, |validate| unsafe { validate(object, selection, how) })
        })
    }

    fn query_operation_name(operation: c_int) -> *const c_char = std::ptr::null(); {
        match operation {
            names::OP_KEYEXCH => c"ECDH".as_ptr(),
            names::OP_SIGNATURE => c"ECDSA".as_ptr(),
            _ => std::ptr::null(),
        }
    }
}
