//! Header fields as the rules see them: a borrowed list of names and values.
//!
//! A head is parsed once into spans over the bytes it arrived in. Every rule of the router works on
//! [`Fields`]; which codec filled it does not matter to them.

pub mod names;

use crate::byte_scan::is_name;

/// A range of bytes in the buffer that a head was parsed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span from `start` to `end`, both below 4 GiB because a head is.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "heads are bounded far below 4 GiB"
    )]
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
        }
    }

    /// The bytes of `buffer` it covers; empty when the buffer is not the one it was made for.
    #[inline]
    #[must_use]
    pub fn of(self, buffer: &[u8]) -> &[u8] {
        buffer
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// Whether it covers nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// One field line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Which name it carries, if one the router has rules for.
    pub kind: FieldKind,
    /// The name as sent.
    pub name: Span,
    /// The value without the white space around it.
    pub value: Span,
    /// The whole line with its line end, as it would be forwarded.
    pub line: Span,
}

/// The fields of one head, in the order they arrived.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    fields: &'a [Field],
}

impl<'a> Fields<'a> {
    /// The fields of a head whose spans point into `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8], fields: &'a [Field]) -> Self {
        Self { bytes, fields }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The field lines with their spans.
    #[must_use]
    pub const fn lines(&self) -> &'a [Field] {
        self.fields
    }

    /// The bytes behind a span of one of these fields.
    #[must_use]
    pub fn bytes(&self, span: Span) -> &'a [u8] {
        span.of(self.bytes)
    }

    /// The first value of a kind.
    #[must_use]
    pub fn first(&self, kind: FieldKind) -> Option<&'a [u8]> {
        self.fields
            .iter()
            .find(|field| field.kind == kind)
            .map(|field| field.value.of(self.bytes))
    }

    /// Every value of a kind, in order.
    pub fn all(&self, kind: FieldKind) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let bytes = self.bytes;
        self.fields
            .iter()
            .filter(move |field| field.kind == kind)
            .map(move |field| field.value.of(bytes))
    }

    /// The first value under a name (lower case), for names without a kind.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&'a [u8]> {
        self.fields
            .iter()
            .find(|field| {
                field
                    .name
                    .of(self.bytes)
                    .eq_ignore_ascii_case(name.as_bytes())
            })
            .map(|field| field.value.of(self.bytes))
    }
}

/// The members of a comma-separated list value, without the white space around them.
pub fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// The field names that some rule of the router asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum FieldKind {
            /// A name that no rule asks for, not beginning with `X-`.
            Other,
            /// A name that no rule asks for, beginning with `X-`.
            OtherX,
            /// A name beginning with `X-Forwarded` that has no kind of its own.
            XForwarded,
            $($(#[$doc])* #[doc = concat!("`", $name, "`")] $kind,)*
        }

        impl FieldKind {
            /// Every kind that has a name of its own.
            pub const NAMED: &[Self] = &[$(Self::$kind,)*];

            /// The name in lower case; empty for the names without a rule.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    Self::Other | Self::OtherX | Self::XForwarded => "",
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    Connection = "connection",
    ContentLength = "content-length",
    Date = "date",
    Expect = "expect",
    Forwarded = "forwarded",
    Host = "host",
    Http2Settings = "http2-settings",
    IdempotencyKey = "idempotency-key",
    KeepAlive = "keep-alive",
    ProxyAuthenticate = "proxy-authenticate",
    ProxyAuthorization = "proxy-authorization",
    ProxyConnection = "proxy-connection",
    Referer = "referer",
    Te = "te",
    Trailer = "trailer",
    TransferEncoding = "transfer-encoding",
    Upgrade = "upgrade",
    UserAgent = "user-agent",
    Via = "via",
    XCfApplicationId = "x-cf-applicationid",
    XCfAppInstance = "x-cf-app-instance",
    XCfForwardedUrl = "x-cf-forwarded-url",
    XCfInstanceId = "x-cf-instanceid",
    XCfInstanceIndex = "x-cf-instanceindex",
    XCfProcessInstance = "x-cf-process-instance",
    XCfProxyMetadata = "x-cf-proxy-metadata",
    XCfProxySignature = "x-cf-proxy-signature",
    XCfRouterError = "x-cf-routererror",
    XForwardedClientCert = "x-forwarded-client-cert",
    XForwardedFor = "x-forwarded-for",
    XForwardedProto = "x-forwarded-proto",
    XIdempotencyKey = "x-idempotency-key",
    XRealIp = "x-real-ip",
    XRequestStart = "x-request-start",
    XVcapRequestId = "x-vcap-request-id",
    XVcapTrace = "x-vcap-trace",
}

impl FieldKind {
    /// The kind of a name, any case.
    #[inline]
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        let Some(first) = name.first() else {
            return Self::Other;
        };
        match first | 0x20 {
            b'x' => Self::of_x(name),
            letter @ (b'c'..=b'f' | b'h' | b'i' | b'k' | b'p' | b'r' | b't'..=b'v') => {
                Self::of_known(letter, name)
            }
            _ => Self::Other,
        }
    }

    fn of_known(letter: u8, name: &[u8]) -> Self {
        let kind = match (letter, name.len()) {
            (b'c', 10) => Self::Connection,
            (b'c', 14) => Self::ContentLength,
            (b'd', 4) => Self::Date,
            (b'e', 6) => Self::Expect,
            (b'f', 9) => Self::Forwarded,
            (b'h', 4) => Self::Host,
            (b'h', 14) => Self::Http2Settings,
            (b'i', 15) => Self::IdempotencyKey,
            (b'k', 10) => Self::KeepAlive,
            (b'p', 18) => Self::ProxyAuthenticate,
            (b'p', 19) => Self::ProxyAuthorization,
            (b'p', 16) => Self::ProxyConnection,
            (b'r', 7) => Self::Referer,
            (b't', 2) => Self::Te,
            (b't', 7) => Self::Trailer,
            (b't', 17) => Self::TransferEncoding,
            (b'u', 7) => Self::Upgrade,
            (b'u', 10) => Self::UserAgent,
            (b'v', 3) => Self::Via,
            _ => return Self::Other,
        };
        if is_name(name, kind.name().as_bytes()) {
            kind
        } else {
            Self::Other
        }
    }

    fn of_x(name: &[u8]) -> Self {
        if name.get(1) != Some(&b'-') {
            return Self::Other;
        }
        let candidates: &[Self] = match name.len() {
            9 => &[Self::XRealIp],
            12 => &[Self::XVcapTrace],
            15 => &[
                Self::XForwardedFor,
                Self::XRequestStart,
                Self::XCfInstanceId,
            ],
            16 => &[Self::XCfRouterError],
            17 => &[
                Self::XForwardedProto,
                Self::XVcapRequestId,
                Self::XCfAppInstance,
                Self::XIdempotencyKey,
            ],
            18 => &[
                Self::XCfApplicationId,
                Self::XCfForwardedUrl,
                Self::XCfInstanceIndex,
            ],
            19 => &[Self::XCfProxyMetadata],
            20 => &[Self::XCfProxySignature],
            21 => &[Self::XCfProcessInstance],
            23 => &[Self::XForwardedClientCert],
            _ => &[],
        };
        let is = |kind: &Self| is_name(name, kind.name().as_bytes());
        match candidates.iter().copied().find(is) {
            Some(kind) => kind,
            None if begins_with(name, b"x-forwarded") => Self::XForwarded,
            None => Self::OtherX,
        }
    }

    /// Whether the name begins with `X-`.
    #[must_use]
    pub fn is_x(self) -> bool {
        matches!(self, Self::OtherX | Self::XForwarded) || self.name().starts_with("x-")
    }
}

/// Whether a name begins with `lower`, any case.
#[inline]
pub(crate) fn begins_with(name: &[u8], lower: &[u8]) -> bool {
    name.get(..lower.len())
        .is_some_and(|start| is_name(start, lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_kind_is_found_in_any_case() {
        for &kind in FieldKind::NAMED {
            assert_eq!(FieldKind::of(kind.name().as_bytes()), kind);
            assert_eq!(FieldKind::of(kind.name().to_uppercase().as_bytes()), kind);
        }
    }

    #[test]
    fn near_misses_are_other_names() {
        for name in [
            "",
            "x",
            "xy-request-start",
            "hosts",
            "hast",
            "x_forwarded_for",
            "\x08ost",
        ] {
            assert_eq!(FieldKind::of(name.as_bytes()), FieldKind::Other, "{name}");
        }
        for name in ["x-", "x-forwarde-", "X-Real-I", "x-fourwarded-host"] {
            assert_eq!(FieldKind::of(name.as_bytes()), FieldKind::OtherX, "{name}");
        }
        for name in [
            "X-Forwarded",
            "x-forwarded-far",
            "X-FORWARDED-HOST",
            "x-forwarded-port",
            "x-forwarded-prefix",
        ] {
            let kind = FieldKind::of(name.as_bytes());
            assert_eq!(kind, FieldKind::XForwarded, "{name}");
        }
    }

    #[test]
    fn a_list_value_falls_into_its_members() {
        let row = |value: &'static str| members(value.as_bytes()).collect::<Vec<_>>();
        assert_eq!(row("close , Upgrade"), [b"close".as_slice(), b"Upgrade"]);
        assert!(row(" , ,").is_empty());
    }
}
