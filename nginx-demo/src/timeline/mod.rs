//! The picture of a run: handshakes by path, requests by device, active devices, over time, with the faults marked.

mod chart;
mod lanes;
mod svg;

use crate::recorder::{Record, Sample};
use crate::report::Report;
use chart::{Chart, Series};
use svg::{Anchor, Svg, Text};

/// Size of the picture, in its own units.
const WIDTH: f64 = 1280.0;
const HEIGHT: f64 = 800.0;
/// Where the charts are, from left to right. The legends are right of them.
const LEFT: f64 = 76.0;
const RIGHT: f64 = 1050.0;
const LEGEND: f64 = RIGHT + 22.0;

/// Top and height of the three charts, and of what is above them.
const PHASES: f64 = 88.0;
const PHASES_HEIGHT: f64 = 22.0;
const MARKS: f64 = 120.0;
const HANDSHAKES: (f64, f64) = (196.0, 250.0);
const REQUESTS: (f64, f64) = (496.0, 150.0);
const ACTIVE: (f64, f64) = (696.0, 48.0);

/// Colours that also those can tell apart who see few (Okabe and Ito, "Color Universal Design").
const BLUE: &str = "#0072b2";
const SKY: &str = "#56b4e9";
const TEAL: &str = "#009e73";
const ORANGE: &str = "#e69f00";
const RED: &str = "#d55e00";
const INK: &str = "#1f2933";
const FAINT: &str = "#6b7780";
const GREEN: &str = "#2e7d32";
const FAULT: &str = "#b3261e";

/// Draws it.
pub(crate) fn draw(record: &Record, report: &Report<'_>, devices: &[String]) -> String {
    let first = record.samples.first().map_or(0.0, |sample| sample.at);
    let last = record.samples.last().map_or(1.0, |sample| sample.at).max(first + 1.0);
    let x = |at: f64| LEFT + (at - first) / (last - first) * (RIGHT - LEFT);
    let mut svg = Svg::new(WIDTH, HEIGHT);
    heading(&mut svg, report);
    phases(&mut svg, record, last, &x);
    let rates = rates(&record.samples);
    let charts = [handshakes(&rates), requests(&rates, devices), active(&record.samples, devices.len())];
    for chart in &charts {
        chart.draw(&mut svg, &x, (first, last));
    }
    marks(&mut svg, record, &x);
    svg.text(Text::new(LEFT.midpoint(RIGHT), HEIGHT - 12.0, "seconds").size(12.0).anchor(Anchor::Middle));
    svg.finish()
}

fn heading(svg: &mut Svg, report: &Report<'_>) {
    let result = &report.result;
    let title = format!("{} loses its accelerators, and no handshake", report.server_title);
    svg.text(Text::new(LEFT, 36.0, &title).size(22.0).bold());
    let lost = match result.failed {
        0 => "none failed".to_owned(),
        failed => format!("{failed} FAILED"),
    };
    let summary = format!(
        "{} full TLS handshakes, {lost} · of requests in flight on a dying device, {} were redone by the other device and {} \
         in software · longest request {:.1} ms",
        result.handshakes, result.replayed_hardware, result.replayed_software, result.max_stall_ms
    );
    svg.text(Text::new(LEFT, 60.0, &summary).size(13.5).colour(FAINT));
}

/// Bands behind the charts, with the phases' names above.
fn phases(svg: &mut Svg, record: &Record, last: f64, x: &dyn Fn(f64) -> f64) {
    let bottom = ACTIVE.0 + ACTIVE.1;
    for (number, phase) in record.phases.iter().enumerate() {
        let end = record.phases.get(number + 1).map_or(last, |next| next.at);
        let (from, to) = (x(phase.at), x(end));
        let fill = if number % 2 == 0 { "#eef2f5" } else { "#f8fafb" };
        svg.rectangle(from, PHASES, to - from, bottom - PHASES, fill);
        let size = if svg::text_width(phase.title, 12.0) + 6.0 < to - from { 12.0 } else { 9.0 };
        if svg::text_width(phase.title, size) < to - from {
            let at = (from.midpoint(to), PHASES + PHASES_HEIGHT * 0.7);
            svg.text(Text::new(at.0, at.1, phase.title).size(size).anchor(Anchor::Middle).bold());
        }
    }
}

/// Lines through all charts, with labels above them that do not overlap.
fn marks(svg: &mut Svg, record: &Record, x: &dyn Fn(f64) -> f64) {
    const SIZE: f64 = 11.0;
    const LANE: f64 = 15.0;
    const LANES: usize = 4;
    let (labelled, again): (Vec<_>, Vec<_>) = record.marks.iter().partition(|mark| !mark.label.is_empty());
    let labels: Vec<_> =
        labelled.iter().map(|mark| (x(mark.at), svg::text_width(&mark.label, SIZE))).collect();
    let places = lanes::place(&labels, (LEFT, RIGHT), LANES);
    let colour = |is_fault| if is_fault { FAULT } else { GREEN };
    let bottom = ACTIVE.0 + ACTIVE.1;
    for mark in again {
        svg.line((x(mark.at), HANDSHAKES.0), (x(mark.at), bottom), colour(mark.is_fault), 0.8, Some("2 4"));
    }
    for (mark, (lane, start)) in labelled.iter().zip(places) {
        let (at, baseline) = (x(mark.at), MARKS + LANE * (lane as f64 + 0.8));
        svg.line((at, baseline + 4.0), (at, bottom), colour(mark.is_fault), 1.2, Some("4 3"));
        svg.text(Text::new(start, baseline, &mark.label).size(SIZE).colour(colour(mark.is_fault)).bold());
    }
}

/// What happened between two samples, by the second.
struct Rates {
    at: f64,
    by_path: [f64; 4],
    by_device: Vec<f64>,
    software: f64,
}

/// So many samples make one point: a rate over a quarter of a second jumps too much to be read.
const SAMPLES_PER_POINT: usize = 2;

fn rates(samples: &[Sample]) -> Vec<Rates> {
    let points = samples.iter().zip(samples.iter().skip(SAMPLES_PER_POINT));
    points
        .map(|(before, now)| {
            let seconds = (now.at - before.at).max(f64::EPSILON);
            let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
            let mut by_path = [0.0; 4];
            for (to, (now, before)) in by_path.iter_mut().zip(now.by_path.iter().zip(&before.by_path)) {
                *to = rate(*now, *before);
            }
            let devices = now.by_device.iter().zip(&before.by_device);
            Rates {
                at: before.at.midpoint(now.at),
                by_path,
                by_device: devices.map(|(now, before)| rate(*now, *before)).collect(),
                software: rate(now.software, before.software),
            }
        })
        .collect()
}

fn handshakes(rates: &[Rates]) -> Chart {
    let paths = [
        ("by a device", BLUE),
        ("redone by the other device", TEAL),
        ("in software", ORANGE),
        ("redone in software", RED),
    ];
    let series = paths.iter().enumerate().map(|(path, (name, colour))| Series {
        name: (*name).to_owned(),
        colour,
        points: rates.iter().map(|rate| (rate.at, rate.by_path[path])).collect(),
    });
    Chart {
        title: "Handshakes a second, by where the server's signature was made",
        place: HANDSHAKES,
        series: series.collect(),
        style: chart::Style::Stacked,
        top: None,
    }
}

fn requests(rates: &[Rates], devices: &[String]) -> Chart {
    let of_device = |number: usize| {
        let value = |rate: &Rates| rate.by_device.get(number).copied().unwrap_or(0.0);
        rates.iter().map(|rate| (rate.at, value(rate))).collect()
    };
    let colours = [BLUE, SKY];
    let mut series: Vec<_> = devices
        .iter()
        .enumerate()
        .map(|(number, name)| Series {
            name: name.clone(),
            colour: colours[number % colours.len()],
            points: of_device(number),
        })
        .collect();
    let points = rates.iter().map(|rate| (rate.at, rate.software)).collect();
    series.push(Series { name: "software".to_owned(), colour: ORANGE, points });
    Chart {
        title: "Requests completed a second",
        place: REQUESTS,
        series,
        style: chart::Style::Stacked,
        top: None,
    }
}

fn active(samples: &[Sample], devices: usize) -> Chart {
    let points = samples.iter().map(|sample| (sample.at, sample.up as f64)).collect();
    Chart {
        title: "Devices up",
        place: ACTIVE,
        series: vec![Series { name: String::new(), colour: INK, points }],
        style: chart::Style::Steps,
        top: Some(devices as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{self, tests::outcome};
    use crate::options::Options;
    use crate::recorder::{Began, Mark};
    use clap::Parser;

    fn picture(record: &Record) -> String {
        let (options, outcome) = (Options::parse_from(["demo"]), outcome());
        let (checks, devices) = (judge::judge(&outcome), ["one".to_owned(), "other".to_owned()]);
        draw(record, &Report::new(&options, &outcome, &checks, &devices, record), &devices)
    }

    #[test]
    fn phases_marks_and_devices_are_named_and_every_number_is_one() {
        let sample = |at: f64, count: u64| Sample {
            at,
            handshakes: count,
            by_path: [count, 0, 0, 0],
            by_device: vec![count, 0],
            up: 2,
            ..Sample::default()
        };
        let record = Record {
            phases: vec![Began { at: 0.0, title: "both up" }],
            marks: vec![Mark { at: 1.0, label: "fatal <one>".to_owned(), is_fault: true }],
            samples: (0..10_u32).map(|number| sample(f64::from(number), u64::from(number) * 7)).collect(),
        };
        for record in [&record, &Record::default()] {
            let picture = picture(record);
            assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
            assert!(picture.contains(">other</text>"), "{picture}");
        }
        let picture = picture(&record);
        assert!(
            picture.contains(">both up</text>") && picture.contains(">fatal &lt;one&gt;</text>"),
            "{picture}"
        );
    }
}
