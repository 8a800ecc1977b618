//! What the bus promises, held to by the in-memory twin and by every nats-server at hand.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::time::Duration;

use bus::{Bus, BusError, Event, Hub};
use protocol::bus::{Greet, ROUTER_GREET, ROUTER_REGISTER, ROUTER_START, Start, SubjectFamily};
use tests_kit::{NatsProgram, NatsServer, PATIENCE};

#[path = "contract/place.rs"]
mod place;

use place::{CAPACITY, Place, register, settle, within};

async fn a_message_arrives_as_it_was_sent(place: &mut Place) {
    let bus = place.connected().await;
    let mut claims = within(bus.subscribe(&ROUTER_REGISTER)).await.unwrap();
    settle(&bus).await;
    let sent = register("a");
    within(bus.publish(&ROUTER_REGISTER, &sent)).await.unwrap();
    let delivery = within(claims.next()).await.unwrap();
    assert_eq!(delivery.subject(), "router.register");
    assert!(!delivery.wants_reply());
    assert_eq!(delivery.decode().unwrap(), sent);
}

async fn a_bad_message_keeps_its_bytes(place: &mut Place) {
    let bus = place.connected().await;
    let mut claims = within(bus.subscribe(&ROUTER_REGISTER)).await.unwrap();
    settle(&bus).await;
    within(bus.publish_raw("router.register", "{\"port\":"))
        .await
        .unwrap();
    let delivery = within(claims.next()).await.unwrap();
    delivery.decode().unwrap_err();
    assert_eq!(delivery.payload(), b"{\"port\":");
}

async fn the_order_of_one_sender_is_kept(place: &mut Place) {
    let (sender, receiver) = (place.connected().await, place.connected().await);
    let mut all = within(receiver.subscribe_pattern("router.*"))
        .await
        .unwrap();
    settle(&receiver).await;
    for round in 0..10 {
        for n in 0..CAPACITY {
            let subject = ["router.register", "router.unregister"][n % 2];
            let payload = format!("{round}.{n}");
            within(sender.publish_raw(subject, payload)).await.unwrap();
        }
        for n in 0..CAPACITY {
            let delivery = within(all.next()).await.unwrap();
            assert_eq!(delivery.payload(), format!("{round}.{n}").as_bytes());
        }
    }
}

async fn a_pattern_selects(place: &mut Place) {
    let bus = place.connected().await;
    let mut words = within(bus.subscribe_pattern("a.*")).await.unwrap();
    let mut tails = within(bus.subscribe_pattern("a.>")).await.unwrap();
    settle(&bus).await;
    for subject in ["a", "a.b", "a.b.c", "b.b", "a.end"] {
        within(bus.publish_raw(subject, "")).await.unwrap();
    }
    for expected in ["a.b", "a.end"] {
        assert_eq!(within(words.next()).await.unwrap().subject(), expected);
    }
    for expected in ["a.b", "a.b.c", "a.end"] {
        assert_eq!(within(tails.next()).await.unwrap().subject(), expected);
    }
    assert!(words.try_next().is_none() && tails.try_next().is_none());
}

async fn a_request_is_answered(place: &mut Place) {
    let (asking, answering) = (place.connected().await, place.connected().await);
    let limit = Duration::from_millis(200);
    let ask = |limit| asking.request::<Greet, Start>(&ROUTER_GREET, &Greet, limit);

    let nobody = within(ask(limit)).await;
    assert!(
        matches!(nobody, Err(BusError::NoResponder { .. })),
        "{nobody:?}"
    );

    let mut greets = within(answering.subscribe(&ROUTER_GREET)).await.unwrap();
    settle(&answering).await;
    let silence = within(ask(limit)).await;
    assert!(
        matches!(silence, Err(BusError::TimedOut { .. })),
        "{silence:?}"
    );
    drop(within(greets.next()).await);

    let mine = Start {
        id: "0-x".to_owned(),
        ..Start::default()
    };
    let answer = async {
        let greet = greets.next().await.unwrap();
        assert!(greet.wants_reply());
        answering.reply(&greet, &mine).await.unwrap();
    };
    let (answered, ()) = within(async { tokio::join!(ask(PATIENCE), answer) }).await;
    assert_eq!(answered.unwrap(), mine);
}

async fn a_message_goes_to_one_of_a_group(place: &mut Place) {
    const SENT: usize = CAPACITY;
    let (one, two) = (place.connected().await, place.connected().await);
    let in_group = async |bus: &Bus, group: &str| {
        let joined = bus.subscribe_in_group(&ROUTER_REGISTER, group);
        within(joined).await.unwrap()
    };
    let mut members = [in_group(&one, "cc").await, in_group(&two, "cc").await];
    let mut alone = [
        in_group(&one, "other").await,
        within(two.subscribe(&ROUTER_REGISTER)).await.unwrap(),
    ];
    settle(&one).await;
    settle(&two).await;
    for n in 0..SENT {
        let message = register(&n.to_string());
        within(one.publish(&ROUTER_REGISTER, &message))
            .await
            .unwrap();
    }
    for subscription in &mut alone {
        for n in 0..SENT {
            let message = within(subscription.next()).await.unwrap();
            assert_eq!(message.decode().unwrap().app, n.to_string());
        }
    }
    settle(&one).await;
    settle(&two).await;
    let mut taken = Vec::new();
    for member in &mut members {
        let before = taken.len();
        while let Some(message) = member.try_next() {
            taken.push(message.decode().unwrap().app.parse::<usize>().unwrap());
        }
        assert!(taken.len() > before, "each member has its share");
    }
    taken.sort_unstable();
    assert!(taken.into_iter().eq(0..SENT), "each message went to one");

    for word in ["", "a.b", "*", "a b"] {
        let refused = within(one.subscribe_in_group(&ROUTER_REGISTER, word)).await;
        assert!(matches!(refused, Err(BusError::Subject { .. })), "{word:?}");
    }
}

async fn one_request_has_many_answers(place: &mut Place) {
    const SHORT: Duration = Duration::from_millis(200);
    let asking = place.connected().await;
    let ask = async |most, limit| {
        let gathering = asking.gather::<Greet, Start>(&ROUTER_GREET, &Greet, most, limit);
        let answers = within(gathering).await.unwrap();
        let ids = answers.iter().map(|answer| answer.decode().unwrap().id);
        let mut ids: Vec<String> = ids.collect();
        ids.sort_unstable();
        ids
    };
    assert!(ask(9, PATIENCE).await.is_empty(), "nobody is there");

    let mut answering = Vec::new();
    for id in ["a", "b", "c"] {
        let bus = place.connected().await;
        let mut greets = within(bus.subscribe(&ROUTER_GREET)).await.unwrap();
        settle(&bus).await;
        answering.push(async move {
            let mine = Start {
                id: id.to_owned(),
                ..Start::default()
            };
            while let Some(greet) = greets.next().await {
                bus.reply(&greet, &mine).await.unwrap();
            }
        });
    }
    let answering = futures_util::future::join_all(answering);
    let asked = async {
        assert_eq!(ask(9, SHORT).await, ["a", "b", "c"]);
        assert_eq!(ask(3, PATIENCE).await, ["a", "b", "c"]);
        assert_eq!(ask(1, PATIENCE).await.len(), 1);
    };
    tokio::select! {
        _ = answering => panic!("the answers ended"),
        () = asked => {}
    }
}

async fn a_family_of_subjects_is_one_subscription(place: &mut Place) {
    static START: SubjectFamily<Start> = SubjectFamily::new("dea.", ".start");
    let bus = place.connected().await;
    let mut starts = within(bus.subscribe_family(&START)).await.unwrap();
    settle(&bus).await;
    for subject in ["dea.start", "dea.a.b.start", "dea.a.stop"] {
        within(bus.publish_raw(subject, "{}")).await.unwrap();
    }
    for id in ["0-a", "1-b"] {
        let sent = Start {
            id: id.to_owned(),
            ..Start::default()
        };
        let subject = START.subject(id).unwrap();
        within(bus.publish(&subject, &sent)).await.unwrap();
        let delivery = within(starts.next()).await.unwrap();
        assert_eq!(START.word(delivery.subject()), Some(id));
        assert_eq!(delivery.decode().unwrap(), sent);
    }
}

async fn a_server_that_comes_back_finds_the_subscriptions(place: &mut Place) {
    let bus = place.connected().await;
    let mut events = bus.events();
    assert!(matches!(
        within(events.next()).await,
        Some(Event::Connected { again: false, .. })
    ));
    let mut claims = within(bus.subscribe(&ROUTER_REGISTER)).await.unwrap();
    settle(&bus).await;

    place.stop();
    let lost = within(events.next()).await;
    assert!(matches!(lost, Some(Event::Disconnected { .. })), "{lost:?}");
    assert!(!bus.is_connected() && !bus.status().connected);
    let refused = within(bus.publish(&ROUTER_REGISTER, &register("lost"))).await;
    assert!(
        matches!(refused, Err(BusError::NotConnected)),
        "{refused:?}"
    );

    place.start();
    loop {
        match within(events.next()).await.unwrap() {
            Event::Refused { .. } => {}
            Event::Connected { again, .. } => break assert!(again),
            other => panic!("{other:?}"),
        }
    }
    within(bus.publish(&ROUTER_REGISTER, &register("kept")))
        .await
        .unwrap();
    let delivery = within(claims.next()).await.unwrap();
    assert_eq!(delivery.decode().unwrap().app, "kept");
}

async fn no_server_at_start_is_only_late(place: &mut Place) {
    place.stop();
    let bus = place.connect().await;
    let mut events = bus.events();
    let mut claims = within(bus.subscribe(&ROUTER_REGISTER)).await.unwrap();
    let refused = within(bus.publish(&ROUTER_START, &Start::default())).await;
    assert!(
        matches!(refused, Err(BusError::NotConnected)),
        "{refused:?}"
    );
    place.start();
    loop {
        match within(events.next()).await.unwrap() {
            Event::Refused { .. } => {}
            Event::Connected { again, .. } => break assert!(!again),
            other => panic!("{other:?}"),
        }
    }
    within(bus.publish(&ROUTER_REGISTER, &register("a")))
        .await
        .unwrap();
    assert_eq!(
        within(claims.next()).await.unwrap().decode().unwrap().app,
        "a"
    );
}

async fn a_slow_reader_loses_the_newest_and_is_told(place: &mut Place) {
    const SENT: usize = 3 * CAPACITY;
    let (sender, receiver) = (place.connected().await, place.connected().await);
    let mut events = receiver.events();
    let mut claims = within(receiver.subscribe_pattern("slow.>")).await.unwrap();
    settle(&receiver).await;
    for n in 0..SENT {
        within(sender.publish_raw("slow.a", n.to_string()))
            .await
            .unwrap();
    }
    settle(&sender).await;
    settle(&receiver).await;
    let mut dropped = 0;
    while dropped < 2 * CAPACITY as u64 {
        match within(events.next()).await.unwrap() {
            Event::SlowConsumer { dropped: more } => dropped += more,
            Event::Connected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(receiver.status().dropped, 2 * CAPACITY as u64);
    for n in 0..CAPACITY {
        let delivery = within(claims.next()).await.unwrap();
        assert_eq!(delivery.payload(), n.to_string().as_bytes());
    }
    // There is room again.
    within(sender.publish_raw("slow.a", "again")).await.unwrap();
    assert_eq!(within(claims.next()).await.unwrap().payload(), b"again");
}

async fn what_cannot_be_sent_is_refused(place: &mut Place) {
    let bus = place.connected().await;
    for subject in ["", "a b", "a..b"] {
        let refused = within(bus.publish_raw(subject, "x")).await;
        let expected = matches!(refused, Err(BusError::Subject { .. }));
        assert!(expected || subject == "a..b", "{subject:?}: {refused:?}");
    }
    let long = within(bus.publish_raw("a", vec![b'x'; 1024 * 1024 + 1])).await;
    assert!(matches!(long, Err(BusError::TooLong)), "{long:?}");
    let full = within(bus.publish_raw("a", vec![b'x'; 1024 * 1024])).await;
    full.unwrap();
    settle(&bus).await;
}

/// One test a promise and place.
macro_rules! contract {
    ($($promise:ident,)*) => {
        mod in_memory {
            use super::*;
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$promise(&mut Place::Memory(Hub::new())).await;
                }
            )*
        }

        mod over_nats {
            use super::*;
            $(
                #[tokio::test]
                async fn $promise() {
                    for program in NatsProgram::all_for(stringify!($promise)) {
                        eprintln!("nats-server {}", program.version());
                        super::$promise(&mut Place::Nats(NatsServer::start(&program))).await;
                    }
                }
            )*
        }
    };
}

contract! {
    a_message_arrives_as_it_was_sent,
    a_bad_message_keeps_its_bytes,
    the_order_of_one_sender_is_kept,
    a_pattern_selects,
    a_request_is_answered,
    a_message_goes_to_one_of_a_group,
    one_request_has_many_answers,
    a_family_of_subjects_is_one_subscription,
    a_server_that_comes_back_finds_the_subscriptions,
    no_server_at_start_is_only_late,
    a_slow_reader_loses_the_newest_and_is_told,
    what_cannot_be_sent_is_refused,
}
