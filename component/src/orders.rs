//! What signals ask of a program.
//!
//! | signal | order |
//! |---|---|
//! | `SIGTERM` | [`Order::Stop`]; a second one [`Order::Now`] |
//! | `SIGINT` | [`Order::Now`] |
//! | `SIGUSR1` | [`Order::Drain`] |
//! | `SIGHUP` | [`Request::Reload`] |
//! | `SIGUSR2` | [`Request::ReopenLogs`] |

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How a program is to go on. It only ever becomes a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Do your work.
    Serve,
    /// Send others away, wait until they are gone, finish, end.
    Drain,
    /// Finish what is under way, end.
    Stop,
    /// End.
    Now,
}

/// What a program is asked to do while it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Go on to this order.
    Follow(Order),
    /// Read the configuration again.
    Reload,
    /// Open log files again: somebody renamed them.
    ReopenLogs,
}

/// The orders of one program. Clones follow the same ones.
#[derive(Clone, Debug)]
pub struct Orders {
    order: watch::Receiver<Order>,
    reloads: watch::Receiver<()>,
    reopens: watch::Receiver<()>,
}

/// The other end of [`Orders`].
#[derive(Debug)]
pub struct OrderSender {
    order: watch::Sender<Order>,
    reloads: watch::Sender<()>,
    reopens: watch::Sender<()>,
}

/// Returns both ends of a program's orders; the first is [`Order::Serve`].
#[must_use]
pub fn channel() -> (OrderSender, Orders) {
    let (order, order_seen) = watch::channel(Order::Serve);
    let (reloads, reloads_seen) = watch::channel(());
    let (reopens, reopens_seen) = watch::channel(());
    let sender = OrderSender {
        order,
        reloads,
        reopens,
    };
    let orders = Orders {
        order: order_seen,
        reloads: reloads_seen,
        reopens: reopens_seen,
    };
    (sender, orders)
}

impl Orders {
    /// Waits for the next request after the order `current`. When nobody can give orders any more,
    /// that is an order to end now.
    pub async fn next(&mut self, current: Order) -> Request {
        tokio::select! {
            order = self.order.wait_for(|order| *order > current) => {
                Request::Follow(order.map_or(Order::Now, |order| *order))
            }
            Ok(()) = self.reloads.changed() => Request::Reload,
            Ok(()) = self.reopens.changed() => Request::ReopenLogs,
        }
    }

    /// Waits until the order is `least` or a later one, and returns it.
    pub async fn at_least(&mut self, least: Order) -> Order {
        let order = self.order.wait_for(|order| *order >= least).await;
        order.map_or(Order::Now, |order| *order)
    }
}

impl OrderSender {
    /// Goes on to `order`. Returns whether it is later than the order so far; otherwise nothing
    /// happens.
    pub fn follow(&self, order: Order) -> bool {
        self.order.send_if_modified(|now| {
            let is_later = order > *now;
            *now = order.max(*now);
            is_later
        })
    }

    /// Asks to read the configuration again.
    pub fn reload(&self) {
        self.reloads.send_replace(());
    }

    /// Asks to open log files again.
    pub fn reopen_logs(&self) {
        self.reopens.send_replace(());
    }
}

/// The signals that a program listens to. From [`listen`](Self::listen) on none of them ends the
/// process by itself.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    drain: Signal,
    hangup: Signal,
    reopen: Signal,
}

impl Signals {
    /// Begins to listen. Call it on a runtime.
    ///
    /// # Errors
    /// The system does not let us.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            drain: signal(SignalKind::user_defined1())?,
            hangup: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined2())?,
        })
    }

    /// Turns signals into orders, for ever. `ignored` is told the name of a signal that changes
    /// nothing, because the program is further on its way to the end already.
    pub async fn forward(mut self, orders: OrderSender, ignored: impl Fn(&'static str)) {
        loop {
            let (name, order) = tokio::select! {
                Some(()) = self.terminate.recv() => {
                    let again = *orders.order.borrow() >= Order::Stop;
                    ("SIGTERM", if again { Order::Now } else { Order::Stop })
                }
                Some(()) = self.interrupt.recv() => ("SIGINT", Order::Now),
                Some(()) = self.drain.recv() => ("SIGUSR1", Order::Drain),
                Some(()) = self.hangup.recv() => {
                    orders.reload();
                    continue;
                }
                Some(()) = self.reopen.recv() => {
                    orders.reopen_logs();
                    continue;
                }
            };
            if !orders.follow(order) {
                ignored(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn orders_only_go_on_and_requests_come_in_between() {
        let (sender, mut orders) = channel();
        sender.reload();
        assert_eq!(orders.next(Order::Serve).await, Request::Reload);
        sender.reopen_logs();
        assert_eq!(orders.next(Order::Serve).await, Request::ReopenLogs);
        assert!(sender.follow(Order::Stop));
        assert!(!sender.follow(Order::Drain));
        assert_eq!(
            orders.next(Order::Serve).await,
            Request::Follow(Order::Stop)
        );
        assert_eq!(orders.at_least(Order::Drain).await, Order::Stop);
        drop(sender);
        assert_eq!(orders.next(Order::Stop).await, Request::Follow(Order::Now));
    }
}
