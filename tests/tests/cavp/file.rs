//! NIST's files: lines `name = value`, where a value holds until there is another one of that name.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::path::Path;

/// The values that hold where a vector ends.
#[derive(Debug, Clone)]
pub(crate) struct Vector {
    /// Counted from 1.
    pub(crate) number: usize,
    values: BTreeMap<String, String>,
}

/// All vectors of a file. Each ends with its line `last`.
pub(crate) fn read(file: &str, last: &str) -> Vec<Vector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/cavp").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut values = BTreeMap::new();
    let mut vectors = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.split_once(" = ").unwrap_or_else(|| panic!("{file}: {line}"));
        values.insert(name.to_owned(), value.to_owned());
        if name == last {
            vectors.push(Vector { number: vectors.len() + 1, values: values.clone() });
        }
    }
    vectors
}

impl Vector {
    pub(crate) fn text(&self, name: &str) -> &str {
        &self.values[name]
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        let text = self.text(name);
        assert!(text.len() % 2 == 0, "{name}: {text}");
        let byte = |place| u8::from_str_radix(&text[place..place + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(byte).collect()
    }

    pub(crate) fn digest(&self) -> &'static CStr {
        match self.text("SHAAlg") {
            "SHA1" => c"SHA1",
            "SHA224" => c"SHA2-224",
            "SHA256" => c"SHA2-256",
            "SHA384" => c"SHA2-384",
            "SHA512" => c"SHA2-512",
            other => panic!("digest {other}"),
        }
    }

    /// Whether NIST says that it is right, and why not.
    pub(crate) fn result(&self) -> (bool, &str) {
        let result = self.text("Result");
        assert!(result.starts_with(['P', 'F']), "{result}");
        (result.starts_with('P'), result)
    }
}
