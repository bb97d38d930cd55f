//! A straight line through samples (least squares), and how steep it is.

/// The slope of a line through points of (seconds, value), for each hour; none of one point.
pub(super) fn per_hour(points: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
    let points: Vec<(f64, f64)> = points.into_iter().collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (middle_x, middle_y) = (mean(|point| point.0), mean(|point| point.1));
    let (mut rise, mut run) = (0.0, 0.0);
    for (x, y) in &points {
        rise += (x - middle_x) * (y - middle_y);
        run += (x - middle_x) * (x - middle_x);
    }
    (run > 0.0).then(|| rise / run * 3600.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_own_slope() {
        let line = (0..10).map(|n| (f64::from(n) * 10.0, 5.0 + f64::from(n)));
        assert!((per_hour(line).unwrap() - 360.0).abs() < 1e-6);
        assert_eq!(per_hour([(1.0, 2.0)]), None);
        assert_eq!(per_hour([]), None);
    }
}
