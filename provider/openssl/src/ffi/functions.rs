//! The numbered functions of each operation (`openssl/core_dispatch.h`).
//!
//! Each operation is a structure with a place for each function. It is read from the table of the provider that
//! computes in software ([`Keymgmt::read`] and so on), and written for OpenSSL ([`Keymgmt::dispatch`]).

use std::ffi::{c_char, c_int, c_uchar, c_void};

use openssl_sys::OSSL_PARAM;

use super::types::{Algorithm, AnyFunction, Callback, CoreHandle, Dispatch};

macro_rules! functions {
    ($(#[$meta:meta])* $operation:ident { $($name:ident = $id:literal: fn($($argument:ty),*) $(-> $result:ty)?;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy)]
        pub(crate) struct $operation {
            $(pub(crate) $name: Option<unsafe extern "C" fn($($argument),*) $(-> $result)?>,)*
        }

        #[allow(dead_code, reason = "one macro writes both directions, some operations use only one")]
        impl $operation {
            /// No function at all.
            pub(crate) const NONE: Self = Self { $($name: None,)* };
            /// How many there are.
            pub(crate) const COUNT: usize = [$($id),*].len();

            /// The functions of `table`; numbers that are not known here are passed over.
            ///
            /// # Safety
            /// `table` points to a table that ends with number 0, of functions of this operation.
            pub(crate) unsafe fn read(mut table: *const Dispatch) -> Self {
                let mut functions = Self::NONE;
                loop {
                    // SAFETY: we are not past the table's end, which the loop stops at.
                    let Dispatch { function_id, function } = unsafe { *table };
                    match function_id {
                        0 => return functions,
                        // SAFETY: the number says which type the function has; both are pointers to functions.
                        $($id => functions.$name = unsafe {
                            std::mem::transmute::<
                                Option<AnyFunction>,
                                Option<unsafe extern "C" fn($($argument),*) $(-> $result)?>,
                            >(function)
                        },)*
                        _ => {}
                    }
                    // SAFETY: this was not the last entry.
                    table = unsafe { table.add(1) };
                }
            }

            /// The functions as a table.
            pub(crate) const fn dispatch(&self) -> [Dispatch; Self::COUNT + 1] {
                let mut table = [Dispatch::END; Self::COUNT + 1];
                let mut filled = 0;
                $(if let Some(function) = self.$name {
                    // SAFETY: OpenSSL casts it back to the type that belongs to the number.
                    let function = unsafe {
                        std::mem::transmute::<unsafe extern "C" fn($($argument),*) $(-> $result)?, AnyFunction>(function)
                    };
                    table[filled] = Dispatch { function_id: $id, function: Some(function) };
                    filled += 1;
                })*
                let _ = filled;
                table
            }

            /// Each function's number, by name.
            #[cfg(test)]
            pub(crate) const IDS: &[(&str, c_int)] = &[$((stringify!($name), $id)),*];
        }
    };
}

type Object = *mut c_void;
type Params = *const OSSL_PARAM;
type MutableParams = *mut OSSL_PARAM;

functions! {
    /// What the core offers to a provider (`OSSL_FUNC_CORE_*`).
    CoreFunctions {
        core_get_params = 2: fn(*const CoreHandle, MutableParams) -> c_int;
        core_new_error = 5: fn(*const CoreHandle);
        core_set_error_debug = 6: fn(*const CoreHandle, *const c_char, c_int, *const c_char);
        core_vset_error = 7: fn(*const CoreHandle, u32, *const c_char, *mut c_void);
    }
}

functions! {
    /// A provider's own functions (`OSSL_FUNC_PROVIDER_*`).
    ProviderFunctions {
        provider_teardown = 1024: fn(Object);
        provider_gettable_params = 1025: fn(Object) -> Params;
        provider_get_params = 1026: fn(Object, MutableParams) -> c_int;
        provider_query_operation = 1027: fn(Object, c_int, *mut c_int) -> *const Algorithm;
        provider_get_reason_strings = 1029: fn(Object) -> *const super::types::Item;
        provider_get_capabilities = 1030: fn(Object, *const c_char, Option<Callback>, *mut c_void) -> c_int;
    }
}

functions! {
    /// Key management (`OSSL_FUNC_KEYMGMT_*`).
    Keymgmt {
        new = 1: fn(Object) -> Object;
        gen_init = 2: fn(Object, c_int, Params) -> Object;
        gen_set_template = 3: fn(Object, Object) -> c_int;
        gen_set_params = 4: fn(Object, Params) -> c_int;
        gen_settable_params = 5: fn(Object, Object) -> Params;
        generate = 6: fn(Object, Option<Callback>, *mut c_void) -> Object;
        gen_cleanup = 7: fn(Object);
        free = 10: fn(Object);
        get_params = 11: fn(Object, MutableParams) -> c_int;
        gettable_params = 12: fn(Object) -> Params;
        set_params = 13: fn(Object, Params) -> c_int;
        settable_params = 14: fn(Object) -> Params;
        query_operation_name = 20: fn(c_int) -> *const c_char;
        has = 21: fn(*const c_void, c_int) -> c_int;
        validate = 22: fn(*const c_void, c_int, c_int) -> c_int;
        matches = 23: fn(*const c_void, *const c_void, c_int) -> c_int;
        import = 40: fn(Object, c_int, Params) -> c_int;
        import_types = 41: fn(c_int) -> Params;
        export = 42: fn(Object, c_int, Option<Callback>, *mut c_void) -> c_int;
        export_types = 43: fn(c_int) -> Params;
        dup = 44: fn(*const c_void, c_int) -> Object;
    }
}

functions! {
    /// Key exchange (`OSSL_FUNC_KEYEXCH_*`).
    Keyexch {
        newctx = 1: fn(Object) -> Object;
        init = 2: fn(Object, Object, Params) -> c_int;
        derive = 3: fn(Object, *mut c_uchar, *mut usize, usize) -> c_int;
        set_peer = 4: fn(Object, Object) -> c_int;
        freectx = 5: fn(Object);
        dupctx = 6: fn(Object) -> Object;
        set_ctx_params = 7: fn(Object, Params) -> c_int;
        settable_ctx_params = 8: fn(Object, Object) -> Params;
        get_ctx_params = 9: fn(Object, MutableParams) -> c_int;
        gettable_ctx_params = 10: fn(Object, Object) -> Params;
    }
}

functions! {
    /// Signatures (`OSSL_FUNC_SIGNATURE_*`).
    Signature {
        newctx = 1: fn(Object, *const c_char) -> Object;
        sign_init = 2: fn(Object, Object, Params) -> c_int;
        sign = 3: fn(Object, *mut c_uchar, *mut usize, usize, *const c_uchar, usize) -> c_int;
        verify_init = 4: fn(Object, Object, Params) -> c_int;
        verify = 5: fn(Object, *const c_uchar, usize, *const c_uchar, usize) -> c_int;
        verify_recover_init = 6: fn(Object, Object, Params) -> c_int;
        verify_recover = 7: fn(Object, *mut c_uchar, *mut usize, usize, *const c_uchar, usize) -> c_int;
        digest_sign_init = 8: fn(Object, *const c_char, Object, Params) -> c_int;
        digest_sign_update = 9: fn(Object, *const c_uchar, usize) -> c_int;
        digest_sign_final = 10: fn(Object, *mut c_uchar, *mut usize, usize) -> c_int;
        digest_sign = 11: fn(Object, *mut c_uchar, *mut usize, usize, *const c_uchar, usize) -> c_int;
        digest_verify_init = 12: fn(Object, *const c_char, Object, Params) -> c_int;
        digest_verify_update = 13: fn(Object, *const c_uchar, usize) -> c_int;
        digest_verify_final = 14: fn(Object, *const c_uchar, usize) -> c_int;
        digest_verify = 15: fn(Object, *const c_uchar, usize, *const c_uchar, usize) -> c_int;
        freectx = 16: fn(Object);
        dupctx = 17: fn(Object) -> Object;
        get_ctx_params = 18: fn(Object, MutableParams) -> c_int;
        gettable_ctx_params = 19: fn(Object, Object) -> Params;
        set_ctx_params = 20: fn(Object, Params) -> c_int;
        settable_ctx_params = 21: fn(Object, Object) -> Params;
        get_ctx_md_params = 22: fn(Object, MutableParams) -> c_int;
        gettable_ctx_md_params = 23: fn(Object) -> Params;
        set_ctx_md_params = 24: fn(Object, Params) -> c_int;
        settable_ctx_md_params = 25: fn(Object) -> Params;
    }
}

functions! {
    /// Asymmetric ciphers (`OSSL_FUNC_ASYM_CIPHER_*`).
    AsymCipher {
        newctx = 1: fn(Object) -> Object;
        encrypt_init = 2: fn(Object, Object, Params) -> c_int;
        encrypt = 3: fn(Object, *mut c_uchar, *mut usize, usize, *const c_uchar, usize) -> c_int;
        decrypt_init = 4: fn(Object, Object, Params) -> c_int;
        decrypt = 5: fn(Object, *mut c_uchar, *mut usize, usize, *const c_uchar, usize) -> c_int;
        freectx = 6: fn(Object);
        dupctx = 7: fn(Object) -> Object;
        get_ctx_params = 8: fn(Object, MutableParams) -> c_int;
        gettable_ctx_params = 9: fn(Object, Object) -> Params;
        set_ctx_params = 10: fn(Object, Params) -> c_int;
        settable_ctx_params = 11: fn(Object, Object) -> Params;
    }
}
