//! The operator's page for messages of the router's own: the part of Go's template language that
//! pages for gorouter are written in.

use std::fmt;

/// A page with places for the facts of one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    pieces: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Status,
    StatusText,
    Message,
    /// `X-Cf-RouterError`.
    RouterError,
    /// A header that our answers do not carry.
    Nothing,
}

/// A place in a page that cannot be filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTemplate {
    /// The line, from 1.
    pub line: usize,
    /// What stands there.
    pub action: String,
}

impl fmt::Display for BadTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: unknown action {{{{{}}}}}",
            self.line, self.action
        )
    }
}

impl std::error::Error for BadTemplate {}

impl ErrorPage {
    /// Reads a page. It may use `.Status`, `.StatusText`, `.Message` and `.Header.Get "Name"`.
    ///
    /// # Errors
    /// The first action that is none of these.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        let mut pieces = Vec::new();
        let mut rest = text;
        let mut line = 1;
        let mut trims = false;
        while let Some((before, after)) = rest.split_once("{{") {
            line += before.matches('\n').count();
            let bad = |action: &str| BadTemplate {
                line,
                action: action.to_owned(),
            };
            let (action, behind) = after.split_once("}}").ok_or_else(|| bad(after.trim()))?;
            let before = if trims { before.trim_start() } else { before };
            let trims_before = action.starts_with("- ");
            let before = if trims_before {
                before.trim_end()
            } else {
                before
            };
            pieces.push(Part::Text(before.to_owned()));
            trims = action.ends_with(" -");
            let action = action.strip_prefix("- ").unwrap_or(action);
            let action = action.strip_suffix(" -").unwrap_or(action).trim();
            pieces.extend(Part::of(action).ok_or_else(|| bad(action))?);
            rest = behind;
        }
        let rest = if trims { rest.trim_start() } else { rest };
        pieces.push(Part::Text(rest.to_owned()));
        Ok(Self { pieces })
    }

    /// The page with the facts of one answer, each escaped for HTML.
    #[must_use]
    pub fn render(&self, status: u16, reason: &str, message: &str, router_error: &str) -> String {
        let mut page = String::new();
        for piece in &self.pieces {
            match piece {
                Part::Text(text) => page.push_str(text),
                Part::Status => page.push_str(&status.to_string()),
                Part::StatusText => escape(reason, &mut page),
                Part::Message => escape(message, &mut page),
                Part::RouterError => escape(router_error, &mut page),
                Part::Nothing => {}
            }
        }
        page
    }
}

impl Part {
    /// The piece behind an action; nothing for a comment.
    fn of(action: &str) -> Option<Option<Self>> {
        let piece = match action {
            ".Status" => Self::Status,
            ".StatusText" => Self::StatusText,
            ".Message" => Self::Message,
            comment if comment.starts_with("/*") && comment.ends_with("*/") => return Some(None),
            header => {
                let name = header.strip_prefix(".Header.Get ")?.trim();
                let name = name.strip_prefix('"')?.strip_suffix('"')?;
                let ours = name.eq_ignore_ascii_case("X-Cf-RouterError");
                if ours {
                    Self::RouterError
                } else {
                    Self::Nothing
                }
            }
        };
        Some(Some(piece))
    }
}

fn escape(text: &str, page: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&#34;"),
            '\'' => page.push_str("&#39;"),
            other => page.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, page: &str) {
        let parsed = ErrorPage::parse(template).unwrap();
        assert_eq!(
            parsed.render(404, "Not Found", "no <b>", "unknown_route"),
            page
        );
    }

    #[test]
    fn facts_stand_where_the_page_wants_them() {
        check("plain", "plain");
        check(
            "<h1>{{.Status}} {{ .StatusText }}</h1>{{.Message}}",
            "<h1>404 Not Found</h1>no &lt;b&gt;",
        );
        check("a {{- /* why */ -}} b", "ab");
        check(
            "{{ .Header.Get \"X-Cf-RouterError\" }}|{{.Header.Get \"Other\"}}",
            "unknown_route|",
        );
    }

    #[test]
    fn what_cannot_be_filled_is_named_with_its_line() {
        let action = "if .Message".to_owned();
        assert_eq!(
            ErrorPage::parse("a\nb{{if .Message}}"),
            Err(BadTemplate { line: 2, action })
        );
        assert!(ErrorPage::parse("{{.Status").is_err());
    }
}
