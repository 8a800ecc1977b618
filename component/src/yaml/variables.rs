//! `${NAME}` in the values of a file.

use super::{Content, Node, Report};

/// The value of a variable, if it is set.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Puts the values of variables in place of `${NAME}` in every value below `root`; keys stay as they
/// are. The file has been parsed before, so that no value can add keys to it. `$${` stands for `${`.
///
/// A name that is not set, or that is none, is a fault at its place, and the value is taken away, so
/// that nobody else complains about it.
pub fn expand(root: &mut Node, variables: Variables<'_>, report: &mut Report) {
    match &mut root.content {
        Content::Null => {}
        Content::Scalar(text) => {
            if text.contains("${") {
                match expanded(text, variables) {
                    Ok(whole) => *text = whole,
                    Err(reason) => {
                        report.fault(root.place, reason);
                        root.content = Content::Null;
                    }
                }
            }
        }
        Content::List(rows) => {
            for row in rows {
                expand(row, variables, report);
            }
        }
        Content::Map(entries) => {
            for entry in entries {
                report.path.push(entry.key.clone());
                expand(&mut entry.value, variables, report);
                report.path.pop();
            }
        }
    }
}

/// The text that [`expand`] turns into `text`.
#[must_use]
pub fn unexpanded(text: &str) -> String {
    text.replace("${", "$${")
}

fn expanded(text: &str, variables: Variables<'_>) -> Result<String, String> {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            whole.push_str(before);
            whole.push_str("${");
            rest = after;
            continue;
        }
        whole.push_str(before);
        let name = after.split('}').next().unwrap_or_default();
        let Some(behind) = after
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('}'))
        else {
            return Err("${ without its }; write $${ for a plain ${".into());
        };
        if !is_name(name) {
            return Err(format!(
                "${{{name}}} names no variable; write $${{ for a plain ${{"
            ));
        }
        let value = variables(name)
            .ok_or_else(|| format!("${{{name}}}: {name} is not set in the environment"))?;
        whole.push_str(&value);
        rest = behind;
    }
    whole.push_str(rest);
    Ok(whole)
}

/// A name as shells have them.
fn is_name(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !text.is_empty()
        && text.bytes().all(word)
        && !text.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn variables(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("a.test".to_owned()),
            "EVIL" => Some("x\nport: 1 # ${HOST}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let mut root = parse(&format!("k: [{{v: '{text}'}}]")).unwrap();
        let mut report = Report::default();
        expand(&mut root, &variables, &mut report);
        let Some(Node {
            content: Content::List(rows),
            ..
        }) = root.get("k")
        else {
            panic!("{root:?}")
        };
        let found = match report.faults.first() {
            Some(fault) => Err(fault.to_string()),
            None => Ok(rows[0].get("v").unwrap().text().unwrap().to_owned()),
        };
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn names_become_values() {
        check("${HOST}", Ok("a.test"));
        check("x.${HOST}/${HOST}", Ok("x.a.test/a.test"));
        check("${EMPTY}", Ok(""));
        check("$HOST $ $$ {HOST}", Ok("$HOST $ $$ {HOST}"));
        check("$${HOST} ${HOST}", Ok("${HOST} a.test"));
        check("${EVIL}", Ok("x\nport: 1 # ${HOST}"));
        check(
            "a ${NOBODY}",
            Err("1: k.v: ${NOBODY}: NOBODY is not set in the environment"),
        );
        check(
            "${HOST",
            Err("1: k.v: ${ without its }; write $${ for a plain ${"),
        );
        check(
            "${1x}",
            Err("1: k.v: ${1x} names no variable; write $${ for a plain ${"),
        );
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for text in ["${HOST}", "$${HOST}", "$$${", "plain", "$"] {
            let again = expanded(&unexpanded(text), &variables);
            assert_eq!(again.as_deref(), Ok(text));
        }
    }
}
