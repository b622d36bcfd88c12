//! Labels above each other, so that none covers another.

/// The least space between two labels of a lane.
const GAP: f64 = 8.0;

/// For each label, which has to begin at or left of its place and has a width: its lane, and where it begins. With no room
/// in any of the lanes it goes to the last. Labels stay between the two ends.
pub(super) fn place(labels: &[(f64, f64)], (left, right): (f64, f64), lanes: usize) -> Vec<(usize, f64)> {
    let mut ends = vec![f64::NEG_INFINITY; lanes.max(1)];
    let last = ends.len() - 1;
    labels
        .iter()
        .map(|(at, width)| {
            // A little beside its line, unless it would leave the picture.
            let start = (at + 3.0).min(right - width).max(left);
            let lane = ends.iter().position(|end| end + GAP <= start).unwrap_or(last);
            ends[lane] = start + width;
            (lane, start)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_put_above_each_other_and_nothing_leaves_the_picture() {
        let placed = place(&[(10.0, 50.0), (20.0, 50.0), (100.0, 30.0), (110.0, 30.0)], (0.0, 120.0), 3);
        assert_eq!(placed, [(0, 13.0), (1, 23.0), (0, 90.0), (1, 90.0)]);
    }
}
