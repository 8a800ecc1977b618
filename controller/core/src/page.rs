//! Lists come in pages, each with the links to the others.

use serde::Serialize;

use crate::fault::Fault;

/// How many entries a page has if the client does not say.
pub const DEFAULT_SIZE: u32 = 50;
/// How many it may ask for.
pub const LARGEST_SIZE: u32 = 5_000;

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Which page, from 1.
    pub number: u32,
    /// Entries on a page, 1 to [`LARGEST_SIZE`].
    pub size: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            number: 1,
            size: DEFAULT_SIZE,
        }
    }
}

impl Page {
    /// Returns how many entries come before this page.
    #[must_use]
    pub fn offset(self) -> u64 {
        u64::from(self.number - 1) * u64::from(self.size)
    }

    /// Reads the value of the parameter `page`.
    ///
    /// # Errors
    /// It is no number from 1.
    pub fn number_from(text: &str) -> Result<u32, Fault> {
        let number = text.parse().ok().filter(|number| *number >= 1);
        number.ok_or_else(|| Fault::BadQueryParameter("Page must be a positive integer".to_owned()))
    }

    /// Reads the value of the parameter `per_page`.
    ///
    /// # Errors
    /// It is no number from 1 to [`LARGEST_SIZE`].
    pub fn size_from(text: &str) -> Result<u32, Fault> {
        let size = text
            .parse()
            .ok()
            .filter(|size| (1..=LARGEST_SIZE).contains(size));
        size.ok_or_else(|| {
            Fault::BadQueryParameter(format!("Per page must be between 1 and {LARGEST_SIZE}"))
        })
    }
}

/// The links from one page of a list to the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pagination {
    /// Entries of the whole list.
    pub total_results: u64,
    /// Pages of the whole list, at least 1.
    pub total_pages: u64,
    /// The first page.
    pub first: PageLink,
    /// The last page.
    pub last: PageLink,
    /// The next page, if there is one.
    pub next: Option<PageLink>,
    /// The page before, if there is one.
    pub previous: Option<PageLink>,
}

/// Where a page is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PageLink {
    /// An absolute URL.
    pub href: String,
}

impl Pagination {
    /// Returns the links of `page` in a list of `total` entries at `url`, an absolute URL without a
    /// query. `others` is the rest of the query, encoded: `names=a&order_by=name`, or empty.
    #[must_use]
    pub fn new(url: &str, others: &str, page: Page, total: u64) -> Self {
        let pages = total.div_ceil(u64::from(page.size)).max(1);
        let link = |number: u64| {
            let before = if others.is_empty() { "" } else { "&" };
            let size = page.size;
            PageLink {
                href: format!("{url}?{others}{before}page={number}&per_page={size}"),
            }
        };
        let number = u64::from(page.number);
        Self {
            total_results: total,
            total_pages: pages,
            first: link(1),
            last: link(pages),
            next: (number < pages).then(|| link(number + 1)),
            previous: (number > 1).then(|| link((number - 1).min(pages))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn links_keep_the_rest_of_the_query() {
        let page = Page { number: 2, size: 2 };
        let links = Pagination::new("https://api.x/v3/apps", "names=a%2Cb", page, 5);
        let href = |number| format!("https://api.x/v3/apps?names=a%2Cb&page={number}&per_page=2");
        assert_eq!((links.total_results, links.total_pages), (5, 3));
        assert_eq!((links.first.href, links.last.href), (href(1), href(3)));
        assert_eq!(links.next.unwrap().href, href(3));
        assert_eq!(links.previous.unwrap().href, href(1));
        let empty = Pagination::new("u", "", Page::default(), 0);
        assert_eq!(empty.first.href, "u?page=1&per_page=50");
        assert_eq!(
            (empty.total_pages, empty.next, empty.previous),
            (1, None, None)
        );
    }

    #[test]
    fn numbers_have_bounds() {
        let check = |text: &str, number: Option<u32>, size: Option<u32>| {
            assert_eq!(Page::number_from(text).ok(), number, "{text}");
            assert_eq!(Page::size_from(text).ok(), size, "{text}");
        };
        check("1", Some(1), Some(1));
        check("5000", Some(5000), Some(5000));
        check("5001", Some(5001), None);
        check("0", None, None);
        check("-1", None, None);
        check("", None, None);
        check("99999999999", None, None);
    }

    proptest! {
        #[test]
        fn next_leads_through_the_whole_list(total in 0_u64..200, size in 1_u32..20) {
            let mut page = Page { number: 1, size };
            let mut seen = 0;
            loop {
                seen += (total - page.offset()).min(u64::from(size));
                if Pagination::new("u", "", page, total).next.is_none() {
                    break;
                }
                page.number += 1;
            }
            prop_assert_eq!(seen, total);
        }
    }
}
