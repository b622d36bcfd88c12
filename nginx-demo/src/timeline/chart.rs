//! One chart: axes, series, legend.

use super::svg::{Anchor, Svg, Text};
use super::{FAINT, INK, LEFT, LEGEND, RIGHT};

/// Values over time.
pub(super) struct Series {
    /// Its name in the legend; empty: not there.
    pub(super) name: String,
    pub(super) colour: &'static str,
    /// Seconds, and the value.
    pub(super) points: Vec<(f64, f64)>,
}

/// How series are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Areas on top of each other. All series have points at the same times.
    Stacked,
    /// Lines that stay until they jump, as counts do.
    Steps,
}

/// See the module.
pub(super) struct Chart {
    pub(super) title: &'static str,
    /// Top and height.
    pub(super) place: (f64, f64),
    pub(super) series: Vec<Series>,
    pub(super) style: Style,
    /// The greatest value of the axis, if it is known.
    pub(super) top: Option<f64>,
}

const TICK_SIZE: f64 = 11.0;

impl Chart {
    /// Draws it. `x` says where a time is.
    pub(super) fn draw(&self, svg: &mut Svg, x: &dyn Fn(f64) -> f64, (first, last): (f64, f64)) {
        let (top, height) = self.place;
        let bottom = top + height;
        let greatest = self.top.unwrap_or_else(|| self.greatest());
        let step = step(greatest, if height > 200.0 { 5.0 } else { 3.0 });
        let limit = (greatest / step).ceil().max(1.0) * step;
        let y = |value: f64| bottom - value / limit * height;
        svg.text(Text::new(LEFT, top - 9.0, self.title).size(13.0).bold());
        for value in ticks(0.0, limit, step) {
            svg.line((LEFT, y(value)), (RIGHT, y(value)), "#d5dce1", 1.0, None);
            let label = format!("{value}");
            let at = (LEFT - 8.0, y(value) + 4.0);
            svg.text(Text::new(at.0, at.1, &label).size(TICK_SIZE).colour(FAINT).anchor(Anchor::End));
        }
        self.draw_series(svg, x, &y);
        svg.line((LEFT, bottom), (RIGHT, bottom), INK, 1.0, None);
        let step = super::chart::step(last - first, 12.0);
        for second in ticks((first / step).ceil() * step, last, step) {
            svg.line((x(second), bottom), (x(second), bottom + 4.0), INK, 1.0, None);
            let label = format!("{second}");
            let at = (x(second), bottom + 16.0);
            svg.text(Text::new(at.0, at.1, &label).size(TICK_SIZE).colour(FAINT).anchor(Anchor::Middle));
        }
        // As on the chart: what is on top there is on top here.
        let named: Vec<_> = self.series.iter().filter(|series| !series.name.is_empty()).collect();
        for (number, series) in named.iter().rev().enumerate() {
            let row = top + 8.0 + 20.0 * number as f64;
            svg.rectangle(LEGEND, row, 12.0, 12.0, series.colour);
            svg.text(Text::new(LEGEND + 19.0, row + 10.5, &series.name).size(12.0));
        }
    }

    fn greatest(&self) -> f64 {
        match self.style {
            Style::Stacked => {
                self.stacked().last().into_iter().flatten().map(|(_, value)| *value).fold(1.0, f64::max)
            }
            Style::Steps => {
                let points = self.series.iter().flat_map(|series| &series.points);
                points.map(|(_, value)| *value).fold(1.0, f64::max)
            }
        }
    }

    /// Each series' upper edge when it stands on those before it.
    fn stacked(&self) -> Vec<Vec<(f64, f64)>> {
        let mut edges: Vec<Vec<(f64, f64)>> = Vec::new();
        for series in &self.series {
            let below = edges.last();
            let edge = series.points.iter().enumerate().map(|(place, (at, value))| {
                let ground = below.and_then(|below| below.get(place)).map_or(0.0, |(_, ground)| *ground);
                (*at, ground + value)
            });
            edges.push(edge.collect());
        }
        edges
    }

    fn draw_series(&self, svg: &mut Svg, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) {
        let place = |(at, value): &(f64, f64)| (x(*at), y(*value));
        match self.style {
            Style::Stacked => {
                let edges = self.stacked();
                for (number, (series, edge)) in self.series.iter().zip(&edges).enumerate() {
                    let ground: Vec<_> = match number.checked_sub(1).and_then(|below| edges.get(below)) {
                        Some(below) => below.clone(),
                        None => edge.iter().map(|(at, _)| (*at, 0.0)).collect(),
                    };
                    let corners: Vec<_> = edge.iter().chain(ground.iter().rev()).map(place).collect();
                    svg.area(&corners, series.colour);
                }
            }
            Style::Steps => {
                for series in &self.series {
                    let corners = series.points.windows(2).flat_map(|pair| [pair[0], (pair[1].0, pair[0].1)]);
                    let corners: Vec<_> = corners.chain(series.points.last().copied()).collect();
                    svg.path(&corners.iter().map(place).collect::<Vec<_>>(), series.colour, 2.2);
                }
            }
        }
    }
}

/// A step of 1, 2 or 5 times a power of ten, not below 1, of which about `count` make up `range`.
fn step(range: f64, count: f64) -> f64 {
    let raw = (range / count).max(1.0);
    let power = 10_f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|times| times * power).find(|step| *step >= raw).unwrap_or(10.0 * power)
}

fn ticks(first: f64, last: f64, step: f64) -> impl Iterator<Item = f64> {
    (0_u32..)
        .map(move |number| first + f64::from(number) * step)
        .take_while(move |value| *value <= last + step * 1e-6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_ticks_reach_the_end() {
        assert_eq!(step(47.0, 12.0), 5.0);
        assert_eq!(step(200.0, 5.0), 50.0);
        assert_eq!(step(2.0, 3.0), 1.0);
        assert_eq!(step(100.0, 100.0), 1.0);
        assert_eq!(ticks(0.0, 200.0, 50.0).count(), 5);
    }

    #[test]
    fn stacked_series_stand_on_each_other() {
        let series = |value| Series {
            name: String::new(),
            colour: "",
            points: vec![(0.0, value), (1.0, 2.0 * value)],
        };
        let chart = Chart {
            title: "",
            place: (0.0, 1.0),
            series: vec![series(1.0), series(10.0)],
            style: Style::Stacked,
            top: None,
        };
        assert_eq!(chart.stacked()[1], [(0.0, 11.0), (1.0, 22.0)]);
        assert_eq!(chart.greatest(), 22.0);
    }
}
