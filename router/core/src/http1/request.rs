//! The head of a request (RFC 9112 §3).

use super::authority;
use super::framing::{BodyLength, Framing};
use super::lines::{self, Limits, Lines};
use super::{Refusal, Version};
use crate::byte_scan;
use crate::field::{Field, FieldKind, Fields, Span, members};

/// Methods that some rule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD: the response has no body.
    Head,
    /// OPTIONS
    Options,
    /// PATCH
    Patch,
    /// POST
    Post,
    /// PUT
    Put,
    /// TRACE
    Trace,
    /// Any other token.
    Other,
}

impl Method {
    /// The method behind a token; methods are case-sensitive.
    #[must_use]
    pub const fn of(token: &[u8]) -> Self {
        match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"OPTIONS" => Self::Options,
            b"PATCH" => Self::Patch,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"TRACE" => Self::Trace,
            _ => Self::Other,
        }
    }

    /// Whether sending it twice does no more than sending it once, among those a router may repeat.
    #[must_use]
    pub const fn repeatable(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options | Self::Trace)
    }

    /// Whether it gives content a meaning, so that the lack of any is said by a Content-Length of 0
    /// (RFC 9110 §8.6). Other methods that do, as those of WebDAV, are not known here.
    #[must_use]
    pub const fn says_length(self) -> bool {
        matches!(self, Self::Patch | Self::Post | Self::Put)
    }
}

/// Which form the target had (RFC 9112 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `/path?query`
    Origin,
    /// `http://authority/path?query`; forwarded in origin form.
    Absolute,
    /// `*`, of OPTIONS alone.
    Asterisk,
}

/// A complete, unambiguous request head. Its spans point into the buffer it was parsed from.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method's token.
    pub method_name: Span,
    /// The method.
    pub method: Method,
    /// The target as sent.
    pub target: Span,
    /// Its form.
    pub form: Form,
    /// Path and query: the target in origin form. Empty for `http://host`, which means `/`.
    pub path: Span,
    /// Host and port as sent, from the target if it has them, else from Host. May be empty.
    pub authority: Span,
    /// The version.
    pub version: Version,
    /// The field lines.
    pub fields: Vec<Field>,
    /// How long the body is.
    pub body: BodyLength,
    /// Content-Length was repeated or not in its shortest form, and is forwarded anew.
    pub length_needs_rewrite: bool,
    /// Whether the client keeps the connection for another request.
    pub persistent: bool,
    /// Whether it asks to switch protocols and which fields say so may go out.
    pub upgrade: bool,
    /// `Connection` names fields of this hop beyond the known ones.
    pub connection_names_fields: bool,
    /// It has a `Via` field.
    pub via: bool,
    /// First byte of the request line: empty lines before it are skipped (§2.2).
    pub start: usize,
    /// First byte after the head.
    pub end: usize,
}

impl RequestHead {
    /// The fields over the buffer they were parsed from.
    #[must_use]
    pub fn fields<'a>(&'a self, buffer: &'a [u8]) -> Fields<'a> {
        Fields::new(buffer, &self.fields)
    }

    /// The host that an absolute target names: it goes in the place of the Host field
    /// (RFC 9112 §3.2.2).
    #[must_use]
    pub fn target_host<'a>(&self, buffer: &'a [u8]) -> Option<&'a [u8]> {
        (self.form == Form::Absolute).then(|| self.authority.of(buffer))
    }
}

impl Default for RequestHead {
    fn default() -> Self {
        Self {
            method_name: Span::default(),
            method: Method::Other,
            target: Span::default(),
            form: Form::Origin,
            path: Span::default(),
            authority: Span::default(),
            version: Version::Http11,
            fields: Vec::with_capacity(32),
            body: BodyLength::Empty,
            length_needs_rewrite: false,
            persistent: false,
            upgrade: false,
            connection_names_fields: false,
            via: false,
            start: 0,
            end: 0,
        }
    }
}

/// Parses request heads, one after the other, as their bytes arrive.
#[derive(Clone, Debug, Default)]
pub struct RequestParser {
    head: RequestHead,
    lines: Lines,
    framing: Framing,
    stage: Stage,
    empty_lines: u8,
    hosts: u8,
    host: Span,
    upgrade_named: bool,
    upgrade_h2c: bool,
    /// Of the target's scheme.
    default_port: u16,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    RequestLine,
    Fields,
    Complete,
}

/// Empty lines before a request line that are skipped (RFC 9112 §2.2 asks for one).
const EMPTY_LINES: u8 = 4;

impl RequestParser {
    /// Forgets the last head and begins at `offset` of the buffer.
    pub fn begin(&mut self, offset: usize) {
        self.head.fields.clear();
        self.head.via = false;
        self.lines = Lines::at(offset);
        self.framing = Framing::default();
        self.stage = Stage::RequestLine;
        self.empty_lines = 0;
        self.hosts = 0;
        self.host = Span::default();
        self.upgrade_named = false;
        self.upgrade_h2c = false;
        self.head.start = offset;
    }

    /// The head that [`advance`](Self::advance) has completed.
    #[must_use]
    pub const fn head(&self) -> &RequestHead {
        &self.head
    }

    /// Whether a request line has been read, or a part of one.
    #[must_use]
    pub fn has_begun(&self, buffer: &[u8]) -> bool {
        self.has_request_line() || buffer.len() > self.lines.position()
    }

    /// Whether the head is complete and well formed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.stage == Stage::Complete
    }

    /// Whether the request line is, so that the log may name method and target.
    #[must_use]
    pub fn has_request_line(&self) -> bool {
        self.stage != Stage::RequestLine
    }

    /// Reads on. `buffer` is the same buffer as before with more bytes at its end.
    ///
    /// Returns whether the head is complete.
    ///
    /// # Errors
    /// The first rule that the head breaks; the connection ends with the answer.
    pub fn advance(&mut self, buffer: &[u8], limits: &Limits) -> Result<bool, Refusal> {
        while let Some(line) = self.lines.next(buffer)? {
            if line.end as usize - self.head.start > limits.head_bytes {
                return Err(self.too_large(line.end as usize, limits));
            }
            if self.stage == Stage::RequestLine {
                self.request_line(buffer, line, limits)?;
            } else if line.is_empty() {
                self.finish(buffer)?;
                self.stage = Stage::Complete;
                return Ok(true);
            } else {
                self.field_line(buffer, line, limits)?;
            }
        }
        if buffer.len() - self.head.start > limits.head_bytes {
            return Err(self.too_large(buffer.len(), limits));
        }
        if self.stage == Stage::RequestLine
            && buffer.len() - self.lines.position() > limits.target_bytes + LONGEST_METHOD
        {
            return Err(Refusal::TargetTooLong);
        }
        Ok(false)
    }

    fn too_large(&self, end: usize, limits: &Limits) -> Refusal {
        let in_target = self.stage == Stage::RequestLine && end > limits.target_bytes;
        if in_target {
            Refusal::TargetTooLong
        } else {
            Refusal::HeadTooLarge
        }
    }

    fn request_line(&mut self, buffer: &[u8], line: Span, limits: &Limits) -> Result<(), Refusal> {
        if line.is_empty() {
            self.empty_lines += 1;
            self.head.start = self.lines.position();
            return if self.empty_lines > EMPTY_LINES {
                Err(Refusal::RequestLine)
            } else {
                Ok(())
            };
        }
        let text = line.of(buffer);
        let start = line.start as usize;
        let method_end = lines::token_length(text);
        if method_end == 0 || text.get(method_end) != Some(&b' ') {
            return Err(Refusal::RequestLine);
        }
        let target_start = method_end + 1;
        let target_end = byte_scan::position(&text[target_start..], b' ')
            .map(|length| target_start + length)
            .ok_or(Refusal::RequestLine)?;
        self.head.version = version(&text[target_end + 1..])?;
        if method_end > LONGEST_METHOD {
            return Err(Refusal::RequestLine);
        }
        if target_end - target_start > limits.target_bytes {
            return Err(Refusal::TargetTooLong);
        }
        self.head.method_name = Span::new(start, start + method_end);
        self.head.method = Method::of(&text[..method_end]);
        self.head.target = Span::new(start + target_start, start + target_end);
        self.target(buffer)?;
        self.stage = Stage::Fields;
        Ok(())
    }

    fn target(&mut self, buffer: &[u8]) -> Result<(), Refusal> {
        let span = self.head.target;
        let target = span.of(buffer);
        let connect = self.head.method_name.of(buffer) == b"CONNECT";
        if connect {
            return Err(Refusal::Connect);
        }
        let foreign = |block| {
            byte_scan::below(block, b'!')
                | byte_scan::above_printable(block)
                | byte_scan::is(block, b'#')
        };
        if target.is_empty() || byte_scan::any(target, foreign) {
            return Err(Refusal::Target);
        }
        self.head.authority = Span::default();
        (self.head.form, self.head.path) = if target[0] == b'/' {
            (Form::Origin, span)
        } else if target == b"*" && self.head.method == Method::Options {
            (Form::Asterisk, span)
        } else {
            let (authority_start, port) = authority::absolute(target).ok_or(Refusal::Target)?;
            self.default_port = port;
            let rest = &target[authority_start..];
            let length = rest
                .iter()
                .position(|b| matches!(b, b'/' | b'?'))
                .unwrap_or(rest.len());
            let start = span.start as usize + authority_start;
            self.head.authority = Span::new(start, start + length);
            if length == 0 || !authority::is_valid(&rest[..length]) {
                return Err(Refusal::Target);
            }
            (Form::Absolute, Span::new(start + length, span.end as usize))
        };
        Ok(())
    }

    fn field_line(&mut self, buffer: &[u8], line: Span, limits: &Limits) -> Result<(), Refusal> {
        if self.head.fields.len() >= limits.fields {
            return Err(Refusal::HeadTooLarge);
        }
        let field = lines::field(buffer, line)?;
        match field.kind {
            FieldKind::Host => {
                self.hosts = self.hosts.saturating_add(1);
                self.host = field.value;
            }
            FieldKind::Upgrade => {
                self.upgrade_named = true;
                self.upgrade_h2c |= members(field.value.of(buffer)).any(is_h2c);
            }
            FieldKind::Via => self.head.via = true,
            kind => self.framing.note(kind, field.value.of(buffer))?,
        }
        self.head.fields.push(field);
        Ok(())
    }

    /// The rules that need the whole head.
    fn finish(&mut self, buffer: &[u8]) -> Result<(), Refusal> {
        let head = &mut self.head;
        head.end = self.lines.position();
        let missing = self.hosts == 0 && head.version == Version::Http11;
        let host = self.host.of(buffer);
        if missing || self.hosts > 1 || !(host.is_empty() || authority::is_valid(host)) {
            return Err(Refusal::Host);
        }
        if head.form == Form::Absolute {
            let target = head.authority.of(buffer);
            if self.hosts == 1 && !authority::are_equal(target, host, self.default_port) {
                return Err(Refusal::Host);
            }
        } else {
            head.authority = self.host;
        }
        head.body = self.framing.request_body(head.version)?;
        head.length_needs_rewrite = self.framing.length_needs_rewrite;
        head.persistent = self.framing.persistent(head.version);
        head.connection_names_fields = self.framing.names_fields;
        head.upgrade = self.framing.upgrade
            && self.upgrade_named
            && !self.upgrade_h2c
            && head.version == Version::Http11;
        Ok(())
    }
}

/// No registered method is longer than 17 bytes; a token beyond this is not one.
const LONGEST_METHOD: usize = 64;

fn version(text: &[u8]) -> Result<Version, Refusal> {
    match text {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Refusal::Version)
        }
        _ => Err(Refusal::RequestLine),
    }
}

fn is_h2c(protocol: &[u8]) -> bool {
    protocol.eq_ignore_ascii_case(b"h2c") || protocol.eq_ignore_ascii_case(b"h2")
}
