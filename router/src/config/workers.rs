//! How many threads serve requests.

use std::num::NonZeroUsize;

use component::yaml::{Keys, Node, Output, Report, Value};

/// How many worker threads serve requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workers {
    /// One for each core that the process may use.
    #[default]
    PerCore,
    /// This many.
    Fixed(NonZeroUsize),
}

/// More workers than this are taken for a mistake.
const MOST_WORKERS: usize = 1024;

impl Workers {
    /// The number of workers on this machine, at least 1.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::PerCore => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            Self::Fixed(workers) => workers.get(),
        }
    }
}

impl Value for Workers {
    fn read(&mut self, node: &Node, report: &mut Report) {
        let number = node.text().and_then(|text| match text {
            "auto" => Some(0),
            // As go_max_procs takes it: any number below one.
            number if number.starts_with('-') && number.parse::<i64>().is_ok() => Some(0),
            number => number.parse().ok(),
        });
        match number {
            Some(number) if number <= MOST_WORKERS => {
                *self = NonZeroUsize::new(number).map_or(Self::PerCore, Self::Fixed);
            }
            _ => report.fault(
                node.place,
                format!("must be auto or at most {MOST_WORKERS}"),
            ),
        }
    }

    fn write(&self) -> Output {
        Output::Scalar(match self {
            Self::PerCore => "auto".to_owned(),
            Self::Fixed(workers) => workers.to_string(),
        })
    }
}

/// `workers` and the key of gorouter that stands for it.
pub(super) fn worker_keys(workers: &mut Workers, keys: &mut Keys<'_>) {
    let mut processors = Workers::default();
    keys.alias(
        "go_max_procs",
        "gorouter's name for workers; -1 is auto.",
        &mut processors,
    );
    let own = keys.key(
        "workers",
        "Threads that serve requests. auto: one for each core that the process may use.",
        workers,
    );
    if keys.reading() && !own {
        *workers = processors;
    }
}
