//! Published vectors, in hexadecimal.

use hotspare_device::Curve;

/// A signature of RFC 6979 with its nonce, A.2.5 to A.2.7.
pub(super) struct Signature {
    pub(super) digest: &'static str,
    pub(super) nonce: &'static str,
    pub(super) r: &'static str,
    pub(super) s: &'static str,
}

/// What there is for one curve.
pub(super) struct OfCurve {
    pub(super) curve: Curve,
    /// The order of the base point (SP 800-186, 3.2.1).
    pub(super) order: &'static str,
    /// The field's prime (SP 800-186, 3.2.1).
    pub(super) prime: &'static str,
    /// RFC 6979's private key, and its public key's x and y.
    pub(super) key: &'static str,
    pub(super) public: [&'static str; 2],
    pub(super) signatures: &'static [Signature],
    /// NIST CAVP: a scalar, a point's x and y, and the product's x.
    pub(super) product: [&'static str; 4],
}

pub(super) const CURVES: [OfCurve; 3] = [
    OfCurve {
        curve: Curve::P256,
        order: "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        prime: "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
        key: "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
        public: [
            "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
            "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
        ],
        signatures: &[
            // SHA-1, "sample": a digest shorter than the order.
            Signature {
                digest: "8151325dcdbae9e0ff95f9f9658432dbedfdb209",
                nonce: "882905f1227fd620fbf2abf21244f0ba83d0dc3a9103dbbee43a1fb858109db4",
                r: "61340c88c3aaebeb4f6d667f672ca9759a6ccaa9fa8811313039ee4a35471d32",
                s: "6d7f147dac089441bb2e2fe8f7a3fa264b9c475098fdcf6e00d7c996e1b8b7eb",
            },
            // SHA-256, "sample".
            Signature {
                digest: "af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf",
                nonce: "a6e3c57dd01abe90086538398355dd4c3b17aa873382b0f24d6129493d8aad60",
                r: "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
                s: "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
            },
            // SHA-256, "test".
            Signature {
                digest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                nonce: "d16b6ae827f17175e040871a1c7ec3500192c4c92677336ec2537acaee0008e0",
                r: "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
                s: "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
            },
            // SHA-512, "sample": a digest longer than the order.
            Signature {
                digest: "39a5e04aaff7455d9850c605364f514c11324ce64016960d23d5dc57d3ffd8f49a739468ab8049bf18eef820cdb1ad6c\
                         9015f838556bc7fad4138b23fdf986c7",
                nonce: "5fa81c63109badb88c1f367b47da606da28cad69aa22c4fe6ad7df73a7173aa5",
                r: "8496a60b5e9b47c825488827e0495b0e3fa109ec4568fd3f8d1097678eb97f00",
                s: "2362ab1adbe2b8adf9cb9edab740ea6049c028114f2460f96554f61fae3302fe",
            },
        ],
        // KAS_ECC_CDH_PrimitiveTest, P-256, COUNT = 0.
        product: [
            "7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534",
            "700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287",
            "db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac",
            "46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b",
        ],
    },
    OfCurve {
        curve: Curve::P384,
        order: "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        prime: "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
        key: "6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5",
        public: [
            "ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc13",
            "8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533264720",
        ],
        signatures: &[
            // SHA-256, "sample".
            Signature {
                digest: "af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf",
                nonce: "180ae9f9aec5438a44bc159a1fcb277c7be54fa20e7cf404b490650a8acc414e375572342863c899f9f2edf9747a9b60",
                r: "21b13d1e013c7fa1392d03c5f99af8b30c570c6f98d4ea8e354b63a21d3daa33bde1e888e63355d92fa2b3c36d8fb2cd",
                s: "f3aa443fb107745bf4bd77cb3891674632068a10ca67e3d45db2266fa7d1feebefdc63eccd1ac42ec0cb8668a4fa0ab0",
            },
            // SHA-384, "sample".
            Signature {
                digest: "9a9083505bc92276aec4be312696ef7bf3bf603f4bbd381196a029f340585312313bca4a9b5b890efee42c77b1ee25fe",
                nonce: "94ed910d1a099dad3254e9242ae85abde4ba15168eaf0ca87a555fd56d10fbca2907e3e83ba95368623b8c4686915cf9",
                r: "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46",
                s: "99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8",
            },
            // SHA-384, "test".
            Signature {
                digest: "768412320f7b0aa5812fce428dc4706b3cae50e02a64caa16a782249bfe8efc4b7ef1ccb126255d196047dfedf17a0a9",
                nonce: "015ee46a5bf88773ed9123a5ab0807962d193719503c527b031b4c2d225092ada71f4a459bc0da98adb95837db8312ea",
                r: "8203b63d3c853e8d77227fb377bcf7b7b772e97892a80f36ab775d509d7a5feb0542a7f0812998da8f1dd3ca3cf023db",
                s: "ddd0760448d42d8a43af45af836fce4de8be06b485e9b61b827c2f13173923e06a739f040649a667bf3b828246baa5a5",
            },
            // SHA-512, "sample": a digest longer than the order.
            Signature {
                digest: "39a5e04aaff7455d9850c605364f514c11324ce64016960d23d5dc57d3ffd8f49a739468ab8049bf18eef820cdb1ad6c\
                         9015f838556bc7fad4138b23fdf986c7",
                nonce: "92fc3c7183a883e24216d1141f1a8976c5b0dd797dfa597e3d7b32198bd35331a4e966532593a52980d0e3aaa5e10ec3",
                r: "ed0959d5880ab2d869ae7f6c2915c6d60f96507f9cb3e047c0046861da4a799cfe30f35cc900056d7c99cd7882433709",
                s: "512c8cceee3890a84058ce1e22dbc2198f42323ce8aca9135329f03c068e5112dc7cc3ef3446defceb01a45c2667fdd5",
            },
        ],
        // KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_init, ED, COUNT = 0.
        product: [
            "f865418473e5bf7d2e1bbcd9bd5a9270c003a9dd35e778133ca59fcab4bb64fe24d6800e7047bdd033abc8bfa8db35b5",
            "d1bf2ac21637d66d6398aac01dcd56ac6f065fb45d1f6f16747bab9e9b01b4630b59b20927aea147355bf41838acb482",
            "4c9e23f1c5a41647d094086bf4ed31708651f21d996c47780688ac10f77deee2e43b5241b6caecd2fd5444bc50472e0e",
            "a781430e6078a179df3f9ee27cd8fdc6188f161b6c4ccc4053ef6c6ca6fc222946883a53c06db08f0a020023ced055aa",
        ],
    },
    OfCurve {
        curve: Curve::P521,
        order: "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709\
               a5d03bb5c9b8899c47aebb6fb71e91386409",
        prime: "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\
               ffffffffffffffffffffffffffffffffffff",
        key: "00fad06daa62ba3b25d2fb40133da757205de67f5bb0018fee8c86e1b68c7e75caa896eb32f1f47c70855836a6d16fcc\
             1466f6d8fbec67db89ec0c08b0e996b83538",
        public: [
            "01894550d0785932e00eaa23b694f213f8c3121f86dc97a04e5a7167db4e5bcd371123d46e45db6b5d5370a7f20fb633\
             155d38ffa16d2bd761dcac474b9a2f5023a4",
            "00493101c962cd4d2fddf782285e64584139c2f91b47f87ff82354d6630f746a28a0db25741b5b34a828008b22acc23f\
             924faafbd4d33f81ea66956dfeaa2bfdfcf5",
        ],
        signatures: &[
            // SHA-384, "sample".
            Signature {
                digest: "9a9083505bc92276aec4be312696ef7bf3bf603f4bbd381196a029f340585312313bca4a9b5b890efee42c77b1ee25fe",
                nonce: "01546a108bc23a15d6f21872f7ded661fa8431ddbd922d0dcdb77cc878c8553ffad064c95a920a750ac9137e527390d2\
                        d92f153e66196966ea554d9adfcb109c4211",
                r: "01ea842a0e17d2de4f92c15315c63ddf72685c18195c2bb95e572b9c5136ca4b4b576ad712a52be9730627d16054ba40\
                    cc0b8d3ff035b12ae75168397f5d50c67451",
                s: "01f21a3cee066e1961025fb048bd5fe2b7924d0cd797babe0a83b66f1e35eeaf5fde143fa85dc394a7dee76652339378\
                    4484bdf3e00114a1c857cde1aa203db65d61",
            },
            // SHA-512, "sample": the longest digest is shorter than the order.
            Signature {
                digest: "39a5e04aaff7455d9850c605364f514c11324ce64016960d23d5dc57d3ffd8f49a739468ab8049bf18eef820cdb1ad6c\
                         9015f838556bc7fad4138b23fdf986c7",
                nonce: "01dae2ea071f8110dc26882d4d5eae0621a3256fc8847fb9022e2b7d28e6f10198b1574fdd03a9053c08a1854a168aa5\
                        a57470ec97dd5ce090124ef52a2f7ecbffd3",
                r: "00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450606add152b53\
                    4931d7d4e8455cc91f9b15bf05ec36e377fa",
                s: "00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af282623eaa63e5b5c0723d8b8c37ff077\
                    7b1a20f8ccb1dccc43997f1ee0e44da4a67a",
            },
        ],
        // KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_init, EE, COUNT = 1.
        product: [
            "01a23de55fb7ad153e7e65d21ad10c77fdf2072b2a5aa116aaf1bc31a345420c1fe8eaccbbcdeb07b73ba2fa706c7498\
             e3a4828f348b00af9df1551780e709a7754c",
            "01474af758238005238b2fa253c4f9c557de664d64c66d7d88f334555997591ccc242ff3c6d0e34d07fc835aaae024c2\
             bd21f2ba5c0b0a8ac3fdd90e1c479cb8e538",
            "00a721b04654204ca19064b37a4abf4247413a6d29e9211a0df9d50975c7d8d4654dc04a478455ea24993f0fef5460f1\
             89c4729c15fba385fd85ef42ae7610e39450",
            "01e8ff7a8c57b017f8b8266adab65fe2c417173566087e15c5fc972071cc560ac93908a806468bc44b8312a8a4846488\
             6ca0d767db938447387a348f3f56c6463796",
        ],
    },
];

/// RFC 7748, 5.2: scalar, u, result.
pub(super) const X448: [[&str; 3]; 2] = [
    [
        "3d262fddf9ec8e88495266fea19a34d28882acef045104d0d1aae121700a779c984c24f8cdd78fbff44943eba368f54b\
         29259a4f1c600ad3",
        "06fce640fa3487bfda5f6cf2d5263f8aad88334cbd07437f020f08f9814dc031ddbdc38c19c6da2583fa5429db94ada1\
         8aa7a7fb4ef8a086",
        "ce3e4ff95a60dc6697da1db1d85e6afbdf79b50a2412d7546d5f239fe14fbaadeb445fc66a01b0779d98223961111e21\
         766282f73dd96b6f",
    ],
    [
        "203d494428b8399352665ddca42f9de8fef600908e0d461cb021f8c538345dd77c3e4806e25f46d3315c44e0a5b43712\
         82dd2c8d5be3095f",
        "0fbcc2f993cd56d3305b0b7d9e55d4c1a8fb5dbb52f8e9a1e9b6201b165d015894e56c4d3570bee52fe205e28a78b91c\
         dfbde71ce8d157db",
        "884a02576239ff7a2f2f63b2db6a9ff37047ac13568e1e30fe63c4a7ad1b3ee3a5700df34321d62077e63633c575c1c9\
         54514e99da7c179d",
    ],
];

/// The same: base point and scalar 5, then each scalar gives the next u, after one round and after a thousand.
pub(super) const X448_ITERATED: [&str; 2] = [
    "3f482c8a9f19b01e6c46ee9711d9dc14fd4bf67af30765c2ae2b846a4d23a8cd0db897086239492caf350b51f833868b\
     9bc2b3bca9cf4113",
    "aa3b4749d55b9daf1e5b00288826c467274ce3ebbdd5c17b975e09d4af6c67cf10d087202db88286e2b79fceea3ec353\
     ef54faa26e219f38",
];

/// NIST CAVP, KASValidityTest_FFCStatic_NOKC_ZZOnly_init, FC, COUNT = 2: modulus, exponent, base, power.
pub(super) const POWER: [&str; 4] = [
    "ff7c8eb17341fe7d8d167e954e332a4d9261b8258396b5c68f3141da31f8d8d52768e64cfe71ddada5eed91c19e5c6e1\
     7a7cf4a3531039a79d4dec4eef9ac09e8f680b015a11e8c8ef312dad7987707427a861406c08d6c0c0f1c606cc6e4a81\
     296ec54b912d2932366745e47c14eb088584e1188fc7ae74bae16dd1223c3873891f5c7a4d57603697c3a61ad683510d\
     24510215969f6d8e1437cee77e229081b66510f20eddb65227cc934512a7ae6c645bf19a41db0beab685855964289469\
     44397856823212726cb0aa47ba85717e4bc298c385e36475b4250bd8edc54f741df68860552b158482da98bcc21a8190\
     45ed14a30956723c0f25854edfcbfab9",
    "361c3a444a5464bcd18bf4cac5ecc8af915325e13b24dd83fa0da3c97dab5c74",
    "dc620db8214826e5b780e599edb56ebfe39d817afe3a6513eadaf2ecc434660eb821ea84559b92658895c6cc0eca22c4\
     feb98063a6ee8e83de173beeb639366afa4b6dfe36cb47b60bdaca1a324ed3374b897ba676ffdd2980ca86bdc2b566a6\
     363d1c8f2ea46ef9d9ad55a5c79e7e248a8e2e77cf9a54f8f8e8922e6020183f72f9717e84edc11b4f6a3aa2acdaedd1\
     ad369efa837ba82e26413cac1aa226f40d457a394875bfb9e51eb5d503e05c5f40d828fb768d8f4f4ee9c38e150ab9ec\
     35c051e5e119b9ae2d0cc7d88b6ca819349a25cb52ac268df6836301ff620b5a4540fa8c379babb337de7c1e424968f1\
     18a837f5d0830c34c30f457f42b104f5",
    "5a3ba6df7e728a44fa0edbee0b9a5b09a012634a8d392b133b06202936be0eca41c4aafd2495346fd59db3fac86aa5bb\
     36dcab0498818ab95d42719fe197e02ca117b78f82ee7073edb1ec754b329ec7a29af1a343298929161d8dc232db546e\
     347e61cc2130f1f6dbd36b92aaa3ac6cdf93a58300e2014b0569093d81ce887054f556bf19093d078080f2621ce4c968\
     f453a001eb793f4d1eedabaff7c292799acf20ce4f60c30cea3a734960569d4c0e63e23124970189e4f63d8435831f0b\
     903daa5536101a37c4778065a4fbc51f883550aaf13a784f53c5356bc7dd1469d146a092c3dd224127cdc4c806c39c81\
     deef829cb94f6f4709dabf6cedc9abda",
];
