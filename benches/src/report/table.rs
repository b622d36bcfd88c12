//! The table.

use super::Row;

const HEADINGS: [&str; 5] = ["what", "median", "quartiles", "bar", ""];

/// All rows, by benchmark.
pub(super) fn draw(rows: &[Row]) -> String {
    let cells: Vec<[String; 5]> = rows.iter().map(cells).collect();
    let width = |column: usize| {
        let widths = cells.iter().map(|row| row[column].chars().count());
        widths.chain([HEADINGS[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    let line = |cells: &[&str; 5]| {
        let [what, median, quartiles, bar, rest] = cells;
        let [a, b, c, d, _] = widths;
        let line = format!("  {what:a$}  {median:>b$}  {quartiles:>c$}  {bar:>d$}  {rest}");
        format!("{}\n", line.trim_end())
    };
    let mut table = line(&HEADINGS);
    let mut benchmark = "";
    for (row, cells) in rows.iter().zip(&cells) {
        if row.benchmark != benchmark {
            benchmark = row.benchmark;
            table += &format!("{benchmark}\n");
        }
        table += &line(&cells.each_ref().map(String::as_str));
    }
    table
}

fn cells(row: &Row) -> [String; 5] {
    let (unit, summary) = (row.unit, row.summary);
    let quartiles =
        format!("{} .. {}", bare(&unit.show(summary.lower_quartile)), unit.show(summary.upper_quartile));
    let (bar, verdict) = match row.bar {
        Some(bar) => (bar.show(unit), if row.is_good { "ok" } else { "MISSED" }),
        None => (String::new(), ""),
    };
    let rest = [verdict, &row.beside].into_iter().filter(|text| !text.is_empty());
    let rest = rest.collect::<Vec<_>>().join(", ");
    [row.what.clone(), unit.show(summary.median), quartiles, bar, rest]
}

/// Without its unit.
fn bare(shown: &str) -> &str {
    shown.split([' ', '/']).next().unwrap_or(shown)
}
