//! Heads put together again, from spans of the bytes they arrived in and lines of our own.

use super::Version;
use super::request::{Form, Method, RequestHead};
use super::response::ResponseHead;
use crate::edits::Edits;
use crate::field::{Field, Span};

/// Appends the head of a request to `out` as the backend gets it: HTTP/1.1 whatever the client spoke.
pub fn request(out: &mut Vec<u8>, buffer: &[u8], head: &RequestHead, edits: &Edits) {
    let canonical = head.form != Form::Absolute && head.version == Version::Http11;
    let mut run = Span::new(head.start, head.start);
    if canonical {
        run.end = head
            .fields
            .first()
            .map_or_else(|| end_of_lines(head.end), |f| f.line.start);
    } else {
        request_line(out, buffer, head);
    }
    lines(out, buffer, &head.fields, run, edits);
}

/// Appends the head of a response to `out` for a client that speaks 1.x: HTTP/1.1 whatever the
/// backend spoke.
pub fn response(out: &mut Vec<u8>, buffer: &[u8], head: &ResponseHead, edits: &Edits) {
    let mut run = Span::new(head.start, head.start);
    if head.line_is_canonical {
        run = head.line;
    } else {
        let status = head.status;
        let digits = [status / 100, status / 10 % 10, status % 10];
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend(digits.map(|digit| b"0123456789"[usize::from(digit % 10)]));
        out.push(b' ');
        out.extend_from_slice(head.reason.of(buffer));
        out.extend_from_slice(b"\r\n");
    }
    lines(out, buffer, &head.fields, run, edits);
}

fn request_line(out: &mut Vec<u8>, buffer: &[u8], head: &RequestHead) {
    out.extend_from_slice(head.method_name.of(buffer));
    out.push(b' ');
    let path = head.path.of(buffer);
    let asterisk = head.form == Form::Absolute && path.is_empty() && head.method == Method::Options;
    if asterisk {
        // RFC 9112 §3.2.4: OPTIONS for a whole server that came through a proxy.
        out.push(b'*');
    } else if path.first() != Some(&b'/') && head.form == Form::Absolute {
        out.push(b'/');
    }
    out.extend_from_slice(path);
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// Appends the lines of `run` and of the fields that stay, in as few pieces as they lie in, then the
/// fields that were added and the empty line.
fn lines(out: &mut Vec<u8>, buffer: &[u8], fields: &[Field], mut run: Span, edits: &Edits) {
    if edits.drops_nothing() {
        if let Some(last) = fields.last() {
            if run.is_empty() {
                run.start = fields[0].line.start;
            }
            run.end = last.line.end;
        }
    } else {
        for (index, field) in fields.iter().enumerate() {
            if edits.is_dropped(index) {
                continue;
            }
            if field.line.start == run.end {
                run.end = field.line.end;
            } else {
                out.extend_from_slice(run.of(buffer));
                run = field.line;
            }
        }
    }
    out.extend_from_slice(run.of(buffer));
    out.extend_from_slice(edits.added());
    out.extend_from_slice(b"\r\n");
}

/// Where the lines of a head without fields end: before the empty line.
#[expect(
    clippy::cast_possible_truncation,
    reason = "heads are bounded far below 4 GiB"
)]
const fn end_of_lines(head_end: usize) -> u32 {
    (head_end - 2) as u32
}
