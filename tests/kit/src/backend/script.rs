//! Ready-made scripts. A test that needs another writes it as a closure over [`Conversation`].

use std::io;

use super::{Conversation, Script};
use crate::{Gate, bytes};

/// A 200 with that body and its length.
#[must_use]
pub fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Answers every request with the body it came with.
#[must_use]
pub fn echo() -> impl Script {
    |conversation: &mut Conversation| loop {
        let request = conversation.request()?;
        let length = request.body.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        conversation.send([head.as_bytes(), &request.body].concat())?;
    }
}

/// Answers every request with a 200 and that text.
#[must_use]
pub fn hello(text: &'static str) -> impl Script {
    canned(ok(text))
}

/// Answers every request with exactly these bytes and keeps the connection.
#[must_use]
pub fn canned(reply: impl AsRef<[u8]> + Send + Sync + 'static) -> impl Script {
    move |conversation: &mut Conversation| loop {
        conversation.request()?;
        conversation.send(reply.as_ref())?;
    }
}

/// Answers one request with exactly these bytes and closes.
#[must_use]
pub fn canned_then_close(reply: impl AsRef<[u8]> + Send + Sync + 'static) -> impl Script {
    move |conversation: &mut Conversation| {
        conversation.request()?;
        conversation.send(reply.as_ref())?;
        conversation.finish()
    }
}

/// Answers one request with exactly these bytes and resets.
#[must_use]
pub fn canned_then_reset(reply: impl AsRef<[u8]> + Send + Sync + 'static) -> impl Script {
    move |conversation: &mut Conversation| {
        conversation.request()?;
        conversation.send(reply.as_ref())?;
        conversation.reset();
        Ok(())
    }
}

/// Resets as soon as a request has been read.
#[must_use]
pub fn reset_after_request() -> impl Script {
    canned_then_reset("")
}

/// Resets every connection before anything is read from it.
#[must_use]
pub fn reset_at_once() -> impl Script {
    |conversation: &mut Conversation| {
        conversation.reset();
        Ok(())
    }
}

/// Answers every request in chunks, one for each of `parts`.
#[must_use]
pub fn chunked(parts: &'static [&'static str]) -> impl Script {
    let mut reply = String::from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for part in parts {
        reply.push_str(&format!("{:x}\r\n{part}\r\n", part.len()));
    }
    canned(reply + "0\r\n\r\n")
}

/// Reads a request and answers it with `reply` once `gate` opens.
#[must_use]
pub fn slow(gate: Gate, reply: impl AsRef<[u8]> + Send + Sync + 'static) -> impl Script {
    move |conversation: &mut Conversation| loop {
        conversation.request()?;
        gate.wait()?;
        conversation.send(reply.as_ref())?;
    }
}

/// Answers as soon as the head has come, reads no body, and keeps the connection open.
#[must_use]
pub fn early(reply: impl AsRef<[u8]> + Send + Sync + 'static) -> impl Script {
    move |conversation: &mut Conversation| {
        let head = conversation.head()?;
        conversation.note(head);
        conversation.send(reply.as_ref())?;
        conversation.drain();
        Ok(())
    }
}

/// Takes any upgrade that it is asked for and then sends back whatever comes.
#[must_use]
pub fn upgrade() -> impl Script {
    |conversation: &mut Conversation| {
        let head = conversation.head()?;
        let protocol = head.field("upgrade").unwrap_or("none").to_owned();
        conversation.note(head);
        conversation.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
        ))?;
        conversation.echo()
    }
}

/// Answers `Expect: 100-continue` with a 100 before it reads the body, and then as [`echo`].
#[must_use]
pub fn continues() -> impl Script {
    |conversation: &mut Conversation| loop {
        let head = conversation.head()?;
        if head
            .field("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
        {
            conversation.send("HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let framing = crate::wire::Framing::of_request(&head);
        let body = conversation.wire()?.body(framing);
        conversation.note(head);
        conversation.send(ok(&bytes::text(&body.bytes)))?;
    }
}

/// Takes connections and never reads or says anything, until the peer ends.
#[must_use]
pub fn silent() -> impl Script {
    |conversation: &mut Conversation| -> io::Result<()> {
        conversation.drain();
        Ok(())
    }
}
