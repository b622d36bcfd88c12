//! EC keys. Offloaded: P-256.

use std::ffi::{CStr, c_char, c_int, c_void};

use hotspare_device::{Curve, EcKey, KeyMaterial, Kind as RequestKind};
use openssl_sys::OSSL_PARAM;
use zeroize::Zeroizing;

use crate::core::params::{self, END, List, UNMODIFIED, described};
use crate::entry::entry;
use crate::ffi::functions::Keymgmt;
use crate::ffi::names;
use crate::ffi::types::{Constant, Dispatch};
use crate::keymgmt::{Kind, manager};
use crate::software::Software;

/// OpenSSL's name of P-256. A curve given by its parameters has it too, if they are those of P-256.
const P256: &str = "prime256v1";
/// The order of P-256's group (SEC 2, 2.4.2).
pub(crate) const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// A point: x and y.
pub(crate) const POINT_BYTES: usize = 2 * Curve::P256.field_bytes();

/// The kind.
pub(crate) struct Ec;

impl Kind for Ec {
    const NAME: &'static str = "EC";

    fn functions(software: &Software) -> &Keymgmt {
        &software.ec
    }

    unsafe fn material(exported: *const OSSL_PARAM) -> Option<KeyMaterial> {
        // SAFETY: the caller vouches for the list.
        if !unsafe { params::is_text(exported, names::GROUP_NAME, P256) } {
            return None;
        }
        // SAFETY: as above.
        let number = unsafe { params::number(exported, names::PRIVATE_KEY) }?;
        let scalar = padded(&number)?;
        let zero = scalar.iter().all(|byte| *byte == 0);
        // A scalar out of range is the software provider's to judge. Whether it is in range tells nothing about it.
        (!zero && *scalar < P256_ORDER)
            .then(|| KeyMaterial::Ec(EcKey { curve: Curve::P256, scalar: scalar.to_vec() }))
    }

    fn multiplication(functions: &Keymgmt, key: *mut c_void) -> Option<RequestKind> {
        let mut group = [0; GROUP_NAME_BYTES];
        let mut asked = [params::utf8(names::GROUP_NAME, &mut group), END];
        // SAFETY: the key is the software provider's; the list ends with END and its place outlives the call.
        let known = unsafe { functions.get_params?(key, asked.as_mut_ptr()) } == 1;
        let name = CStr::from_bytes_until_nul(&group).ok()?;
        (known && name.to_bytes() == P256.as_bytes()).then_some(RequestKind::EcMultiplyP256)
    }
}

/// Room for the name of any curve.
const GROUP_NAME_BYTES: usize = 64;

/// `number` with zeros before it, as long as a coordinate.
fn padded(number: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut padded = Zeroizing::new([0; 32]);
    let start = padded.len().checked_sub(number.len())?;
    padded[start..].copy_from_slice(number);
    Some(padded)
}

/// The public point of a P-256 key of the software provider.
pub(super) fn point(functions: &Keymgmt, key: *mut c_void) -> Option<[u8; POINT_BYTES]> {
    let get = functions.get_params?;
    let (mut group, mut x, mut y) = ([0; 32], [0; 32], [0; 32]);
    let mut asked = [params::utf8(names::GROUP_NAME, &mut group), END];
    // SAFETY: the key is the software provider's; the list ends with END and its place outlives the call.
    if unsafe { get(key, asked.as_mut_ptr()) } != 1 || !group.starts_with(P256.as_bytes()) {
        return None;
    }
    let mut asked =
        [params::big_number(names::EC_PUBLIC_X, &mut x), params::big_number(names::EC_PUBLIC_Y, &mut y), END];
    // SAFETY: as above.
    if unsafe { get(key, asked.as_mut_ptr()) } != 1
        || asked[..2].iter().any(|one| one.return_size == UNMODIFIED)
    {
        return None;
    }
    let mut point = [0; POINT_BYTES];
    point[..32].copy_from_slice(&*padded(&params::big_endian(&x))?);
    point[32..].copy_from_slice(&*padded(&params::big_endian(&y))?);
    Some(point)
}

/// The key manager.
pub(crate) static FUNCTIONS: Constant<[Dispatch; Keymgmt::COUNT + 1]> = Constant(
    Keymgmt {
        gen_set_template: Some(manager::gen_set_template::<Ec>),
        set_params: Some(manager::set_params::<Ec>),
        settable_params: Some(manager::settable_params::<Ec>),
        query_operation_name: Some(query_operation_name),
        import_types: Some(types),
        export_types: Some(types),
        ..manager::common::<Ec>()
    }
    .dispatch(),
);

/// What a key is exported as and imported from.
static TYPES: List<18> = Constant([
    described(names::GROUP_NAME, names::PARAM_UTF8_STRING),
    described(names::EC_ENCODING, names::PARAM_UTF8_STRING),
    described(names::EC_POINT_FORMAT, names::PARAM_UTF8_STRING),
    described(names::EC_FIELD_TYPE, names::PARAM_UTF8_STRING),
    described(names::EC_P, names::PARAM_UNSIGNED_INTEGER),
    described(names::EC_A, names::PARAM_UNSIGNED_INTEGER),
    described(names::EC_B, names::PARAM_UNSIGNED_INTEGER),
    described(names::EC_GENERATOR, names::PARAM_OCTET_STRING),
    described(names::EC_ORDER, names::PARAM_UNSIGNED_INTEGER),
    described(names::EC_COFACTOR, names::PARAM_UNSIGNED_INTEGER),
    described(names::EC_SEED, names::PARAM_OCTET_STRING),
    described(names::PUBLIC_KEY, names::PARAM_OCTET_STRING),
    described(names::PRIVATE_KEY, names::PARAM_UNSIGNED_INTEGER),
    described(names::USE_COFACTOR, names::PARAM_INTEGER),
    described(names::EC_INCLUDE_PUBLIC, names::PARAM_INTEGER),
    described(names::EC_GROUP_CHECK, names::PARAM_UTF8_STRING),
    described(names::ENCODED_PUBLIC_KEY, names::PARAM_OCTET_STRING),
    END,
]);

entry! {
    fn query_operation_name(operation: c_int) -> *const c_char = std::ptr::null(); {
        match operation {
            names::OP_KEYEXCH => c"ECDH".as_ptr(),
            names::OP_SIGNATURE => c"ECDSA".as_ptr(),
            _ => std::ptr::null(),
        }
    }

    fn types(_selection: c_int) -> *const OSSL_PARAM = std::ptr::null(); {
        TYPES.0.as_ptr()
    }
}
