//! What a client asks of a list: filters, order, page, and what to include.

use crate::fault::Fault;
use crate::page::Page;
use crate::percent;

/// What may be asked of one list.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListRules<'a> {
    /// The names of its filters.
    pub filters: &'a [&'static str],
    /// What it can be ordered by, besides `created_at` and `updated_at`.
    pub orders: &'a [&'static str],
    /// What `include` may name.
    pub includes: &'a [&'static str],
}

/// What is asked of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Which part of it.
    pub page: Page,
    /// In which order.
    pub order: Order,
    /// What to include.
    pub include: Vec<&'static str>,
    filters: Vec<(&'static str, Vec<String>)>,
    others: String,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The field.
    pub key: &'static str,
    /// The greatest first.
    pub descending: bool,
}

impl Default for Order {
    fn default() -> Self {
        Self {
            key: "created_at",
            descending: false,
        }
    }
}

impl ListQuery {
    /// Reads `query`, the part of a URL after `?`.
    ///
    /// # Errors
    /// A parameter that the rules do not name, or a value that it cannot have.
    pub fn parse(query: &str, rules: &ListRules<'_>) -> Result<Self, Fault> {
        let mut asked = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (percent::decode_form(key), percent::decode_form(value));
            match key.as_str() {
                "page" => {
                    asked.page.number = Page::number_from(&value)?;
                    continue;
                }
                "per_page" => {
                    asked.page.size = Page::size_from(&value)?;
                    continue;
                }
                "order_by" => asked.order = Order::parse(&value, rules.orders)?,
                "include" if !rules.includes.is_empty() => {
                    asked.include = included(&value, rules.includes)?;
                }
                other => asked.filter(other, &value, rules.filters)?,
            }
            if !asked.others.is_empty() {
                asked.others.push('&');
            }
            asked.others.push_str(pair);
        }
        Ok(asked)
    }

    /// Returns the values that the filter admits; None if it is not used. A filter without a value
    /// admits the empty string.
    #[must_use]
    pub fn values(&self, filter: &str) -> Option<&[String]> {
        let mut all = self.filters.iter();
        all.find(|(name, _)| *name == filter)
            .map(|(_, values)| values.as_slice())
    }

    /// Admits only what `filter` admits and `values` contain.
    pub fn restrict(&mut self, filter: &'static str, values: Vec<String>) {
        match self.filters.iter_mut().find(|(name, _)| *name == filter) {
            Some((_, asked)) => asked.retain(|value| values.contains(value)),
            None => self.filters.push((filter, values)),
        }
    }

    /// Returns the query without its page, encoded as it came.
    #[must_use]
    pub fn others(&self) -> &str {
        &self.others
    }

    fn filter(&mut self, key: &str, value: &str, known: &[&'static str]) -> Result<(), Fault> {
        let Some(name) = known.iter().find(|name| **name == key) else {
            return Err(Fault::BadQueryParameter(format!(
                "Unknown query parameter(s): '{key}'"
            )));
        };
        // Names with a comma are encoded twice.
        let values = value
            .split(',')
            .map(|value| percent::decode(value.trim_start_matches(' ')))
            .collect();
        self.filters.push((name, values));
        Ok(())
    }
}

impl Order {
    fn parse(text: &str, known: &[&'static str]) -> Result<Self, Fault> {
        let (descending, name) = match text.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let always = ["created_at", "updated_at"];
        let mut all = always.iter().chain(known);
        match all.find(|key| **key == name) {
            Some(key) => Ok(Self { key, descending }),
            None => Err(Fault::BadQueryParameter(format!(
                "Order by can only be: {}",
                always
                    .iter()
                    .chain(known)
                    .copied()
                    .collect::<Vec<_>>()
                    .join(", ")
            ))),
        }
    }
}

fn included(value: &str, known: &[&'static str]) -> Result<Vec<&'static str>, Fault> {
    let named = |text: &str| known.iter().find(|name| **name == text).copied();
    let all: Option<Vec<&'static str>> = value.split(',').map(|text| named(text.trim())).collect();
    all.ok_or_else(|| {
        let valid = known.join(", ");
        Fault::BadQueryParameter(format!(
            "Invalid included resource: '{value}'. Valid included resources are: '{valid}'"
        ))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: ListRules<'static> = ListRules {
        filters: &["names", "hosts", "paths", "space_guids"],
        orders: &["name"],
        includes: &["space"],
    };

    #[test]
    fn filters_are_lists_that_are_decoded_twice() {
        let check = |query: &str, filter: &str, expected: Option<&[&str]>| {
            let asked = ListQuery::parse(query, &RULES).unwrap();
            let values = asked
                .values(filter)
                .map(|all| all.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(values.as_deref(), expected, "{query}");
        };
        check("names=a%2Cb", "names", Some(&["a", "b"]));
        check("names=a,++b", "names", Some(&["a", "b"]));
        check("names=a%252Cb,c", "names", Some(&["a,b", "c"]));
        check("names=my+app", "names", Some(&["my app"]));
        check("names=a%2Bb", "names", Some(&["a+b"]));
        check("hosts=&paths=", "hosts", Some(&[""]));
        check("hosts=&paths=", "paths", Some(&[""]));
        check("hosts", "hosts", Some(&[""]));
        check("names=a", "space_guids", None);
        check("", "names", None);
    }

    #[test]
    fn a_query_is_restricted_to_what_it_and_the_rule_admit() {
        for (query, expected) in [
            ("", &["a", "b"][..]),
            ("names=b,c", &["b"]),
            ("names=c", &[]),
        ] {
            let mut asked = ListQuery::parse(query, &RULES).unwrap();
            asked.restrict("names", vec!["a".to_owned(), "b".to_owned()]);
            assert_eq!(asked.values("names").unwrap(), expected, "{query}");
        }
    }

    #[test]
    fn what_is_unknown_is_named() {
        let check = |query: &str, expected: &str| {
            let fault = ListQuery::parse(query, &RULES).unwrap_err();
            assert_eq!(
                (fault.status(), fault.to_string().as_str()),
                (400, expected)
            );
        };
        let prefix = "The query parameter is invalid: ";
        check(
            "guid=a",
            &format!("{prefix}Unknown query parameter(s): 'guid'"),
        );
        check(
            "order_by=memory",
            &format!("{prefix}Order by can only be: created_at, updated_at, name"),
        );
        check(
            "include=org",
            &format!(
                "{prefix}Invalid included resource: 'org'. Valid included resources are: 'space'"
            ),
        );
        check(
            "per_page=5001",
            &format!("{prefix}Per page must be between 1 and 5000"),
        );
        check(
            "page=0",
            &format!("{prefix}Page must be a positive integer"),
        );
    }

    #[test]
    fn the_page_is_not_among_the_others() {
        let query = "include=space&names=a%2Cb&order_by=-name&page=3&per_page=7";
        let asked = ListQuery::parse(query, &RULES).unwrap();
        assert_eq!(asked.page, Page { number: 3, size: 7 });
        assert_eq!((asked.order.key, asked.order.descending), ("name", true));
        assert_eq!(asked.include, ["space"]);
        assert_eq!(asked.others(), "include=space&names=a%2Cb&order_by=-name");
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in ".{0,80}") {
            let fault = ListQuery::parse(&query, &RULES).err();
            prop_assert!(fault.is_none_or(|fault| fault.status() == 400));
        }

        #[test]
        fn names_come_through(names in prop::collection::vec("[^ ].{0,10}", 1..5)) {
            let twice: Vec<_> = names.iter().map(|name| percent::encode(name)).collect();
            let query = format!("names={}", percent::encode(&twice.join(",")));
            let asked = ListQuery::parse(&query, &RULES).unwrap();
            prop_assert_eq!(asked.values("names"), Some(names.as_slice()));
        }
    }
}
