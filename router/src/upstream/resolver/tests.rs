use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::*;

const INTERVAL: Duration = Duration::from_secs(20);
const NAME: &str = "a.test";

/// A resolver that answers what it is told, when it is told.
struct Scripted {
    resolver: Resolver,
    answers: mpsc::Sender<io::Result<Vec<IpAddr>>>,
    lookups: Arc<AtomicUsize>,
}

fn scripted() -> Scripted {
    let (answers, script) = mpsc::channel();
    let script = Mutex::new(script);
    let lookups = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&lookups);
    let resolver = Resolver::with_lookup(INTERVAL, move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        script.lock().unwrap().recv().unwrap()
    });
    Scripted {
        resolver: resolver.unwrap(),
        answers,
        lookups,
    }
}

impl Scripted {
    fn answer(&self, last_byte: u8) {
        let address = IpAddr::from([10, 0, 0, last_byte]);
        self.answers.send(Ok(vec![address])).unwrap();
    }

    fn fail(&self) {
        let error = io::Error::from(io::ErrorKind::NotFound);
        self.answers.send(Err(error)).unwrap();
    }

    /// The last byte of the address.
    async fn ask(&self) -> Option<u8> {
        let addresses = self.resolver.resolve(NAME, 80).await.ok()?;
        assert_eq!((addresses.len(), addresses[0].port()), (1, 80));
        match addresses[0].ip() {
            IpAddr::V4(address) => Some(address.octets()[3]),
            IpAddr::V6(_) => None,
        }
    }

    fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }

    /// Lets the answer of a lookup that nobody waits for arrive.
    async fn settle(&self) {
        let settled = || {
            let cache = self.resolver.inner.cache();
            !cache.is_looking_up(NAME)
        };
        assert!(tests_kit::eventually::eventually(
            tests_kit::PATIENCE,
            settled
        ));
    }
}

/// Paused time jumps ahead whenever all tasks wait, also for a thread; so it is moved by hand.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn an_address_needs_no_lookup() {
    let scripted = scripted();
    for (name, expected) in [("10.1.2.3", "10.1.2.3:80"), ("fd00::1", "[fd00::1]:80")] {
        let found = scripted.resolver.resolve(name, 80).await.unwrap();
        assert_eq!(*found, [expected.parse().unwrap()]);
    }
    assert_eq!(scripted.lookups(), 0);
}

#[tokio::test]
async fn an_answer_holds_for_its_time() {
    let scripted = scripted();
    scripted.answer(1);
    assert_eq!(scripted.ask().await, Some(1));
    pass(INTERVAL / 2).await;
    assert_eq!(scripted.ask().await, Some(1));
    assert_eq!(scripted.lookups(), 1);
    pass(INTERVAL).await;
    scripted.answer(2);
    assert_eq!(scripted.ask().await, Some(2));
}

#[tokio::test]
async fn a_name_in_use_is_looked_up_before_its_time_is_over() {
    let scripted = scripted();
    scripted.answer(1);
    assert_eq!(scripted.ask().await, Some(1));
    pass(INTERVAL - Duration::from_secs(1)).await;
    scripted.answer(2);
    assert_eq!(scripted.ask().await, Some(1), "without waiting");
    scripted.settle().await;
    assert_eq!(scripted.ask().await, Some(2));
    assert_eq!(scripted.lookups(), 2);
}

#[tokio::test]
async fn a_failure_leaves_the_last_answer_in_use() {
    let scripted = scripted();
    scripted.answer(1);
    assert_eq!(scripted.ask().await, Some(1));
    pass(INTERVAL * 100).await;
    scripted.fail();
    assert_eq!(scripted.ask().await, Some(1));
    assert_eq!(
        scripted.ask().await,
        Some(1),
        "and is not tried again at once"
    );
    assert_eq!(scripted.lookups(), 2);
    pass(Duration::from_secs(2)).await;
    scripted.answer(2);
    assert_eq!(scripted.ask().await, Some(1), "without waiting");
    scripted.settle().await;
    assert_eq!(scripted.ask().await, Some(2));
}

#[tokio::test]
async fn a_lookup_that_hangs_leaves_the_last_answer_in_use() {
    let scripted = scripted();
    scripted.answer(1);
    assert_eq!(scripted.ask().await, Some(1));
    pass(INTERVAL).await;
    assert_eq!(scripted.ask().await, Some(1));
    scripted.answer(2);
    scripted.settle().await;
    assert_eq!(scripted.ask().await, Some(2));
}

#[tokio::test]
async fn an_unknown_name_is_not_looked_up_for_every_request() {
    let scripted = scripted();
    scripted.fail();
    for _ in 0..10 {
        assert_eq!(scripted.ask().await, None);
    }
    assert_eq!(scripted.lookups(), 1);
    pass(Duration::from_secs(2)).await;
    scripted.answer(1);
    assert_eq!(scripted.ask().await, Some(1));
}

#[tokio::test]
async fn all_who_ask_at_once_share_one_lookup() {
    let scripted = scripted();
    let mut asking = VecDeque::new();
    for _ in 0..50 {
        asking.push_back(Box::pin(scripted.ask()));
    }
    let mut all = futures_util::future::join_all(asking);
    let early = timeout(Duration::from_millis(1), &mut all).await;
    assert!(early.is_err());
    scripted.answer(7);
    assert!(all.await.iter().all(|answer| *answer == Some(7)));
    assert_eq!(scripted.lookups(), 1);
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    let scripted = scripted();
    let hopeless = async {
        tokio::time::pause();
        let answer = scripted.resolver.resolve(NAME, 80).await;
        tokio::time::resume();
        answer
    };
    assert!(matches!(hopeless.await, Err(ResolveError::TimedOut)));
    scripted.answer(1);
    scripted.settle().await;
    assert_eq!(scripted.ask().await, Some(1));
}

#[tokio::test]
async fn the_system_knows_this_machine() {
    let resolver = Resolver::new(INTERVAL).unwrap();
    let found = resolver.resolve("localhost", 80).await.unwrap();
    assert!(found.iter().all(|address| address.ip().is_loopback()));
    let unknown = resolver.resolve("no-such-name.invalid", 80).await;
    assert!(matches!(unknown, Err(ResolveError::Unknown(_))));
}
