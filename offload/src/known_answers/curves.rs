//! Known-answer requests on curves.

use hotspare_device::{
    Curve, EcKey, EcPublicKey, InvalidRequest, Key, KeyMaterial, MontgomeryCurve, MontgomeryKey, Request,
};

use super::{KnownAnswer, hex};

/// What is published for one curve: a key with a signature by a given nonce over the digest of "sample" (RFC 6979), and a
/// multiplication with both coordinates of the product (RFC 5903: i, g^r, g^ir).
struct OfCurve {
    curve: Curve,
    key: &'static [u8],
    public: [&'static [u8]; 2],
    digest: &'static [u8],
    nonce: &'static [u8],
    /// r and s.
    signature: &'static [u8],
    scalar: &'static [u8],
    point: [&'static [u8]; 2],
    product: &'static [u8],
}

fn of(curve: Curve) -> &'static OfCurve {
    match curve {
        Curve::P384 => &P384,
        Curve::P521 => &P521,
        _ => &P256,
    }
}

/// An ECDSA signature has one right answer only because its nonce is given.
pub(super) fn sign(curve: Curve) -> Result<KnownAnswer, InvalidRequest> {
    let known = of(curve);
    let request = Request::ecdsa_sign(&private(curve, known.key)?, known.digest, known.nonce)?;
    Ok(KnownAnswer::is(request, known.signature))
}

/// The same signature, verified: the answer is r.
pub(super) fn verify(curve: Curve) -> Result<KnownAnswer, InvalidRequest> {
    let known = of(curve);
    let (r, s) = known.signature.split_at(curve.field_bytes());
    Ok(KnownAnswer::is(Request::ecdsa_verify(&public(known)?, known.digest, r, s)?, r))
}

/// With the nonce in the place of s it is none: a device that finds every signature right is not used.
pub(super) fn refuse(curve: Curve) -> Result<KnownAnswer, InvalidRequest> {
    let known = of(curve);
    let r = &known.signature[..curve.field_bytes()];
    Ok(KnownAnswer::is_not(Request::ecdsa_verify(&public(known)?, known.digest, r, known.nonce)?, r))
}

pub(super) fn multiply(curve: Curve) -> Result<KnownAnswer, InvalidRequest> {
    let known = of(curve);
    let [x, y] = known.point;
    Ok(KnownAnswer::is(Request::ec_multiply(&private(curve, known.scalar)?, x, y)?, known.product))
}

fn private(curve: Curve, scalar: &[u8]) -> Result<Key, InvalidRequest> {
    Key::new(KeyMaterial::Ec(EcKey { curve, scalar: scalar.to_vec() }))
}

fn public(known: &OfCurve) -> Result<Key, InvalidRequest> {
    let [x, y] = known.public.map(<[u8]>::to_vec);
    Key::new(KeyMaterial::EcPublic(EcPublicKey { curve: known.curve, x, y }))
}

/// RFC 7748, 6.1: Alice's private and Bob's public key, and their shared secret.
pub(super) fn x25519() -> Result<KnownAnswer, InvalidRequest> {
    const SCALAR: [u8; 32] = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    const U: [u8; 32] = hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    const SHARED: [u8; 32] = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    montgomery(MontgomeryCurve::X25519, &SCALAR, &U, &SHARED)
}

/// RFC 7748, 5.2, the first vector.
pub(super) fn x448() -> Result<KnownAnswer, InvalidRequest> {
    const SCALAR: [u8; 56] = hex(
        "3d262fddf9ec8e88495266fea19a34d28882acef045104d0d1aae121700a779c984c24f8cdd78fbff44943eba368f54b\
         29259a4f1c600ad3",
    );
    const U: [u8; 56] = hex(
        "06fce640fa3487bfda5f6cf2d5263f8aad88334cbd07437f020f08f9814dc031ddbdc38c19c6da2583fa5429db94ada1\
         8aa7a7fb4ef8a086",
    );
    const SHARED: [u8; 56] = hex(
        "ce3e4ff95a60dc6697da1db1d85e6afbdf79b50a2412d7546d5f239fe14fbaadeb445fc66a01b0779d98223961111e21\
         766282f73dd96b6f",
    );
    montgomery(MontgomeryCurve::X448, &SCALAR, &U, &SHARED)
}

fn montgomery(
    curve: MontgomeryCurve,
    scalar: &[u8],
    u: &[u8],
    product: &'static [u8],
) -> Result<KnownAnswer, InvalidRequest> {
    let key = Key::new(KeyMaterial::Montgomery(MontgomeryKey { curve, scalar: scalar.to_vec() }))?;
    Ok(KnownAnswer::is(Request::montgomery_multiply(&key, u)?, product))
}

static P256: OfCurve = OfCurve {
    // RFC 6979, A.2.5, SHA-256.
    curve: Curve::P256,
    key: &hex::<32>("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"),
    public: [
        &hex::<32>("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"),
        &hex::<32>("7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"),
    ],
    digest: &hex::<32>("af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf"),
    nonce: &hex::<32>("a6e3c57dd01abe90086538398355dd4c3b17aa873382b0f24d6129493d8aad60"),
    signature: &hex::<64>(
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6e29f65\
                 f3e900dbb9aff4064dc4ab2f843acda8",
    ),
    // RFC 5903, 8.1.
    scalar: &hex::<32>("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433"),
    point: [
        &hex::<32>("d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"),
        &hex::<32>("56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab"),
    ],
    product: &hex::<64>(
        "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de522bde0af0d8585b8def9c183b5ae38f\
                 50235206a8674ecb5d98edb20eb153a2",
    ),
};

static P384: OfCurve = OfCurve {
    // RFC 6979, A.2.6, SHA-384.
    curve: Curve::P384,
    key: &hex::<48>(
        "6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5",
    ),
    public: [
        &hex::<48>(
            "ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc13",
        ),
        &hex::<48>(
            "8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533264720",
        ),
    ],
    digest: &hex::<48>(
        "9a9083505bc92276aec4be312696ef7bf3bf603f4bbd381196a029f340585312313bca4a9b5b890efee42c77b1ee25fe",
    ),
    nonce: &hex::<48>(
        "94ed910d1a099dad3254e9242ae85abde4ba15168eaf0ca87a555fd56d10fbca2907e3e83ba95368623b8c4686915cf9",
    ),
    signature: &hex::<96>(
        "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46\
                 99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8",
    ),
    // RFC 5903, 8.2.
    scalar: &hex::<48>(
        "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194",
    ),
    point: [
        &hex::<48>(
            "e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac43a0336def96fda41d0774a3571",
        ),
        &hex::<48>(
            "dcfbec7aacf3196472169e838430367f66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c",
        ),
    ],
    product: &hex::<96>(
        "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d603135569b9e9d09cf5d4a270f59746\
                 a2a9f38ef5cafbe2347cf7ec24bdd5e624bc93bfa82771f40d1b65d06256a852c983135d4669f8792f2c1d55718afbb4",
    ),
};

static P521: OfCurve = OfCurve {
    // RFC 6979, A.2.7, SHA-512.
    curve: Curve::P521,
    key: &hex::<66>(
        "00fad06daa62ba3b25d2fb40133da757205de67f5bb0018fee8c86e1b68c7e75caa896eb32f1f47c70855836a6d16fcc\
                 1466f6d8fbec67db89ec0c08b0e996b83538",
    ),
    public: [
        &hex::<66>(
            "01894550d0785932e00eaa23b694f213f8c3121f86dc97a04e5a7167db4e5bcd371123d46e45db6b5d5370a7f20fb633\
                 155d38ffa16d2bd761dcac474b9a2f5023a4",
        ),
        &hex::<66>(
            "00493101c962cd4d2fddf782285e64584139c2f91b47f87ff82354d6630f746a28a0db25741b5b34a828008b22acc23f\
                 924faafbd4d33f81ea66956dfeaa2bfdfcf5",
        ),
    ],
    digest: &hex::<64>(
        "39a5e04aaff7455d9850c605364f514c11324ce64016960d23d5dc57d3ffd8f49a739468ab8049bf18eef820cdb1ad6c\
                 9015f838556bc7fad4138b23fdf986c7",
    ),
    nonce: &hex::<66>(
        "01dae2ea071f8110dc26882d4d5eae0621a3256fc8847fb9022e2b7d28e6f10198b1574fdd03a9053c08a1854a168aa5\
                 a57470ec97dd5ce090124ef52a2f7ecbffd3",
    ),
    signature: &hex::<132>(
        "00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450606add152b53\
                 4931d7d4e8455cc91f9b15bf05ec36e377fa00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b\
                 68af282623eaa63e5b5c0723d8b8c37ff0777b1a20f8ccb1dccc43997f1ee0e44da4a67a",
    ),
    // RFC 5903, 8.3.
    scalar: &hex::<66>(
        "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa85a30fe1c2952c6771d937ba9777\
                 f5957b2639bab072462f68c27a57382d4a52",
    ),
    point: [
        &hex::<66>(
            "00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a219b97c356436adc6e95bb0352f6be64a6\
                 c2912d4ef2d0433ced2b6171640012d9460f",
        ),
        &hex::<66>(
            "015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d9852077b87220b6536c5c408a1d2aebb8e86d678ae\
                 49cb57091f4732296579ab44fcd17f0fc56a",
        ),
    ],
    product: &hex::<132>(
        "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04d1427e73ca4baa240a34786859810c06\
                 b3c715a3a8cc3151f2bee417996d19f3ddea01b901e6b17db2947ac017d853ef1c1674e5cfe59cda18d078e05d1b5242\
                 adaa9ffc3c63ea05edb1e13ce5b3a8e50c3eb622e8da1b38e0bdd1f88569d6c99baffa43",
    ),
};
