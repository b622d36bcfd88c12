//! What goes to the terminal.

use std::io::{self, Write};

use serde::Serialize;

/// How it went: the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 0.
    Well,
    /// 1.
    Unwell,
}

impl Outcome {
    pub(crate) fn well_if(well: bool) -> Self {
        if well { Self::Well } else { Self::Unwell }
    }
}

/// Standard output doesn't take it.
#[derive(Debug, thiserror::Error)]
#[error("standard output can't be written: {0}")]
pub(crate) struct OutputError(#[from] io::Error);

/// Writes text to standard output. A reader that has seen enough (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<(), OutputError> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Writes a value to standard output as JSON.
pub(crate) fn print_json<T: Serialize>(value: &T) -> Result<(), OutputError> {
    let mut text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
    text.push('\n');
    print(&text)
}

/// Columns under headings. Numbers, and what stands for a missing one, are set to the right.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.iter().map(|cell| clean(cell)).collect());
    }

    pub(crate) fn text(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let cells = |column: usize| self.rows.iter().filter_map(move |row| row.get(column));
        let widths: Vec<_> = (0..columns)
            .map(|column| cells(column).map(|cell| cell.chars().count()).max().unwrap_or_default())
            .collect();
        let numeric: Vec<_> =
            (0..columns).map(|column| cells(column).skip(1).all(|cell| is_number(cell))).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), numeric) in row.iter().zip(&widths).zip(&numeric) {
                if !line.is_empty() {
                    line.push_str("  ");
                }
                line += &if *numeric { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

fn is_number(cell: &str) -> bool {
    cell == "-" || cell.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Text of somebody else's without what could steer a terminal.
pub(crate) fn clean(text: &str) -> String {
    text.replace(char::is_control, "?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_harmless() {
        let mut table = Table::new(&["name", "count"]);
        table.row(vec!["a".into(), "5".into()]);
        table.row(vec!["long\u{1b}[31m".into(), "-".into()]);
        assert_eq!(table.text(), "name       count\na              5\nlong?[31m      -\n");
    }
}
