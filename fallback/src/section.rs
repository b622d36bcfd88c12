//! A provider's section of the system's configuration file (config(5)).
//!
//! Modules may need parameters: the fips provider does not start without those that its installation wrote
//! (fips_config(5)). Our library context reads no configuration as a whole, since that would load whatever an
//! administrator has there, Hotspare too; so one section is copied out of it and loaded alone.

use std::ffi::{CStr, c_char, c_int};
use std::ptr::{self, NonNull};

use openssl_sys as ossl;

use crate::ffi;

/// What failed: OpenSSL's error queue says why, unless the text says all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unloaded {
    /// See OpenSSL's error queue.
    OpenSsl,
    /// A line that can't be copied.
    Line(String),
}

/// Activates `provider` in the library context with the parameters that its section has. If there is no configuration
/// file, or no such section in it, nothing is done.
///
/// # Safety
/// `context` is valid, and no other thread uses it yet.
pub(crate) unsafe fn load(context: NonNull<ossl::OSSL_LIB_CTX>, provider: &CStr) -> Result<(), Unloaded> {
    // SAFETY: the context is valid by this function's contract, and outlives the configurations made here.
    unsafe {
        let system = Configuration::new(context)?;
        if !system.read_system_file()? {
            return Ok(());
        }
        let Some(entries) = system.section_of(provider) else { return Ok(()) };
        let alone = Configuration::new(context)?;
        alone.read(&section_alone(provider, &entries)?)?;
        alone.activate()
    }
}

/// One line of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: Vec<u8>,
    value: Vec<u8>,
}

/// A configuration file that activates `provider` with these entries and has nothing else.
fn section_alone(provider: &CStr, entries: &[Entry]) -> Result<Vec<u8>, Unloaded> {
    let mut text = b"openssl_conf = all\n[all]\nproviders = providers\n[providers]\n".to_vec();
    text.extend_from_slice(provider.to_bytes());
    text.extend_from_slice(b" = only\n[only]\n");
    for Entry { name, value } in entries {
        // Whether it is activated there and under which name says nothing about here.
        if [&b"activate"[..], b"soft_load", b"identity"].contains(&&name[..]) {
            continue;
        }
        if name.iter().chain(value).any(u8::is_ascii_control) {
            return Err(Unloaded::Line(String::from_utf8_lossy(name).into_owned()));
        }
        text.extend_from_slice(name);
        text.extend_from_slice(b" = ");
        for byte in value {
            // A backslash takes the meaning from any character but a letter, which might get one by it.
            if byte.is_ascii() && !byte.is_ascii_alphanumeric() {
                text.push(b'\\');
            }
            text.push(*byte);
        }
        text.push(b'\n');
    }
    text.extend_from_slice(b"activate = 1\n");
    Ok(text)
}

/// A parsed configuration file.
struct Configuration(NonNull<ffi::Conf>);

impl Configuration {
    /// An empty one.
    ///
    /// # Safety
    /// The context outlives it.
    unsafe fn new(context: NonNull<ossl::OSSL_LIB_CTX>) -> Result<Self, Unloaded> {
        // SAFETY: the context is valid; the default method is asked for.
        let configuration = unsafe { ffi::NCONF_new_ex(context.as_ptr(), ptr::null_mut()) };
        NonNull::new(configuration).map(Self).ok_or(Unloaded::OpenSsl)
    }

    /// Reads the file that OpenSSL reads by default (`OPENSSL_CONF`, else the one that it was built with). False if
    /// there is none.
    fn read_system_file(&self) -> Result<bool, Unloaded> {
        // SAFETY: no arguments; the string that comes is freed below.
        unsafe {
            let file = ffi::CONF_get1_default_config_file();
            if file.is_null() {
                return Err(Unloaded::OpenSsl);
            }
            let code = ffi::NCONF_load(self.0.as_ptr(), file, ptr::null_mut());
            ffi::CRYPTO_free(file.cast(), c"".as_ptr(), 0);
            let reason = ossl::ERR_GET_REASON(ossl::ERR_peek_last_error());
            match code {
                1.. => Ok(true),
                _ if reason == ffi::CONF_R_NO_SUCH_FILE => Ok(false),
                _ => Err(Unloaded::OpenSsl),
            }
        }
    }

    fn read(&self, text: &[u8]) -> Result<(), Unloaded> {
        let length = c_int::try_from(text.len()).map_err(|_| Unloaded::OpenSsl)?;
        // SAFETY: the buffer lives longer than the BIO that reads it, and has `length` bytes.
        let code = unsafe {
            let source = ossl::BIO_new_mem_buf(text.as_ptr().cast(), length);
            if source.is_null() {
                return Err(Unloaded::OpenSsl);
            }
            let code = ffi::NCONF_load_bio(self.0.as_ptr(), source, ptr::null_mut());
            ossl::BIO_free_all(source);
            code
        };
        if code > 0 { Ok(()) } else { Err(Unloaded::OpenSsl) }
    }

    /// The section that the list of providers names for this one.
    fn section_of(&self, provider: &CStr) -> Option<Vec<Entry>> {
        let all = self.value(None, c"openssl_conf")?;
        let providers = self.value(Some(all), c"providers")?;
        self.section(self.value(Some(providers), provider)?)
    }

    fn value(&self, section: Option<&CStr>, name: &CStr) -> Option<&CStr> {
        let section = section.map_or(ptr::null(), CStr::as_ptr);
        // SAFETY: the strings are valid; what comes is null or belongs to the configuration.
        unsafe {
            let value = ffi::NCONF_get_string(self.0.as_ptr(), section, name.as_ptr());
            (!value.is_null()).then(|| CStr::from_ptr(value))
        }
    }

    fn section(&self, name: &CStr) -> Option<Vec<Entry>> {
        // SAFETY: the string is valid; the list and what is in it belong to the configuration, and are CONF_VALUEs with
        // both strings set.
        unsafe {
            let list = ffi::NCONF_get_section(self.0.as_ptr(), name.as_ptr());
            if list.is_null() {
                return None;
            }
            let entries = (0..ossl::OPENSSL_sk_num(list)).map(|index| {
                let entry: *const ffi::ConfValue = ossl::OPENSSL_sk_value(list, index).cast();
                let bytes = |string: *const c_char| CStr::from_ptr(string).to_bytes().to_vec();
                Entry { name: bytes((*entry).name), value: bytes((*entry).value) }
            });
            Some(entries.collect())
        }
    }

    /// Does what it says, in the library context that it was made for.
    fn activate(&self) -> Result<(), Unloaded> {
        // SAFETY: the configuration is valid.
        let code = unsafe { ffi::CONF_modules_load(self.0.as_ptr(), ptr::null(), 0) };
        if code > 0 { Ok(()) } else { Err(Unloaded::OpenSsl) }
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        // SAFETY: it is ours alone. What was activated from it has copies of what it needs.
        unsafe { ffi::NCONF_free(self.0.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_alone_has_its_values_and_no_meaning_more() {
        let entry = |name: &[u8], value: &[u8]| Entry { name: name.to_vec(), value: value.to_vec() };
        let entries = [
            entry(b"module-mac", b"41:9C"),
            entry(b"odd", b" $x #\"\\n"),
            entry(b"activate", b"0"),
            entry(b"identity", b"another"),
        ];
        let text = String::from_utf8(section_alone(c"fips", &entries).unwrap()).unwrap();
        let (head, lines) = text.split_once("[only]\n").unwrap();
        assert!(head.ends_with("[providers]\nfips = only\n"));
        assert_eq!(lines, "module-mac = 41\\:9C\nodd = \\ \\$x\\ \\#\\\"\\\\n\nactivate = 1\n");
        let broken = section_alone(c"fips", &[entry(b"a", b"b\nactivate = 0")]);
        assert_eq!(broken, Err(Unloaded::Line("a".to_owned())));
    }
}
