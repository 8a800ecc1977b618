//! Messages of the original system, byte for byte, and what they mean to us.

#![expect(clippy::expect_used, reason = "a test that cannot go on says so")]

use protocol::bus::{DecodeError, Message, Register, RouterEvent, Start};
use serde_json::Value;

/// Reads a golden file, checks that it decodes, and that what we send again says the same.
fn round_trip<M: Message>(json: &str) -> M {
    let message = M::decode(json.as_bytes()).expect("golden message decodes");
    let sent: Value = serde_json::from_slice(&message.encode()).expect("we send JSON");
    let mut golden: Value = serde_json::from_str(json).expect("golden file is JSON");
    // Fields that we do not know are ignored, not kept.
    if let Some(object) = golden.as_object_mut() {
        object.remove("dea");
    }
    assert_eq!(sent, golden);
    message
}

fn rejects(json: &str, reason: &str) {
    let error: DecodeError = Register::decode(json.as_bytes()).expect_err(json);
    assert!(error.reason().contains(reason), "{json}: {error}");
}

fn reads(json: &str) -> Register {
    Register::decode(json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"))
}

#[test]
fn register_from_every_kind_of_sender() {
    let diego: Register = round_trip(include_str!("golden/register_route_emitter.json"));
    assert_eq!(diego.tls_port, 61002);
    assert_eq!(diego.tags.get("component"), Some("route-emitter"));
    assert_eq!(diego.options.hash_balance, 1.25);
    assert_eq!(diego.uris.len(), 3);

    let dea: Register = round_trip(include_str!("golden/register_dea.json"));
    assert_eq!((dea.port, dea.tls_port), (61001, 0));
    assert_eq!(dea.app, "9f4d4f0c-43a6-4f76-bd51-1a1f7dc2a2d6");

    let registrar: Register = round_trip(include_str!("golden/register_route_registrar.json"));
    assert_eq!(registrar.availability_zone, "z1");
}

#[test]
fn start_keeps_the_names_that_registrars_read() {
    let start: Start = round_trip(include_str!("golden/start.json"));
    assert_eq!(start.minimum_register_interval_in_seconds, 20);
    assert_eq!(start.prune_threshold_in_seconds, 120);
}

#[test]
fn liberal_where_nothing_can_be_misunderstood() {
    assert_eq!(reads("{}"), Register::default());
    assert_eq!(reads(r#"{"new_field":{"a":[1]},"host":"h"}"#).host, "h");
    assert_eq!(
        reads(r#"{"uris":null,"tags":null,"port":null,"options":null}"#),
        Register::default()
    );
    assert_eq!(reads(r#"{"tags":{"a":null}}"#).tags.get("a"), Some(""));
    assert_eq!(
        reads(r#"{"options":{"hash_balance":"1.5"}}"#)
            .options
            .hash_balance,
        1.5
    );
    assert_eq!(
        reads(r#"{"options":{"hash_balance":2}}"#)
            .options
            .hash_balance,
        2.0
    );
    assert_eq!(
        reads(r#"{"options":{"hash_balance":""}}"#)
            .options
            .hash_balance,
        0.0
    );
    assert_eq!(reads(r#"{"options":{"unknown":1}}"#), Register::default());
    assert_eq!(reads(r#"{"host":"a\u0062c"}"#).host, "abc");
    assert_eq!(reads(r#"{"port":80,"port":81}"#).port, 81);
    assert_eq!(reads(r#"{"Port":80,"HOST":"h","host":null}"#).host, "h");
}

#[test]
fn a_field_of_the_wrong_type_drops_the_message() {
    rejects("", "object");
    rejects("[]", "object");
    rejects("not json", "object");
    rejects(r#""text""#, "object");
    rejects(r#"{"host":"h""#, "EOF");
    rejects("{}}", "trailing");
    rejects(r#"{"port":"80"}"#, "invalid type: string");
    rejects(r#"{"port":65536}"#, "expected u16");
    rejects(r#"{"port":-1}"#, "expected u16");
    rejects(r#"{"port":80.5}"#, "expected u16");
    rejects(r#"{"uris":"a.example.com"}"#, "expected a sequence");
    rejects(r#"{"uris":[1]}"#, "expected a string");
    rejects(r#"{"host":1}"#, "expected a string");
    rejects(r#"{"tags":{"a":1}}"#, "expected a string");
    rejects(r#"{"tags":[]}"#, "object of strings");
    rejects(r#"{"stale_threshold_in_seconds":"120"}"#, "expected i64");
    rejects(r#"{"options":{"hash_balance":"much"}}"#, "not a number");
    rejects(r#"{"options":7}"#, "expected an object");
}

#[test]
fn the_subscription_to_everything_tells_messages_apart() {
    let payload = br#"{"host":"h"}"#;
    let message = Register {
        host: "h".into(),
        ..Register::default()
    };
    let decode = |subject| RouterEvent::decode(subject, payload);
    assert_eq!(
        decode("router.register"),
        Ok(RouterEvent::Register(message.clone()))
    );
    assert_eq!(
        decode("router.unregister"),
        Ok(RouterEvent::Unregister(message))
    );
    assert_eq!(decode("router.start"), Ok(RouterEvent::Other));
    assert_eq!(
        RouterEvent::decode("router.greet", b""),
        Ok(RouterEvent::Other)
    );
}
