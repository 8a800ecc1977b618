//! What the client may see.

use tests_kit::bytes::show;
use tests_kit::{End, Head, Response};

use super::Play;

impl Play<'_> {
    pub(super) fn status(&mut self, response: &Response) {
        let allowed = self.seat.row.statuses();
        let line = &response.head.line;
        self.expect(allowed.contains(&response.status()), || {
            format!("{line} instead of {allowed:?}")
        });
    }

    /// The answer is whole and has what the row says.
    pub(super) fn answer(&mut self, response: &Response) {
        let row = &self.seat.row;
        self.whole(response);
        if let Some(body) = &row.client_body {
            let got = &response.body;
            self.expect(got == body.bytes(), || {
                format!("the client got the body {}", show(got))
            });
        }
        for wanted in &row.client_has {
            self.has(&response.head, wanted, "the client");
        }
        if let Some(wanted) = &row.client_trailers {
            self.trailers(&response.trailers, wanted, "the client");
        }
        if let Some(wanted) = &row.interim {
            let got: Vec<u16> = response.interim.iter().map(Head::status).collect();
            self.expect(&got == wanted, || format!("interim responses {got:?}"));
        }
        for wanted in &row.client_has_interim {
            match response.interim.first() {
                Some(head) => self.has(head, wanted, "the client"),
                None => self.fault(format!("no interim response with {wanted}")),
            }
        }
    }

    pub(super) fn whole(&mut self, response: &Response) {
        let (end, length) = (response.end, response.body.len());
        self.expect(end == End::Complete, || {
            format!("the answer ends {end:?} after {length} bytes")
        });
    }

    /// The answer is seen to be cut.
    pub(super) fn cut(&mut self, response: &Response) {
        match response.end {
            End::Cut => {}
            End::Complete => self.hole("a cut answer looks whole".to_owned()),
            End::Broken => self.hole("broken framing reaches the client".to_owned()),
            End::Silent => self.fault("a cut answer never ends".to_owned()),
        }
    }

    /// A head has `Name: value` once, or the name at all.
    pub(super) fn has(&mut self, head: &Head, wanted: &str, who: &str) {
        let holds = match wanted.split_once(": ") {
            Some((name, value)) => head.all(name).filter(|have| *have == value).count() == 1,
            None => head.field(wanted).is_some(),
        };
        let seen = self.plain(&head.raw);
        self.expect(holds, || {
            format!("{who} should get {wanted:?} once, and got {seen}")
        });
    }

    /// The trailers are these, letter case of the names aside.
    pub(super) fn trailers(&mut self, got: &[(String, String)], wanted: &[String], who: &str) {
        let same = |((name, value), wanted): (&(String, String), &String)| {
            wanted
                .split_once(": ")
                .is_some_and(|(wanted_name, wanted_value)| {
                    name.eq_ignore_ascii_case(wanted_name) && value == wanted_value
                })
        };
        let holds = got.len() == wanted.len() && got.iter().zip(wanted).all(same);
        self.expect(holds, || format!("{who} got the trailers {got:?}"));
    }
}
