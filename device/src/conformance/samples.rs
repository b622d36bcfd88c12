//! One request of each operation, and its right answer: what a conforming device is asked.

use crate::key::{
    EcKey, EcPublicKey, Key, KeyMaterial, ModExpKey, MontgomeryKey, RsaCrt, RsaKey, RsaPrivate,
};
use crate::request::{Curve, InvalidRequest, MontgomeryCurve, Request};

/// A request and its one right answer. (A signature has one because its nonce is given.)
#[derive(Debug, Clone)]
pub struct Sample {
    /// What is asked.
    pub request: Request,
    /// The right output.
    pub expected: Vec<u8>,
}

impl Sample {
    fn new(request: Request, expected: Vec<u8>) -> Self {
        Self { request, expected }
    }
}

/// One of each operation, the quick ones first.
///
/// # Errors
/// None that can happen: the numbers are constants.
pub fn samples() -> Result<Vec<Sample>, InvalidRequest> {
    let mut samples = vec![x25519()?];
    for curve in &CURVES {
        samples.extend(curve.samples()?);
    }
    samples.push(x448()?);
    samples.extend(powers()?);
    Ok(samples)
}

fn montgomery(curve: MontgomeryCurve, [scalar, u, result]: [&str; 3]) -> Result<Sample, InvalidRequest> {
    let key = Key::new(KeyMaterial::Montgomery(MontgomeryKey { curve, scalar: hex(scalar) }))?;
    Ok(Sample::new(Request::montgomery_multiply(&key, &hex(u))?, hex(result)))
}

fn x25519() -> Result<Sample, InvalidRequest> {
    montgomery(MontgomeryCurve::X25519, X25519)
}

fn x448() -> Result<Sample, InvalidRequest> {
    montgomery(MontgomeryCurve::X448, X448)
}

fn powers() -> Result<[Sample; 4], InvalidRequest> {
    let (input, root, power) = ([0x5a; 256].to_vec(), hex(ROOT), hex(POWER));
    let key = |crt| {
        Key::new(KeyMaterial::Rsa(RsaKey {
            modulus: hex(N),
            public_exponent: vec![1, 0, 1],
            private: Some(RsaPrivate { exponent: hex(D), crt }),
        }))
    };
    let whole = key(Some(RsaCrt {
        prime1: hex(P),
        prime2: hex(Q),
        exponent1: hex(DP),
        exponent2: hex(DQ),
        coefficient: hex(QI),
    }))?;
    let mod_exp = Key::new(KeyMaterial::ModExp(ModExpKey { modulus: hex(N), exponent: vec![1, 0, 1] }))?;
    Ok([
        Sample::new(Request::rsa_public(&whole, &input)?, power.clone()),
        Sample::new(Request::mod_exp(&mod_exp, &input)?, power),
        Sample::new(Request::rsa_private(&whole, &input)?, root.clone()),
        Sample::new(Request::rsa_private(&key(None)?, &input)?, root),
    ])
}

/// RFC 6979, A.2.5 to A.2.7: a key pair, and a signature with its nonce.
struct OfCurve {
    curve: Curve,
    key: &'static str,
    public: [&'static str; 2],
    digest: &'static str,
    nonce: &'static str,
    r: &'static str,
    s: &'static str,
}

impl OfCurve {
    fn samples(&self) -> Result<[Sample; 3], InvalidRequest> {
        let curve = self.curve;
        let [x, y] = self.public.map(hex);
        let key = Key::new(KeyMaterial::Ec(EcKey { curve, scalar: hex(self.key) }))?;
        let product = [&x[..], &y].concat();
        let public = Key::new(KeyMaterial::EcPublic(EcPublicKey { curve, x, y }))?;
        let [digest, nonce, r, s] = [self.digest, self.nonce, self.r, self.s].map(hex);
        let signature = [&r[..], &s].concat();
        Ok([
            Sample::new(Request::ecdsa_sign(&key, &digest, &nonce)?, signature),
            Sample::new(Request::ecdsa_verify(&public, &digest, &r, &s)?, r),
            Sample::new(Request::ec_multiply_generator(&key)?, product),
        ])
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |character: u8| match character {
        b'0'..=b'9' => character - b'0',
        _ => character.wrapping_sub(b'a').wrapping_add(10) & 0xf,
    };
    text.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// RFC 7748, 6.1: Alice's private and Bob's public key, and their secret.
const X25519: [&str; 3] = [
    "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
    "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
    "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
];

/// RFC 7748, 5.2: scalar, u, result.
const X448: [&str; 3] = [
    "3d262fddf9ec8e88495266fea19a34d28882acef045104d0d1aae121700a779c984c24f8cdd78fbff44943eb\
     a368f54b29259a4f1c600ad3",
    "06fce640fa3487bfda5f6cf2d5263f8aad88334cbd07437f020f08f9814dc031ddbdc38c19c6da2583fa5429\
     db94ada18aa7a7fb4ef8a086",
    "ce3e4ff95a60dc6697da1db1d85e6afbdf79b50a2412d7546d5f239fe14fbaadeb445fc66a01b0779d982239\
     61111e21766282f73dd96b6f",
];

const CURVES: [OfCurve; 3] = [
    OfCurve {
        curve: Curve::P256,
        key: "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
        public: [
            "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
            "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
        ],
        digest: "af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf",
        nonce: "a6e3c57dd01abe90086538398355dd4c3b17aa873382b0f24d6129493d8aad60",
        r: "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
        s: "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    },
    OfCurve {
        curve: Curve::P384,
        key: "6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea\
              60d2edf5",
        public: [
            "ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a25451\
             5480bc13",
            "8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd25\
             33264720",
        ],
        digest: "9a9083505bc92276aec4be312696ef7bf3bf603f4bbd381196a029f340585312313bca4a9b5b890efee42c77\
                 b1ee25fe",
        nonce: "94ed910d1a099dad3254e9242ae85abde4ba15168eaf0ca87a555fd56d10fbca2907e3e83ba95368623b8c46\
                86915cf9",
        r: "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e\
            80fabe46",
        s: "99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a\
            38628ac8",
    },
    OfCurve {
        curve: Curve::P521,
        key: "00fad06daa62ba3b25d2fb40133da757205de67f5bb0018fee8c86e1b68c7e75caa896eb32f1f47c70855836\
              a6d16fcc1466f6d8fbec67db89ec0c08b0e996b83538",
        public: [
            "01894550d0785932e00eaa23b694f213f8c3121f86dc97a04e5a7167db4e5bcd371123d46e45db6b5d5370a7\
             f20fb633155d38ffa16d2bd761dcac474b9a2f5023a4",
            "00493101c962cd4d2fddf782285e64584139c2f91b47f87ff82354d6630f746a28a0db25741b5b34a828008b\
             22acc23f924faafbd4d33f81ea66956dfeaa2bfdfcf5",
        ],
        digest: "39a5e04aaff7455d9850c605364f514c11324ce64016960d23d5dc57d3ffd8f49a739468ab8049bf18eef820\
                 cdb1ad6c9015f838556bc7fad4138b23fdf986c7",
        nonce: "01dae2ea071f8110dc26882d4d5eae0621a3256fc8847fb9022e2b7d28e6f10198b1574fdd03a9053c08a185\
                4a168aa5a57470ec97dd5ce090124ef52a2f7ecbffd3",
        r: "00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450606a\
            dd152b534931d7d4e8455cc91f9b15bf05ec36e377fa",
        s: "00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af282623eaa63e5b5c0723d8b8\
            c37ff0777b1a20f8ccb1dccc43997f1ee0e44da4a67a",
    },
];

// An RSA key of 2048 bits with e = 65537, made for this file. The input is 256 times 5a; ROOT is it to the power of d, POWER to
// that of e.

const N: &str = "c330738c50a378738d407990a69b25128ff9e26defac80a0cd75cf68a30d7e7ac3c3494f176cbe54ab9a197c\
                  01c9ed9a1c0d1306d1563d97f0b718209342279933498c9b2376bbbd827e127db3866dcc8a0a6254b1fa05db\
                  a6ad2d2f797cfb912c8a4cd1f860c5a7d5285f6437e3c9821f47a7c3a130198ea69cef2a3027eb0ce9aceb47\
                  f7278eece2d4a3aa3cbaa7f63cc32438d81f682785042de13d3fa1317ec40740ac8fe240ec680e53e420360f\
                  5b8626ed9b290b563ccc1c9ac984e538f8f1d91c35dff2badbc5a04abaf6b799de2a57d9904895ffde93f6cc\
                  068f965c59b68602414565fb6d087eeabf32b81140e22f2db38e18347c04d258379e7c33";
const D: &str = "9d71f7c2b7492560101071febc65690210210104accff8f1bcc9cb041c824603c0e545bd06a830df1b8cb201\
                  d56f8cb942e748f1b6ea59c4b5e6fb0f4bb9913782a75143d2d77398ea29c7c09d8f52022b5734fa1c961123\
                  9ccf1423b75b999100dc8e1ad0bf3eb0a2c06e31e8e3552821132bc021c52ad8668d305e5779db9ea3eef91a\
                  2d2a9910efc4a05539a4f67044f307cc17442fd2f3d8b269b855e96b34738490aab0eaaa69adf507764d3927\
                  137cef323bb589e4bf01a30c7856883a735fceec6cafc1a7135cb34a15b0815f6cfca592114b364d8bd4a661\
                  ca0bf04a803dadb1b4db5c5e940f635097aa45d6cb7486d501a96fc7737b2add31d78c01";
const P: &str = "fa529ba3fe3bfada7cf20724d953ee261d87cec31f7296ab7961fd925d39d0a89a2ef80f58ee8571f4998d7c\
                  4093f6dea268aa872607679d6050914a9d33a01c353c631cdfd43f371200339d068739fa9d1de2a05d158a2f\
                  f2ee4e4519f9919c895fd7b326b94c7f9118bb16000f49c81a358ca00d75985d99c94309570dc195";
const Q: &str = "c79dbc121f04a6ffc272f5a7aa17c57cc61c96dbd8d4250d89df5e79bf7b6c6c3c2496ebac9261f1e429c87c\
                  9ecc7b5f75ff199d6ab6114f2207c6c03bf449fd2c564d56726c2c95f8dca309b5b39023fd09e37c7f9c1321\
                  6bca9b3f18af266c3555d6ae15866ffb9fe5e39943cfeadf1279688cfce205cd1aefca62e22b64a7";
const DP: &str = "2dbf3514765cedce4a314d1eeddcc9d40b678b60db796c91afe039a02b0b6ad7b53dca35bbd1f36f4cfd56ff\
                   132a375e9e9db43478bdb7b0ea2e2f2f4ca567a8600e462abbb925486230c93df438785f15a1a58e1b14d9a9\
                   43a34b889363a9b9cadd4a25427970c28b78d29005b8c58a1d481608160d9ca7d67812993d609535";
const DQ: &str = "ac11c725e3c111e794099ec279b7e60fc982a97437739fc10ce114426492130335d0e09ba4f5c6224a68ce1e\
                   c69043a52544d222c4f2cef6e4c1c94cba21b989d8a74821459f03cbff6ac9cbbbea5e4cf77987b431182bd1\
                   7a667aeea7eb8b76697f66004823cbf21e827f7005697beff0afe134ef643255fc6b498d75a2ac2f";
const QI: &str = "2ddd06255b5b684303062732cd68c8c57c34c2f7c7ea05c4f3d9141ca09ba6d4c4edd289c60ac6010bb0a3ad\
                   793715665cdd23c084406704a557d07c668e8cbf4bc38805c7a4952f6f03fc262330e073366bb5eb6d6ff26c\
                   2508d15e4d41e2a4b5382063cf6c6705048a93408fa7f1a4dea14991ca3a0b24366b05b2bebe8c12";
const ROOT: &str = "90a0e370710a77a2cf26e745f3fe323e253db26350fc2f917c964df89a23ab3db24e6ef1edfe223dc4d2b4f1\
                     f1f6b71b38b26e71d6fe1e8bc92091b963bda4e6b0eb3d03d6f011a3fb876892123838f3e51fa8ded0986d5e\
                     ea2c69be4b489cf08f8fe6f939203daa9ed620e0046dcfb893be0e5a01179ea460a41ec39afe7b4835148a94\
                     9b730260bfbb0bb28fb6ff5543c1f3a84b2ba6c04e2fce271103fe873e82018d8880361dbd605bd398856d56\
                     f9d5d9dc8e1971ac029c267d9315fb8537aa3f7e8854d5febd8c0765eb821f0edfefcafb9acf372987a16002\
                     eb024d2c84c44f9b8545ae6d3f7146e04f6b5bc0066827a54f79237e847f781753ebd929";
const POWER: &str = "1fa0c965eb8324d6bf5ab5eb518c2d9b9912f1095ee70f8b01d1e381c8530c8b7d8695c77d0deeb758305042\
                      45578ce907c9d666c5f551eada1c41bed9f92300285068dd55baa4c4787dcbc838f0f61d9fad5838c8c83ef1\
                      20754eb732022ab4dbd78ea80f7038728c9ab7d7ef0a863e3aa8579d83c655732ff08230fcaafb711446b72e\
                      4f011cfa2744126d1d455b106ee89c0d9221cdac58b53055cfc77cf5491e2719aa0edb2f1ee153af47f92c24\
                      c2ba64db652f1bdd3def03430d79fd182688581876e0be3443df970427dccd6cb4b90fdf91c5fc67cc7080a3\
                      82eda9a772d1da10991d2188dbd2260635be52c13b611bb8ffbac3c402e19ece9b0079e6";
