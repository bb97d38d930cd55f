//! What the service says of itself, read from its metrics.

/// The sum of a counter's or gauge's values over its labels; none if it was never emitted.
pub fn sum(text: &str, name: &str) -> Option<f64> {
    let values: Vec<f64> = values(text, name).map(|(_, value)| value).collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

/// A histogram's counts up to each bound, over all its labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Buckets(Vec<(f64, f64)>);

impl Buckets {
    /// Reads them.
    pub fn read(text: &str, name: &str) -> Self {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for (labels, count) in values(text, &format!("{name}_bucket")) {
            let bound = labels
                .split("le=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            // Prometheus writes the last bound as "+Inf", which reads as a number.
            let Some(bound) = bound.and_then(|bound| bound.parse().ok()) else {
                continue;
            };
            match buckets.iter_mut().find(|(known, _)| *known == bound) {
                Some((_, sum)) => *sum += count,
                None => buckets.push((bound, count)),
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self(buckets)
    }

    /// The bound below which a share of what came since `before` lies; none if nothing came.
    pub fn quantile_since(&self, before: &Self, share: f64) -> Option<f64> {
        let counts: Vec<(f64, f64)> = self
            .0
            .iter()
            .map(|(bound, count)| {
                let earlier = before.0.iter().find(|(known, _)| known == bound);
                (*bound, count - earlier.map_or(0.0, |(_, count)| *count))
            })
            .collect();
        let all = counts.last()?.1;
        let found = counts.iter().find(|(_, count)| *count >= share * all);
        found.filter(|_| all > 0.0).map(|(bound, _)| *bound)
    }
}

fn values<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
    text.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        let own = labels.is_empty() || labels.starts_with('{');
        own.then_some(())?;
        Some((labels, value.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_summed_and_a_quantile_is_of_what_came_since() {
        let look = |fast: u32, all: u32| {
            format!(
                "# TYPE h histogram\nh_bucket{{e=\"ping\",le=\"0.001\"}} {fast}\n\
                 h_bucket{{e=\"ping\",le=\"+Inf\"}} {all}\nh_bucket{{e=\"post\",le=\"0.001\"}} 0\n\
                 h_bucket{{e=\"post\",le=\"+Inf\"}} 0\nlag 7\nlag_more 9\n"
            )
        };
        let (before, after) = (look(10, 10), look(20, 21));
        assert_eq!(sum(&after, "lag"), Some(7.0));
        assert_eq!(sum(&after, "h_bucket"), Some(41.0));
        assert_eq!(sum(&after, "none"), None);
        let [before, after] = [before, after].map(|text| Buckets::read(&text, "h"));
        assert_eq!(after.quantile_since(&before, 0.5), Some(0.001));
        assert_eq!(after.quantile_since(&before, 0.99), Some(f64::INFINITY));
        assert_eq!(after.quantile_since(&after, 0.5), None);
    }
}
