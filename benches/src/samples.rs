//! What was measured again and again, and what is said of it.

/// Measurements of one thing, at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// As they came.
    values: Vec<f64>,
}

/// What a picture and a table show of samples.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Summary {
    /// The least.
    pub least: f64,
    /// A quarter of the samples is not above this.
    pub lower_quartile: f64,
    /// Half of them is not above this.
    pub median: f64,
    /// Three quarters of them are not above this.
    pub upper_quartile: f64,
    /// The greatest.
    pub greatest: f64,
}

impl Samples {
    /// None if there is no sample, or one that is no number.
    #[must_use]
    pub fn new(values: Vec<f64>) -> Option<Self> {
        let sound = !values.is_empty() && values.iter().all(|value| value.is_finite());
        sound.then_some(Self { values })
    }

    /// All of them, in the order in which they were measured.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// See [`Summary`].
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |quarters: usize| quantile(&sorted, quarters);
        Summary { least: at(0), lower_quartile: at(1), median: at(2), upper_quartile: at(3), greatest: at(4) }
    }

    /// The median.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.summary().median
    }

    /// Each of these divided by the sample of `others` that was measured beside it: what happens to the machine happens to both.
    /// None if there is nothing to divide by.
    #[must_use]
    pub fn ratio_to(&self, others: &Self) -> Option<Self> {
        Self::new(self.values.iter().zip(&others.values).map(|(ours, theirs)| ours / theirs).collect())
    }

    /// What these numbers are in another unit.
    #[must_use]
    pub fn map(&self, change: impl Fn(f64) -> f64) -> Option<Self> {
        Self::new(self.values.iter().map(|value| change(*value)).collect())
    }
}

/// The value below which `quarters` quarters of the samples lie, interpolated. `sorted` is not empty.
fn quantile(sorted: &[f64], quarters: usize) -> f64 {
    let position = (sorted.len() - 1) * quarters;
    let (below, rest) = (position / 4, position % 4);
    let above = (below + 1).min(sorted.len() - 1);
    // `rest` is below 4: exact.
    #[allow(clippy::cast_precision_loss, reason = "0 to 3")]
    let share = rest as f64 / 4.0;
    sorted[below] + (sorted[above] - sorted[below]) * share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_the_quartiles_whatever_the_order() {
        let summary = Samples::new(vec![5.0, 1.0, 4.0, 2.0, 3.0]).unwrap().summary();
        assert_eq!(
            summary,
            Summary { least: 1.0, lower_quartile: 2.0, median: 3.0, upper_quartile: 4.0, greatest: 5.0 }
        );
        assert_eq!(Samples::new(vec![1.0, 2.0]).unwrap().median(), 1.5);
        assert_eq!(Samples::new(vec![7.0]).unwrap().summary().upper_quartile, 7.0);
    }

    #[test]
    fn what_is_no_measurement_is_none() {
        assert_eq!(Samples::new(vec![]), None);
        assert_eq!(Samples::new(vec![1.0, f64::NAN]), None);
        let zero = Samples::new(vec![0.0]).unwrap();
        assert_eq!(Samples::new(vec![1.0]).unwrap().ratio_to(&zero), None);
    }

    #[test]
    fn ratios_are_of_samples_that_were_measured_side_by_side() {
        let ours = Samples::new(vec![1.0, 10.0, 3.0]).unwrap();
        let theirs = Samples::new(vec![2.0, 20.0, 3.0]).unwrap();
        assert_eq!(ours.ratio_to(&theirs).unwrap().values(), [0.5, 0.5, 1.0]);
    }
}
