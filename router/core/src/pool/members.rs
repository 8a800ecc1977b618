//! The endpoints of a pool, found by turn and by address.

use std::sync::Arc;

use crate::balance::Schedule;
use crate::endpoint::Endpoint;
use crate::hash::hash;

/// Most routes have one endpoint, some have a thousand; neither shall pay for the other.
#[derive(Clone, Debug)]
pub(super) enum Members {
    Empty,
    One(Arc<Endpoint>),
    Many(Box<Crowd>),
}

#[derive(Clone, Debug)]
pub(super) struct Crowd {
    endpoints: Vec<Arc<Endpoint>>,
    /// A hash of each address, so that a heartbeat finds its endpoint without visiting them all.
    marks: Vec<u32>,
    schedule: Option<Schedule>,
}

impl Members {
    pub(super) fn as_slice(&self) -> &[Arc<Endpoint>] {
        match self {
            Self::Empty => &[],
            Self::One(endpoint) => std::slice::from_ref(endpoint),
            Self::Many(crowd) => &crowd.endpoints,
        }
    }

    /// Whose turn number `turn` is.
    pub(super) fn at(&self, turn: u32) -> Option<usize> {
        match self {
            Self::Empty => None,
            Self::One(_) => Some(0),
            Self::Many(crowd) => Some(match &crowd.schedule {
                Some(schedule) => schedule.at(turn),
                None => turn as usize % crowd.endpoints.len(),
            }),
        }
    }

    pub(super) fn is_weighted(&self) -> bool {
        matches!(self, Self::Many(crowd) if crowd.schedule.is_some())
    }

    /// Where the endpoint at `address` is.
    pub(super) fn position(&self, address: &str) -> Option<usize> {
        match self {
            Self::Empty => None,
            Self::One(endpoint) => (endpoint.address() == address).then_some(0),
            Self::Many(crowd) => {
                let wanted = mark(address);
                let endpoints = crowd.marks.iter().zip(&crowd.endpoints);
                endpoints
                    .map(|(mark, endpoint)| *mark == wanted && endpoint.address() == address)
                    .position(|same| same)
            }
        }
    }

    pub(super) fn push(&mut self, endpoint: Arc<Endpoint>) {
        match self {
            Self::Empty => *self = Self::One(endpoint),
            Self::One(first) => {
                *self = Self::many(vec![Arc::clone(first), endpoint]);
            }
            Self::Many(crowd) => {
                crowd.marks.push(mark(endpoint.address()));
                crowd.endpoints.push(endpoint);
                crowd.reschedule();
            }
        }
    }

    /// Puts a newer version in place of the endpoint at `index`.
    pub(super) fn replace(&mut self, index: usize, endpoint: Arc<Endpoint>) {
        match self {
            Self::Empty => {}
            Self::One(only) => *only = endpoint,
            Self::Many(crowd) => {
                crowd.endpoints[index] = endpoint;
                crowd.reschedule();
            }
        }
    }

    /// Takes out the endpoint at `index`, which must be there.
    pub(super) fn remove(&mut self, index: usize) -> Arc<Endpoint> {
        let removed = Arc::clone(&self.as_slice()[index]);
        match self {
            Self::Many(crowd) if crowd.endpoints.len() > 2 => {
                crowd.endpoints.remove(index);
                crowd.marks.remove(index);
                crowd.reschedule();
            }
            Self::Many(crowd) => *self = Self::One(Arc::clone(&crowd.endpoints[1 - index])),
            Self::One(_) | Self::Empty => *self = Self::Empty,
        }
        removed
    }

    fn many(endpoints: Vec<Arc<Endpoint>>) -> Self {
        let marks = endpoints
            .iter()
            .map(|endpoint| mark(endpoint.address()))
            .collect();
        let mut crowd = Crowd {
            endpoints,
            marks,
            schedule: None,
        };
        crowd.reschedule();
        Self::Many(Box::new(crowd))
    }
}

impl Crowd {
    /// Weights come from the operator's file alone; the pools of the bus never get past the check.
    fn reschedule(&mut self) {
        let first = self.endpoints[0].facts().weight();
        let uneven = self
            .endpoints
            .iter()
            .any(|endpoint| endpoint.facts().weight() != first);
        self.schedule = uneven
            .then(|| {
                self.endpoints
                    .iter()
                    .map(|e| e.facts().weight())
                    .collect::<Vec<_>>()
            })
            .and_then(|weights| Schedule::new(&weights));
    }
}

fn mark(address: &str) -> u32 {
    (hash(address.as_bytes()) >> 32) as u32
}
