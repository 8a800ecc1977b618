//! Figures in the text format of Prometheus: families, samples, labels.

use std::fmt::{Display, Write as _};

use component_core::histogram::Distribution;

/// One answer as it grows.
#[derive(Debug, Default)]
pub struct Exposition(String);

/// What a distribution's numbers are divided by when they are shown.
#[derive(Clone, Copy, Debug)]
pub enum Scale {
    /// By one.
    One,
    /// By a thousand: milliseconds become seconds.
    Thousandth,
    /// By a million: microseconds become seconds.
    Millionth,
}

impl Scale {
    fn of(self, value: u64) -> f64 {
        match self {
            Self::One => value as f64,
            Self::Thousandth => value as f64 / 1e3,
            Self::Millionth => value as f64 / 1e6,
        }
    }
}

impl Exposition {
    /// Begins a family of samples.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.push(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// One sample.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        self.labels(labels, None);
        self.push(format_args!(" {value}\n"));
    }

    /// A family of counters, whose samples are given the name that `samples` gets. Under a name that
    /// does not end in `_total` they are there twice, the second time with that end.
    pub fn counters(&mut self, name: &str, help: &str, samples: impl Fn(&mut Self, &str)) {
        self.family(name, "counter", help);
        samples(self, name);
        if !name.ends_with("_total") {
            self.counters(&format!("{name}_total"), help, samples);
        }
    }

    /// A family of one counter without labels.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.counters(name, help, |out, name| out.sample(name, &[], value));
    }

    /// A family of one gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    /// The samples of one histogram, over bounds that are among those of `values`.
    pub fn histogram(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        values: &Distribution,
        bounds: &[u64],
        scale: Scale,
    ) {
        for bound in bounds {
            let le = scale.of(*bound).to_string();
            self.bucket(name, labels, &le, values.at_most(*bound));
        }
        self.bucket(name, labels, "+Inf", values.count());
        self.sample(&format!("{name}_sum"), labels, scale.of(values.sum()));
        self.sample(&format!("{name}_count"), labels, values.count());
    }

    /// Returns the text.
    pub fn into_text(self) -> String {
        self.0
    }

    fn bucket(&mut self, name: &str, labels: &[(&str, &str)], le: &str, count: u64) {
        self.push(format_args!("{name}_bucket"));
        self.labels(labels, Some(le));
        self.push(format_args!(" {count}\n"));
    }

    fn labels(&mut self, labels: &[(&str, &str)], le: Option<&str>) {
        let all = labels.iter().copied().chain(le.map(|le| ("le", le)));
        let mut separator = '{';
        for (name, value) in all {
            self.0.push(separator);
            self.push(format_args!("{name}=\""));
            for character in value.chars() {
                match character {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    _ => self.0.push(character),
                }
            }
            self.0.push('"');
            separator = ',';
        }
        if separator == ',' {
            self.0.push('}');
        }
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        self.0.write_fmt(text).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use component_core::histogram::bucket;

    use super::*;

    const BOUNDS: [u64; 3] = [50, 100, 1_000];

    #[test]
    fn samples() {
        let mut out = Exposition::default();
        out.counter("plain_total", "help", 7);
        out.sample("labelled", &[("a", "x"), ("b", "q\"\\\n")], 1.5);
        let expected = "# HELP plain_total help\n# TYPE plain_total counter\nplain_total 7\n\
                        labelled{a=\"x\",b=\"q\\\"\\\\\\n\"} 1.5\n";
        assert_eq!(out.into_text(), expected);
    }

    #[test]
    fn counters_have_the_name_that_prometheus_asks_for() {
        let mut out = Exposition::default();
        out.counter("old", "help", 7);
        let expected = "# HELP old help\n# TYPE old counter\nold 7\n\
                        # HELP old_total help\n# TYPE old_total counter\nold_total 7\n";
        assert_eq!(out.into_text(), expected);
    }

    #[test]
    fn histograms_are_cumulative() {
        let mut values = Distribution::new(&BOUNDS);
        for value in [40, 60, 60, 1_000_000] {
            let mut counts = [0; BOUNDS.len() + 1];
            counts[bucket(&BOUNDS, value)] = 1;
            values.merge(counts, value);
        }
        let mut out = Exposition::default();
        out.histogram("h", &[("c", "x")], &values, &[50, 100], Scale::One);
        let expected = "h_bucket{c=\"x\",le=\"50\"} 1\nh_bucket{c=\"x\",le=\"100\"} 3\n\
                        h_bucket{c=\"x\",le=\"+Inf\"} 4\nh_sum{c=\"x\"} 1000160\nh_count{c=\"x\"} 4\n";
        assert_eq!(out.into_text(), expected);
    }

    #[test]
    fn bounds_are_shown_in_their_unit() {
        for (scale, value, shown) in [
            (Scale::One, 50, "50"),
            (Scale::Thousandth, 1_500, "1.5"),
            (Scale::Millionth, 50, "0.00005"),
            (Scale::Millionth, 2_000_000, "2"),
        ] {
            assert_eq!(scale.of(value).to_string(), shown);
        }
    }
}
