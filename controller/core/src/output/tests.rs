//! What is kept of lines, and what reads of them answer.

use proptest::prelude::*;
use protocol::bus::output::Stream;

use super::ring::{MOST_BYTES as MOST_BYTES_OF_APP, MOST_LINES};
use super::*;

fn line(app: &str, time: i64, text: &str) -> OutputLine {
    OutputLine {
        app_guid: app.to_owned(),
        unix_nanos: time,
        text: text.to_owned(),
        source: "app".to_owned(),
        process_type: "web".to_owned(),
        ..OutputLine::default()
    }
}

fn output(times: &[i64]) -> Output {
    let mut output = Output::default();
    for time in times {
        output.add(&line("a", *time, "x"));
    }
    output
}

fn times(output: &Output, query: &str) -> Vec<i64> {
    let read = output.read("a", ReadLines::parse(query).unwrap());
    let batch = read.envelopes.batch.into_iter();
    batch
        .map(|envelope| envelope.timestamp.parse().unwrap())
        .collect()
}

#[test]
fn reads_choose_by_time_order_and_limit() {
    let output = output(&[30, 10, 20, 40]);
    let check =
        |query: &str, expected: &[i64]| assert_eq!(times(&output, query), expected, "{query}");
    check("", &[10, 20, 30, 40]);
    check("start_time=20", &[20, 30, 40]);
    check("start_time=20&end_time=40", &[20, 30]);
    check("start_time=40&end_time=20", &[]);
    check(
        "descending=true&limit=1&start_time=-6795364578871345152",
        &[40],
    );
    check(
        "descending=true&envelope_types=LOG&limit=3&start_time=-6795364578871345152",
        &[40, 30, 20],
    );
    check("limit=2", &[10, 20]);
    check("envelope_types=COUNTER", &[]);
    check(
        "envelope_types=COUNTER&envelope_types=LOG",
        &[10, 20, 30, 40],
    );
    check("name_filter=x&unknown", &[10, 20, 30, 40]);
    for wrong in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "start_time=1.5",
        "end_time=",
    ] {
        assert_eq!(
            ReadLines::parse(wrong).unwrap_err().status(),
            400,
            "{wrong}"
        );
    }
    let nobody = output.read("b", ReadLines::parse("").unwrap());
    assert_eq!(
        serde_json::to_string(&nobody).unwrap(),
        r#"{"envelopes":{"batch":[]}}"#
    );
}

#[test]
fn envelopes_have_no_other_keys() {
    let check = |source: &str, process: &str, instance, stream, expected: &str| {
        let mut output = Output::default();
        output.add(&OutputLine {
            source: source.to_owned(),
            process_type: process.to_owned(),
            instance_index: instance,
            filename: stream,
            ..line("a", 5, "hi")
        });
        let read = output.read("a", ReadLines::parse("").unwrap());
        let written = serde_json::to_string(&read.envelopes.batch[0]).unwrap();
        assert_eq!(
            written,
            format!(r#"{{"timestamp":"5","source_id":"a",{expected}}}"#)
        );
    };
    check(
        "app",
        "web",
        2,
        Stream::Stdout,
        concat!(
            r#""instance_id":"2","tags":{"source_type":"APP/PROC/WEB","process_type":"web"},"#,
            r#""log":{"payload":"aGk=","type":"OUT"}"#
        ),
    );
    let plain = |kind| {
        format!(
            "{}{kind}{}",
            r#""instance_id":"0","tags":{"source_type":""#,
            r#""},"log":{"payload":"aGk=","type":"ERR"}"#
        )
    };
    check("staging", "", -1, Stream::Stderr, &plain("STG"));
    check("dea", "", -1, Stream::Stderr, &plain("CELL"));
    check("api", "", -1, Stream::Stderr, &plain("API"));
}

#[test]
fn a_line_is_kept_once_and_two_lines_never_share_a_time() {
    let mut output = output(&[10, 10, 11]);
    assert_eq!(times(&output, ""), [10, 11]);
    output.add(&line("a", 10, "other"));
    output.add(&line("a", 10, "other"));
    assert_eq!(times(&output, ""), [10, 11, 12]);
    output.add(&line("", 10, "nobody's"));
    assert!(!output.knows(""));
}

#[test]
fn what_is_too_much_goes_oldest_first() {
    let many = i64::try_from(MOST_LINES).unwrap() + 5;
    let output_of_many = output(&(0..many).collect::<Vec<_>>());
    assert_eq!(times(&output_of_many, "limit=1"), [5]);
    let mut long = output(&[1]);
    let text = "x".repeat(MOST_BYTES_OF_APP / 2);
    for time in 2..5 {
        long.add(&line("a", time, &text));
    }
    assert_eq!(times(&long, ""), [4]);
    let mut all = Output::default();
    let apps = MOST_BYTES / (MOST_BYTES_OF_APP / 2);
    for app in 0..apps {
        all.add(&line(&app.to_string(), 1, &text));
    }
    // Each line takes a little more than its text.
    assert!(!all.knows("0"));
    assert!(all.knows("1"));
    all.forget("1");
    assert!(!all.knows("1"));
}

proptest! {
    #[test]
    fn counts_are_true_and_tailing_sees_every_line_once(
        lines in prop::collection::vec((0_i64..50, "[ab]{0,3}"), 0..100),
        limit in 1_usize..9,
    ) {
        let mut output = Output::default();
        for (time, text) in &lines {
            output.add(&line("a", *time, text));
        }
        let all = times(&output, "limit=1000");
        let mut tailed = Vec::new();
        let mut start = i64::MIN;
        loop {
            let batch = times(&output, &format!("limit={limit}&start_time={start}"));
            let Some(last) = batch.last() else { break };
            start = last + 1;
            tailed.extend(batch);
        }
        prop_assert!(tailed.is_sorted_by(|a, b| a < b));
        prop_assert_eq!(tailed, all);
        output.forget("a");
        prop_assert_eq!((output.bytes, output.ages.len()), (0, 0));
    }
}
