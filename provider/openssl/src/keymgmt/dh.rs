//! DH and DHX keys. Offloaded: those with a prime of 2048 to 8192 bits.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use hotspare_device::key::ModExpKey;
use hotspare_device::{Key, KeyMaterial, Kind as RequestKind, Operation, Request};
use openssl_sys::OSSL_PARAM;
use zeroize::Zeroizing;

use crate::context::Refused;
use crate::core::params::{self, Copied, END, Owned};
use crate::entry::entry;
use crate::ffi::functions::Keymgmt;
use crate::ffi::names;
use crate::ffi::types::{Constant, Dispatch};
use crate::keymgmt::generation::{Draft, Origin};
use crate::keymgmt::{Kind, ProviderKey, manager};
use crate::random;
use crate::software::{Object, Software};

/// The kind of keys without a q of their own (PKCS#3, and the groups of RFC 7919 and RFC 3526).
pub(crate) struct Dh;

/// The kind of keys that carry q (X9.42).
pub(crate) struct Dhx;

/// Sizes of the prime, in bits, that are offloaded.
const OFFLOADED_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// Longest number that is read: that of the longest offloaded prime.
const NUMBER_MAX_BYTES: usize = *OFFLOADED_BITS.end() / 8;

impl Kind for Dh {
    // Both kinds have one name: a key of one may meet one of the other, and what differs is only how they are written.
    const NAME: &'static str = "DH";

    fn functions(software: &Software) -> &Keymgmt {
        &software.dh
    }

    unsafe fn material(exported: *const OSSL_PARAM) -> Option<KeyMaterial> {
        // SAFETY: the caller vouches for the list.
        let (modulus, q) =
            unsafe { (params::number(exported, names::FFC_P)?, params::number(exported, names::FFC_Q)) };
        let is_offloaded = OFFLOADED_BITS.contains(&bits(&modulus));
        // The software provider refuses a q that is much too long; it does so itself.
        if !is_offloaded || q.is_some_and(|q| q.len() > modulus.len()) {
            return None;
        }
        // SAFETY: as above.
        let exponent = unsafe { params::number(exported, names::PRIVATE_KEY) }?;
        Some(power(&modulus, &exponent))
    }

    fn multiplication(functions: &Keymgmt, key: *mut c_void) -> Option<RequestKind> {
        let mut bits: c_int = 0;
        let mut asked = [params::integer(names::BITS, &mut bits), END];
        // SAFETY: the key is the software provider's; the list ends with END and its place outlives the call.
        if unsafe { functions.get_params?(key, asked.as_mut_ptr()) } != 1 {
            return None;
        }
        kind(usize::try_from(bits).ok()?)
    }

    /// y, without leading zeros.
    fn public(functions: &Keymgmt, key: *mut c_void) -> Option<Vec<u8>> {
        let mut public = vec![0; NUMBER_MAX_BYTES];
        let mut asked = [params::big_number(names::PUBLIC_KEY, &mut public), END];
        // SAFETY: as above.
        let done = unsafe { functions.get_params?(key, asked.as_mut_ptr()) };
        let is_known = done == 1 && asked[0].return_size != params::UNMODIFIED;
        is_known.then(|| params::big_endian(&public).to_vec())
    }

    fn generation(software: &Software, origin: &Origin<'_>) -> Option<RequestKind> {
        match origin {
            Origin::Nothing => None,
            Origin::Group(name) => kind(SafePrime::named(name)?.bits),
            Origin::Template(template) => Self::multiplication(&software.dh, template.software_key()),
        }
    }

    fn draft(software: &Software, origin: &Origin<'_>) -> Option<(Request, Draft)> {
        let group = match origin {
            Origin::Nothing => None,
            Origin::Group(name) => named_group(software, name),
            Origin::Template(template) => {
                exported(&software.dh, template.software_key(), names::SELECT_PARAMETERS)
            }
        };
        draft(software, group?)
    }

    fn complete(draft: &mut Draft, product: &[u8]) -> bool {
        let KeyMaterial::ModExp(numbers) = draft.key.material() else { return false };
        let is_sound = is_inside(product, &numbers.modulus);
        draft.params.number(names::PUBLIC_KEY, product);
        is_sound
    }
}

impl Kind for Dhx {
    const NAME: &'static str = Dh::NAME;

    fn functions(software: &Software) -> &Keymgmt {
        &software.dhx
    }

    unsafe fn material(exported: *const OSSL_PARAM) -> Option<KeyMaterial> {
        // SAFETY: the caller vouches for the list.
        unsafe { Dh::material(exported) }
    }

    fn multiplication(functions: &Keymgmt, key: *mut c_void) -> Option<RequestKind> {
        Dh::multiplication(functions, key)
    }

    fn public(functions: &Keymgmt, key: *mut c_void) -> Option<Vec<u8>> {
        Dh::public(functions, key)
    }

    // A template of this kind may have come with rules for how it is checked: the software provider keeps them.
    fn generation(software: &Software, origin: &Origin<'_>) -> Option<RequestKind> {
        if let Origin::Group(_) = origin { Dh::generation(software, origin) } else { None }
    }

    fn draft(software: &Software, origin: &Origin<'_>) -> Option<(Request, Draft)> {
        if let Origin::Group(_) = origin { Dh::draft(software, origin) } else { None }
    }

    fn complete(draft: &mut Draft, product: &[u8]) -> bool {
        Dh::complete(draft, product)
    }
}

/// How many bits a big-endian number without leading zero bytes has.
fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

/// The kind of a request with a prime of so many bits; `None` if it is not offloaded.
fn kind(bits: usize) -> Option<RequestKind> {
    OFFLOADED_BITS.contains(&bits).then(|| Operation::ModExp.kind(bits.div_ceil(8)))
}

fn power(modulus: &[u8], exponent: &[u8]) -> KeyMaterial {
    KeyMaterial::ModExp(ModExpKey { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
}

/// Whether 1 < `number` < `modulus` - 1, both of one length, the modulus odd.
pub(crate) fn is_inside(number: &[u8], modulus: &[u8]) -> bool {
    let Some((last, high)) = number.split_last() else { return false };
    let Some((modulus_last, modulus_high)) = modulus.split_last() else { return false };
    // All bytes are looked at, whatever they are: the number may be a secret.
    let above_one = high.iter().fold(0, |all, byte| all | byte) | (last & 0xfe) != 0;
    let differs =
        high.iter().zip(modulus_high).fold(last ^ (modulus_last - 1), |all, (a, b)| all | (a ^ b)) != 0;
    above_one && differs
}

/// A group of RFC 7919 or RFC 3526.
struct SafePrime {
    bits: usize,
    /// How many bits a private key has at most: twice the group's strength and a little more (RFC 7919, 5.2, which OpenSSL
    /// follows for both families).
    private_bits: usize,
}

impl SafePrime {
    /// The group with this name, if its size is offloaded.
    fn named(name: &CStr) -> Option<Self> {
        let name = name.to_str().ok()?.to_ascii_lowercase();
        let bits = name.strip_prefix("ffdhe").or_else(|| name.strip_prefix("modp_"))?.parse().ok()?;
        let private_bits = match bits {
            2048 => 225,
            3072 => 275,
            4096 => 325,
            6144 => 375,
            8192 => 400,
            _ => return None,
        };
        Some(Self { bits, private_bits })
    }
}

/// What of a key of the software provider is `selected`.
fn exported(functions: &Keymgmt, key: *mut c_void, selected: c_int) -> Option<Copied> {
    let mut copy: Option<Copied> = None;
    // SAFETY: the key is alive; the callback gets the place for its answer, which outlives the call.
    unsafe { functions.export?(key, selected, Some(keep), ptr::from_mut(&mut copy).cast()) };
    copy
}

/// An `OSSL_CALLBACK` whose argument is a place for a copy of the list.
unsafe extern "C" fn keep(params: *const OSSL_PARAM, place: *mut c_void) -> c_int {
    crate::entry::guard(0, || {
        // SAFETY: `exported` passes its own place, which nobody else uses during the call.
        let place = unsafe { &mut *place.cast::<Option<Copied>>() };
        // SAFETY: the list is an exported key.
        *place = unsafe { Copied::of(params) };
        c_int::from(place.is_some())
    })
}

/// The numbers of a group with a name, from the software provider.
fn named_group(software: &Software, name: &CStr) -> Option<Copied> {
    let functions = &software.dh;
    let wish = [params::utf8_value(names::GROUP_NAME, name), END];
    // SAFETY: the first argument is the software provider's context; the list ends with END.
    let generation =
        unsafe { functions.gen_init?(software.context(), names::SELECT_PARAMETERS, wish.as_ptr()) };
    // SAFETY: the generation is ours, and `gen_cleanup` belongs to it.
    let generation = unsafe { Object::own(generation, functions.gen_cleanup) }?;
    // SAFETY: the generation is the software provider's; there is nobody to call back.
    let group = unsafe { functions.generate?(generation.as_ptr(), None, ptr::null_mut()) };
    // SAFETY: the key is ours, and `free` belongs to it.
    let group = unsafe { Object::own(group, functions.free) }?;
    exported(functions, group.as_ptr(), names::SELECT_PARAMETERS)
}

/// Draws a private key for `group` by OpenSSL's rules: in a group of the RFCs any number of their length (SP 800-56A,
/// 5.6.1.1.3); in a group without q one bit shorter than (p - 1) / 2. Other groups are left to OpenSSL.
fn draft(software: &Software, group: Copied) -> Option<(Request, Draft)> {
    let list = group.as_ptr();
    // SAFETY: the copy is a list with an END.
    let (p, q, g) = unsafe {
        (
            params::number(list, names::FFC_P)?,
            params::number(list, names::FFC_Q),
            params::number(list, names::FFC_G)?,
        )
    };
    // SAFETY: as above.
    let name = unsafe { params::text(list, names::GROUP_NAME) };
    let exponent = match (name.as_deref().and_then(SafePrime::named), q) {
        (Some(group), Some(_)) => random::below(software, &power_of_two(group.private_bits))?,
        (None, None) if name.is_none() && OFFLOADED_BITS.contains(&bits(&p)) => {
            let mut exponent = random::of_bits(software, bits(&p) - 2)?;
            if g[..] == [2] && p.last()? & 4 == 0 {
                // 2 is no square then, so the lowest bit would show; OpenSSL gives it up.
                *exponent.last_mut()? &= 0xfe;
            }
            exponent
        }
        _ => return None,
    };
    let mut base = Zeroizing::new(vec![0; p.len()]);
    let start = p.len().checked_sub(g.len())?;
    base[start..].copy_from_slice(&g);
    let key = Key::new(power(&p, &exponent)).ok()?;
    let mut params = Owned::default();
    // These two a generated key has by its own kind, and not from its template.
    params.extend(group, &[names::DH_PRIVATE_LENGTH, names::FFC_VALIDATE_LEGACY]);
    params.number(names::PRIVATE_KEY, &exponent);
    Some((Request::mod_exp(&key, &base).ok()?, Draft { key, params }))
}

/// 2^`exponent`, big-endian.
fn power_of_two(exponent: usize) -> Vec<u8> {
    let mut power = vec![0; exponent / 8 + 1];
    power[0] = 1 << (exponent % 8);
    power
}

/// The key manager for DH.
pub(crate) static FUNCTIONS: Constant<[Dispatch; Keymgmt::COUNT + 1]> =
    Constant(functions::<Dh>(Keymgmt::NONE).dispatch());

/// The key manager for DHX.
pub(crate) static DHX_FUNCTIONS: Constant<[Dispatch; Keymgmt::COUNT + 1]> = Constant(
    functions::<Dhx>(Keymgmt { query_operation_name: Some(query_operation_name), ..Keymgmt::NONE })
        .dispatch(),
);

const fn functions<K: Kind>(own: Keymgmt) -> Keymgmt {
    Keymgmt {
        gen_set_template: Some(manager::gen_set_template::<K>),
        set_params: Some(manager::set_params::<K>),
        settable_params: Some(manager::settable_params::<K>),
        validate: Some(validate),
        query_operation_name: own.query_operation_name,
        ..manager::common::<K>()
    }
}

entry! {
    /// Both kinds do what they do under this name.
    fn query_operation_name(_operation: c_int) -> *const c_char = ptr::null(); {
        c"DH".as_ptr()
    }

    /// A key exchange has its peer's public key validated: y^q = 1, which in the groups of the RFCs takes several times as long as
    /// the exchange itself. So it is a request where a device is in use.
    fn validate(key: *const c_void, selection: c_int, how: c_int) -> c_int = 0; {
        manager::with_key::<Dh>(key, |key, functions| {
            if selection == names::SELECT_PUBLIC && how != names::VALIDATE_QUICK {
                match has_order_q(key, functions) {
                    Ok(true) => return 1,
                    Ok(false) | Err(Refused::Invalid) => {}
                    Err(Refused::Raised) => return 0,
                }
            }
            // It says what is wrong, if anything is.
            // SAFETY: the key is the software provider's.
            functions.validate.map_or(0, |validate| unsafe { validate(key.software_key(), selection, how) })
        })
    }
}

/// Whether a device says that the public key is one of the group that q is the order of. False if it does not, or there is no q or
/// no device.
fn has_order_q(key: &ProviderKey, functions: &Keymgmt) -> Result<bool, Refused> {
    if Dh::multiplication(functions, key.software_key()).is_none() || !key.context().offload().has_hardware()
    {
        return Ok(false);
    }
    let Some(request) = order_request(key, functions) else { return Ok(false) };
    let power = key.context().execute(request)?;
    let Some((last, high)) = power.split_last() else { return Ok(false) };
    Ok(*last == 1 && high.iter().all(|byte| *byte == 0))
}

/// y^q; `None` if there is no q, or a number is out of its range.
fn order_request(key: &ProviderKey, functions: &Keymgmt) -> Option<Request> {
    let public = key.public::<Dh>()?;
    let group = exported(functions, key.software_key(), names::SELECT_PARAMETERS)?;
    // SAFETY: the copy is a list with an END.
    let (p, q) = unsafe {
        (params::number(group.as_ptr(), names::FFC_P)?, params::number(group.as_ptr(), names::FFC_Q)?)
    };
    let mut base = vec![0; p.len().checked_sub(public.len())?];
    base.extend_from_slice(&public);
    // Numbers of one length compare as their bytes do.
    let in_range = base < *p && is_inside(&base, &p) && (q.len() < p.len() || *q < *p);
    if !in_range {
        return None;
    }
    Request::mod_exp(&Key::new(power(&p, &q)).ok()?, &base).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_are_two_to_the_modulus_minus_two() {
        let modulus = [5, 0x81];
        for (number, inside) in [
            ([0, 0], false),
            ([0, 1], false),
            ([0, 2], true),
            ([1, 0], true),
            ([5, 0x7f], true),
            ([5, 0x80], false),
        ] {
            assert_eq!(is_inside(&number, &modulus), inside, "{number:?}");
        }
    }

    #[test]
    fn powers_and_their_bits() {
        assert_eq!((power_of_two(0), power_of_two(225)[0], power_of_two(225).len()), (vec![1], 2, 29));
        assert_eq!((bits(&[1]), bits(&[0x80, 0]), bits(&[])), (1, 16, 0));
        assert_eq!(
            SafePrime::named(c"MODP_3072").map(|group| (group.bits, group.private_bits)),
            Some((3072, 275))
        );
        assert!(SafePrime::named(c"modp_1536").is_none() && SafePrime::named(c"dh_2048_256").is_none());
    }
}
