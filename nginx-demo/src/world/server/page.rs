//! What the pages in `docs/` tell an administrator to write: what the demonstration runs is taken from there, so that the
//! pages stay true.

use crate::error::{DemoError, strange};
use crate::world::Places;

/// One page.
#[derive(Clone, Copy)]
pub(super) struct Page {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
}

impl Page {
    /// The block for a file: the one whose first line is a comment that begins with the file's path.
    pub(super) fn block(&self, file: &str) -> Result<String, DemoError> {
        let mut found =
            self.blocks().map(|(_, block)| block).filter(|block| block.starts_with(&format!("# {file}")));
        let missing = || strange(self.name)(format!("there is not one block that begins with `# {file}`"));
        match (found.next(), found.next()) {
            (Some(block), None) => Ok(block.to_owned()),
            _ => Err(missing()),
        }
    }

    /// What the page says will stand in the log when devices fail: the lines of its block of `text`.
    pub(super) fn log_lines(&self) -> impl Iterator<Item = &'static str> {
        self.blocks().filter(|(language, _)| *language == "text").flat_map(|(_, block)| block.lines())
    }

    /// Language and content of each block.
    fn blocks(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        // Every second part lies between two fences; its first line is the name of a language.
        let inside = self.text.split("```").skip(1).step_by(2);
        inside.filter_map(|block| block.split_once('\n'))
    }
}

/// The places of the pages, which are those of a whole machine, exchanged for those of the demonstration.
pub(super) fn place(block: &str, places: &Places) -> String {
    let of_the_demonstration = [
        ("/usr/lib/x86_64-linux-gnu/ossl-modules", places.programs.clone()),
        ("/run/emulator", places.emulator_root()),
        ("/run/hotspare/stats", places.stats()),
    ];
    of_the_demonstration
        .iter()
        .fold(block.to_owned(), |block, (of_page, ours)| block.replace(of_page, &ours.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_for_a_file_is_found_and_anything_but_one_is_refused() {
        let text =
            "a\n```ini\n# /etc/one: lines\nx = 1\n```\nb\n```\n# /etc/two\n```\n```\n# /etc/two\n```\n";
        let page = Page { name: "page", text };
        assert_eq!(page.block("/etc/one").unwrap(), "# /etc/one: lines\nx = 1\n");
        let page = Page { name: "page", text: "a `x`\n```text\none\ntwo\n```\n```ini\nthree\n```\n" };
        assert_eq!(page.log_lines().collect::<Vec<_>>(), ["one", "two"]);
        let page = Page { name: "page", text };
        for wrong in ["/etc/two", "/etc/three"] {
            assert!(page.block(wrong).unwrap_err().to_string().contains(wrong));
        }
    }
}
