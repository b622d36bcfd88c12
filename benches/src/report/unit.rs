//! What is measured in what.

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds.
    Nanos,
    /// Microseconds.
    Micros,
    /// So many a second.
    PerSecond,
    /// One measurement divided by another.
    Ratio,
}

impl Unit {
    /// A value with its unit.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Nanos => format!("{value:.0} ns"),
            Self::Micros => format!("{value:.0} us"),
            Self::PerSecond => format!("{}/s", grouped(value)),
            Self::Ratio => format!("{value:.3}"),
        }
    }
}

/// A whole number with its thousands apart: 1,000,000.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if value < 0.0 { format!("-{grouped}") } else { grouped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_they_are_read() {
        assert_eq!(Unit::PerSecond.show(1_234_567.4), "1,234,567/s");
        assert_eq!(Unit::PerSecond.show(999.0), "999/s");
        assert_eq!(Unit::Ratio.show(0.97), "0.970");
        assert_eq!(Unit::Nanos.show(719.6), "720 ns");
    }
}
