//! Lists: what of a table a query and the roles of its caller select.

use controller_core::permission::Scope;
use controller_core::query::ListQuery;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, QueryBuilder, Sqlite};

use super::{Storage, StorageError};

/// How the resources of one kind are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listing {
    /// `SELECT` to the end of its joins, without `WHERE`.
    pub(crate) select: &'static str,
    /// What stands for the table in `select`; it has `guid`, `created_at` and `updated_at`.
    pub(crate) table: &'static str,
    /// The filters of a query, and what they compare.
    pub(crate) filters: &'static [(&'static str, Column)],
    /// What a list may be ordered by, and the column.
    pub(crate) orders: &'static [(&'static str, &'static str)],
    /// The column of the organization that a resource is in; None: roles do not matter.
    pub(crate) organization: Option<&'static str>,
    /// The column of its space; None: it is in none.
    pub(crate) space: Option<&'static str>,
}

/// What a filter compares with its values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// A column.
    Exact(&'static str),
    /// A column, in which case does not count.
    Folded(&'static str),
    /// A condition: what stands before the list of values and what behind it.
    Within(&'static str, &'static str),
}

impl Storage {
    /// Returns one page of what `query` selects within `scope`, and how many there are on all pages.
    pub(crate) async fn list<T>(
        &self,
        listing: &Listing,
        query: &ListQuery,
        scope: &Scope,
    ) -> Result<(Vec<T>, u64), StorageError>
    where
        T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let (_, joins) = listing.select.split_once(" FROM ").unwrap_or_default();
        let mut count = QueryBuilder::<Sqlite>::new("SELECT count(*) FROM ");
        count.push(joins);
        conditions(&mut count, listing, query, scope);
        let total: i64 = count.build_query_scalar().fetch_one(self.read()).await?;
        let mut page = QueryBuilder::<Sqlite>::new(listing.select);
        conditions(&mut page, listing, query, scope);
        order(&mut page, listing, query);
        page.push(" LIMIT ").push_bind(i64::from(query.page.size));
        let offset = i64::try_from(query.page.offset()).unwrap_or(i64::MAX);
        page.push(" OFFSET ").push_bind(offset);
        let rows = page.build_query_as().fetch_all(self.read()).await?;
        Ok((rows, u64::try_from(total).unwrap_or(0)))
    }

    /// Returns the resource of that guid.
    pub(crate) async fn find<T>(
        &self,
        listing: &Listing,
        guid: &str,
    ) -> Result<Option<T>, StorageError>
    where
        T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        self.find_by(listing, &format!("{}.guid", listing.table), guid)
            .await
    }

    /// Returns the resource whose `column` has that value.
    pub(crate) async fn find_by<T>(
        &self,
        listing: &Listing,
        column: &str,
        value: &str,
    ) -> Result<Option<T>, StorageError>
    where
        T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let mut one = QueryBuilder::<Sqlite>::new(listing.select);
        one.push(" WHERE ")
            .push(column)
            .push(" = ")
            .push_bind(value);
        Ok(one.build_query_as().fetch_optional(self.read()).await?)
    }

    /// Returns all resources whose `column` has one of these values, the oldest first.
    pub(crate) async fn find_all<T>(
        &self,
        listing: &Listing,
        column: &str,
        values: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Vec<T>, StorageError>
    where
        T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let mut all = QueryBuilder::<Sqlite>::new(listing.select);
        all.push(" WHERE ").push(column).push(" IN (");
        bind_all(&mut all, values.into_iter().map(Into::into));
        let table = listing.table;
        all.push(format_args!(") ORDER BY {table}.created_at, {table}.guid"));
        Ok(all.build_query_as().fetch_all(self.read()).await?)
    }
}

fn conditions(
    statement: &mut QueryBuilder<Sqlite>,
    listing: &Listing,
    query: &ListQuery,
    scope: &Scope,
) {
    statement.push(" WHERE 1 = 1");
    for (name, column) in listing.filters {
        let Some(values) = query.values(name) else {
            continue;
        };
        let (before, after) = match column {
            Column::Exact(column) => (format!("{column} IN ("), ")"),
            Column::Folded(column) => (format!("lower({column}) IN ("), ")"),
            Column::Within(before, after) => ((*before).to_owned(), *after),
        };
        statement.push(" AND ").push(before);
        let is_folded = matches!(column, Column::Folded(_));
        let folded = |value: &String| {
            if is_folded {
                value.to_lowercase()
            } else {
                value.clone()
            }
        };
        bind_all(statement, values.iter().map(folded));
        statement.push(after);
    }
    let Scope::In {
        organizations,
        spaces,
    } = scope
    else {
        return;
    };
    let Some(organization) = listing.organization else {
        return;
    };
    statement.push(format_args!(" AND ({organization} IN ("));
    bind_all(statement, organizations.iter().cloned());
    statement.push(")");
    if let Some(space) = listing.space {
        statement.push(format_args!(" OR {space} IN ("));
        bind_all(statement, spaces.iter().cloned());
        statement.push(")");
    }
    statement.push(")");
}

fn bind_all(statement: &mut QueryBuilder<Sqlite>, values: impl Iterator<Item = String>) {
    let mut list = statement.separated(", ");
    let mut is_empty = true;
    for value in values {
        list.push_bind(value);
        is_empty = false;
    }
    if is_empty {
        // An empty list is no SQL, and nothing equals this.
        list.push("NULL");
    }
}

fn order(statement: &mut QueryBuilder<Sqlite>, listing: &Listing, query: &ListQuery) {
    let table = listing.table;
    let key = query.order.key;
    let named = listing.orders.iter().find(|(name, _)| *name == key);
    let column = named.map_or_else(
        || format!("{table}.{key}"),
        |(_, column)| (*column).to_owned(),
    );
    let direction = if query.order.descending {
        "DESC"
    } else {
        "ASC"
    };
    statement.push(format_args!(
        " ORDER BY {column} {direction}, {table}.guid {direction}"
    ));
}
