//! Work that a thread of its own does again and again.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::threads;

use crate::background;

/// A thread that does something at an interval. Dropping it stops and joins the thread.
#[derive(Debug)]
pub struct Periodic {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Which time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// One of many.
    Next,
    /// The last one; the program stops.
    Last,
}

impl Periodic {
    /// Does `work` every `interval`, first after one interval, and once more when it is stopped. A
    /// panic ends the turn and not the thread: the next turn comes in its time.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(
        name: &str,
        interval: Duration,
        mut work: impl FnMut(Turn) + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread_name = name.to_owned();
        let thread = background::spawn(name, move || {
            // One that panics is reported there; the next turn comes in its time.
            let mut work = |turn| drop(threads::guard(&thread_name, || work(turn)));
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                work(Turn::Next);
            }
            work(Turn::Last);
        })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Periodic {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the thread itself.
            thread.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_works_until_it_is_dropped_and_once_more() {
        let (sender, turns) = mpsc::channel();
        let periodic = Periodic::start("test", Duration::from_millis(1), move |turn| {
            sender.send(turn).unwrap();
        });
        assert_eq!(turns.recv(), Ok(Turn::Next));
        assert_eq!(turns.recv(), Ok(Turn::Next));
        drop(periodic.unwrap());
        let rest: Vec<Turn> = turns.iter().collect();
        let (last, others) = rest.split_last().unwrap();
        assert_eq!(*last, Turn::Last);
        assert!(others.iter().all(|turn| *turn == Turn::Next));
    }

    #[test]
    fn a_turn_that_panics_is_counted_and_the_next_one_comes() {
        let (sender, turns) = mpsc::channel();
        let mut turn_number = 0;
        let name = "a periodic that panics";
        let periodic = Periodic::start(name, Duration::from_millis(1), move |_| {
            turn_number += 1;
            assert_ne!(turn_number, 2, "the second turn");
            sender.send(turn_number).unwrap();
        });
        assert_eq!((turns.recv(), turns.recv()), (Ok(1), Ok(3)));
        drop(periodic);
        assert_eq!(threads::failures().get(name), Some(&1));
    }
}
