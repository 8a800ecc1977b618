//! Tables that were replaced and may still be read.

use std::sync::Arc;

use router_core::table::RouteTable;

/// Keeps replaced tables until their last reader is done, so that no reader has to free one. As
/// many as readers hold, and those since the last look.
#[derive(Debug, Default)]
pub(super) struct Retired {
    tables: Vec<Arc<RouteTable>>,
}

impl Retired {
    /// Keeps a table that is no longer published.
    pub(super) fn keep(&mut self, table: Arc<RouteTable>) {
        self.tables.push(table);
    }

    /// Drops the tables that nobody else holds. No reader can come by a table that is not
    /// published, so a count of one stays one.
    pub(super) fn release(&mut self) {
        self.tables.retain(|table| Arc::strong_count(table) > 1);
    }

    /// Whether none is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_kept_as_long_as_it_is_read() {
        let mut retired = Retired::default();
        let (read, unread) = (Arc::<RouteTable>::default(), Arc::<RouteTable>::default());
        let watch = (Arc::downgrade(&read), Arc::downgrade(&unread));
        let reader = Arc::clone(&read);
        retired.keep(read);
        retired.keep(unread);
        retired.release();
        assert!(watch.0.upgrade().is_some() && watch.1.upgrade().is_none());
        drop(reader);
        assert!(watch.0.upgrade().is_some(), "dropped by the reader");
        retired.release();
        assert!(watch.0.upgrade().is_none() && retired.is_empty());
    }
}
