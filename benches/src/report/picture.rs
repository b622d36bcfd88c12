//! The picture: every bar that has to be kept, as a strip whose limit is at the same place for all.

use super::Row;
use super::svg::{Anchor, Svg, Text};
use crate::bars::Side;

const WIDTH: f64 = 1000.0;
/// Where strips begin, where their limit is, and where they end at most.
const LEFT: f64 = 440.0;
const LIMIT: f64 = 650.0;
const RIGHT: f64 = 800.0;
const TOP: f64 = 70.0;
const ROW: f64 = 26.0;
const STRIP: f64 = 14.0;

const INK: &str = "#24303a";
const FAINT: &str = "#66747f";
const GOOD: &str = "#3b7f9e";
const BAD: &str = "#c0483a";

/// Those rows that have a bar.
pub(super) fn draw(rows: &[Row]) -> String {
    let rows: Vec<_> = rows.iter().filter_map(|row| Some((row, row.bar?))).collect();
    // No more rows than a picture has place for.
    #[allow(clippy::cast_precision_loss, reason = "some dozens")]
    let height = TOP + ROW * rows.len() as f64 + 20.0;
    let mut svg = Svg::new(WIDTH, height);
    svg.text(Text::new(20.0, 30.0, "Medians and their limits").size(16.0).bold());
    svg.text(Text::new(LIMIT, 56.0, "limit").size(11.0).colour(FAINT).anchor(Anchor::Middle));
    let mut y = TOP;
    for (row, bar) in rows {
        let middle = y + STRIP / 2.0;
        // Nothing is zero wide: also a limit of zero is seen.
        let x = |value: f64| {
            let share = if bar.limit > 0.0 { value / bar.limit } else { 1.0 + value.signum() * 0.5 };
            (LEFT + share * (LIMIT - LEFT)).clamp(LEFT, RIGHT)
        };
        let colour = if row.is_good { GOOD } else { BAD };
        let median = if row.summary.median == 0.0 { LEFT + 2.0 } else { x(row.summary.median) };
        svg.text(Text::new(LEFT - 10.0, middle + 4.0, &row.what).anchor(Anchor::End).colour(INK).size(11.5));
        svg.rectangle(LEFT, y, median - LEFT, STRIP, colour);
        if row.summary.median != 0.0 {
            let quartiles = (x(row.summary.lower_quartile), x(row.summary.upper_quartile));
            svg.line((quartiles.0, middle), (quartiles.1, middle), INK, 1.5);
        }
        let sign = match bar.side {
            Side::AtLeast => "\u{2265}",
            Side::AtMost => "\u{2264}",
        };
        let said = format!("{}  {sign} {}", row.unit.show(row.summary.median), row.unit.show(bar.limit));
        svg.text(Text::new(RIGHT + 8.0, middle + 4.0, &said).size(11.0).colour(colour));
        y += ROW;
    }
    svg.line((LIMIT, TOP - 8.0), (LIMIT, y), INK, 1.0);
    svg.finish()
}
