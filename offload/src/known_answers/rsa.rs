//! Known-answer requests of numbers: RSA and modular exponentiation.

use hotspare_device::{InvalidRequest, Key, KeyMaterial, ModExpKey, Request, RsaCrt, RsaKey, RsaPrivate};

use super::{KnownAnswer, hex};

pub(super) fn private() -> Result<KnownAnswer, InvalidRequest> {
    Ok(KnownAnswer::is(Request::rsa_private(&key(Some(crt()))?, &ENCODED)?, &SIGNATURE))
}

/// The same by a key without its primes.
pub(super) fn private_exponent() -> Result<KnownAnswer, InvalidRequest> {
    Ok(KnownAnswer::is(Request::rsa_private(&key(None)?, &ENCODED)?, &SIGNATURE))
}

pub(super) fn public() -> Result<KnownAnswer, InvalidRequest> {
    Ok(KnownAnswer::is(Request::rsa_public(&key(Some(crt()))?, &SIGNATURE)?, &ENCODED))
}

/// NIST CAVP, KASValidityTest_FFCStatic_NOKC_ZZOnly_init, FC, COUNT = 2: an agreement with an exponent of 256 bits.
pub(super) fn mod_exp() -> Result<KnownAnswer, InvalidRequest> {
    let key = ModExpKey { modulus: FFC_MODULUS.to_vec(), exponent: FFC_EXPONENT.to_vec() };
    Ok(KnownAnswer::is(Request::mod_exp(&Key::new(KeyMaterial::ModExp(key))?, &FFC_BASE)?, &FFC_POWER))
}

fn key(crt: Option<RsaCrt>) -> Result<Key, InvalidRequest> {
    Key::new(KeyMaterial::Rsa(RsaKey {
        modulus: MODULUS.to_vec(),
        public_exponent: vec![1, 0, 1],
        private: Some(RsaPrivate { exponent: EXPONENT.to_vec(), crt }),
    }))
}

fn crt() -> RsaCrt {
    RsaCrt {
        prime1: PRIME1.to_vec(),
        prime2: PRIME2.to_vec(),
        exponent1: EXPONENT1.to_vec(),
        exponent2: EXPONENT2.to_vec(),
        coefficient: COEFFICIENT.to_vec(),
    }
}

// RSA Laboratories, test vectors for PKCS#1 v1.5 signatures (pkcs1v15sign-vectors.txt), example 15, a key of 2048 bits
// with e = 65537, and its signature 15.1.

const MODULUS: [u8; 256] =
    hex("df271fd25f8644496b0c81be4bd50297ef099b002a6fd67727eb449cea566ed6a3981a71312a141cabc9815c1209e320\
     a25b32464e9999f18ca13a9fd3892558f9e0adefdd3650dd23a3f036d60fe398843706a40b0b8462c8bee3bce12f1f28\
     60c2444cdc6a44476a75ff4aa24273ccbe3bf80248465f8ff8c3a7f3367dfc0df5b6509a4f82811cedd81cdaaa73c491\
     da412170d544d4ba96b97f0afc8065498d3a49fd910992a1f0725be24f465cfe7e0eabf678996c50bc5e7524abf73f15\
     e5bef7d518394e3138ce4944506aaaaf3f9b236dcab8fc00f87af596fdc3d9d6c75cd508362fae2cbeddcc4c7450b17b\
     776c079ecca1f256351a43b97dbe2153");
const EXPONENT: [u8; 256] =
    hex("5bd910257830dce17520b03441a51a8cab94020ac6ecc252c808f3743c95b7c83b8c8af1a5014346ebc4242cdfb5d718\
     e30a733e71f291e4d473b61bfba6dacaed0a77bd1f0950ae3c91a8f90111882589e1d62765ee671e7baeea309f64d447\
     bbcfa9ea12dce05e9ea8939bc5fe6108581279c982b308794b3448e7f7b952292df88c80cb40142c4b5cf5f8ddaa0891\
     678d610e582fcb880f0d707caf47d09a84e14ca65841e5a3abc5e9dba94075a9084341f0edad9b68e3b8e082b80b6e6e\
     8a0547b44fb5061b6a9131603a5537ddabd01d8e863d8922e9aa3e4bfaea0b39d79283ad2cbc8a59cce7a6ecf4e4c81e\
     d4c6591c807defd71ab06866bb5e7745");
const PRIME1: [u8; 128] =
    hex("f44f5e4246391f482b2f5296e3602eb34aa136427710f7c0416d403fd69d4b29130cfebef34e885abdb1a8a0a5f0e9b5\
     c33e1fc3bfc285b1ae17e40cc67a1913dd563719815ebaf8514c2a7aa0018e63b6c631dc315a46235716423d11ff5803\
     4e610645703606919f5c7ce2660cd148bd9efc123d9c54b6705590d006cfcf3f");
const PRIME2: [u8; 128] =
    hex("e9d49841e0e0a6ad0d517857133e36dc72c1bdd90f9174b52e26570f373640f1c185e7ea8e2ed7f1e4ebb951f70a5802\
     3633b0097aec67c6dcb800fc1a67f9bb0563610f08ebc8746ad129772136eb1ddaf46436450d318332a84982fe5d28db\
     e5b3e912407c3e0e03100d87d436ee409eec1cf85e80aba079b2e6106b97bced");
const EXPONENT1: [u8; 128] =
    hex("ed102acdb26871534d1c414ecad9a4d732fe95b10eea370da62f05de2c393b1a633303ea741b6b3269c97f704b352702\
     c9ae79922f7be8d10db67f026a8145de41b30c0a42bf923bac5f7504c248604b9faa57ed6b3246c6ba158e36c644f8b9\
     548fcf4f07e054a56f768674054440bc0dcbbc9b528f64a01706e05b0b91106f");
const EXPONENT2: [u8; 128] =
    hex("6827924a85e88b55ba00f8219128bd3724c6b7d1dfe5629ef197925fecaff5edb9cdf3a7befd8ea2e8dd3707138b3ff8\
     7c3c39c57f439e562e2aa805a39d7cd79966d2ece7845f1dbc16bee99999e4d0bf9eeca45fcda8a8500035fe6b5f03bc\
     2f6d1bfc4d4d0a3723961af0cdce4a01eec82d7f5458ec19e71b90eeef7dff61");
const COEFFICIENT: [u8; 128] =
    hex("57b73888d183a99a6307422277551a3d9e18adf06a91e8b55ceffef9077c8496948ecb3b16b78155cb2a3a57c119d379\
     951c010aa635edcf62d84c5a122a8d67ab5fa9e5a4a8772a1e943bafc70ae3a4c1f0f3a4ddffaefd1892c8cb33bb0d0b\
     9590e963a69110fb34db7b906fc4ba2836995aac7e527490ac952a02268a4f18");

/// The message of example 15.1, hashed with SHA-1 and encoded (RFC 8017, 9.2): what the private operation is given.
const ENCODED: [u8; 256] = {
    const DIGEST_INFO: [u8; 35] =
        hex("3021300906052b0e03021a05000414874d46fd3ee3a4c3f4d2ca9c2db3fa9e0582ba8b");
    let mut encoded = [0xff; 256];
    encoded[0] = 0;
    encoded[1] = 1;
    encoded[220] = 0;
    let mut index = 0;
    while index < DIGEST_INFO.len() {
        encoded[221 + index] = DIGEST_INFO[index];
        index += 1;
    }
    encoded
};

const SIGNATURE: [u8; 256] =
    hex("b75a5466b65d0f300ef53833f2175c8a347a3804fc63451dc902f0b71f9083459ed37a5179a3b723a53f1051642d7737\
     4c4c6c8dbb1ca20525f5c9f32db776953556da31290e22197482ceb69906c46a758fb0e7409ba801077d2a0a20eae7d1\
     d6d392ab4957e86b76f0652d68b83988a78f26e11172ea609bf849fbbd78ad7edce21de662a081368c040607cee29db0\
     627227f44963ad171d2293b633a392e331dca54fe3082752f43f63c161b447a4c65a6875670d5f6600fcc860a1caeb0a\
     88f8fdec4e564398a5c46c87f68ce07001f6213abe0ab5625f87d19025f08d81dac7bd4586bc9382191f6d2880f6227e\
     5df3eed21e7792d249480487f3655261");

// The numbers of `mod_exp`.

const FFC_MODULUS: [u8; 256] =
    hex("ff7c8eb17341fe7d8d167e954e332a4d9261b8258396b5c68f3141da31f8d8d52768e64cfe71ddada5eed91c19e5c6e1\
     7a7cf4a3531039a79d4dec4eef9ac09e8f680b015a11e8c8ef312dad7987707427a861406c08d6c0c0f1c606cc6e4a81\
     296ec54b912d2932366745e47c14eb088584e1188fc7ae74bae16dd1223c3873891f5c7a4d57603697c3a61ad683510d\
     24510215969f6d8e1437cee77e229081b66510f20eddb65227cc934512a7ae6c645bf19a41db0beab685855964289469\
     44397856823212726cb0aa47ba85717e4bc298c385e36475b4250bd8edc54f741df68860552b158482da98bcc21a8190\
     45ed14a30956723c0f25854edfcbfab9");
const FFC_EXPONENT: [u8; 32] = hex("361c3a444a5464bcd18bf4cac5ecc8af915325e13b24dd83fa0da3c97dab5c74");
const FFC_BASE: [u8; 256] =
    hex("dc620db8214826e5b780e599edb56ebfe39d817afe3a6513eadaf2ecc434660eb821ea84559b92658895c6cc0eca22c4\
     feb98063a6ee8e83de173beeb639366afa4b6dfe36cb47b60bdaca1a324ed3374b897ba676ffdd2980ca86bdc2b566a6\
     363d1c8f2ea46ef9d9ad55a5c79e7e248a8e2e77cf9a54f8f8e8922e6020183f72f9717e84edc11b4f6a3aa2acdaedd1\
     ad369efa837ba82e26413cac1aa226f40d457a394875bfb9e51eb5d503e05c5f40d828fb768d8f4f4ee9c38e150ab9ec\
     35c051e5e119b9ae2d0cc7d88b6ca819349a25cb52ac268df6836301ff620b5a4540fa8c379babb337de7c1e424968f1\
     18a837f5d0830c34c30f457f42b104f5");
const FFC_POWER: [u8; 256] =
    hex("5a3ba6df7e728a44fa0edbee0b9a5b09a012634a8d392b133b06202936be0eca41c4aafd2495346fd59db3fac86aa5bb\
     36dcab0498818ab95d42719fe197e02ca117b78f82ee7073edb1ec754b329ec7a29af1a343298929161d8dc232db546e\
     347e61cc2130f1f6dbd36b92aaa3ac6cdf93a58300e2014b0569093d81ce887054f556bf19093d078080f2621ce4c968\
     f453a001eb793f4d1eedabaff7c292799acf20ce4f60c30cea3a734960569d4c0e63e23124970189e4f63d8435831f0b\
     903daa5536101a37c4778065a4fbc51f883550aaf13a784f53c5356bc7dd1469d146a092c3dd224127cdc4c806c39c81\
     deef829cb94f6f4709dabf6cedc9abda");
