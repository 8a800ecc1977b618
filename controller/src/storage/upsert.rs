//! How rows are written down.

/// Writes a row down, a new one or a changed one: `upsert!(change, row, "table", [columns that stay],
/// [columns that change])`. Columns are called as the fields of the row are; `updated_at` is one of them
/// without being named, and changes.
macro_rules! upsert {
    ($change:expr, $row:expr, $table:literal, [$($kept:ident),+], [$($changed:ident),*]) => {{
        let (change, row): (&mut crate::storage::Change, _) = ($change, $row);
        let mut statement = sqlx::QueryBuilder::<sqlx::Sqlite>::new(concat!(
            "INSERT INTO ", $table, " (",
            $(stringify!($kept), ", ",)+ $(stringify!($changed), ", ",)* "updated_at) VALUES ("
        ));
        let mut values = statement.separated(", ");
        $(values.push_bind(&row.$kept);)+
        $(values.push_bind(&row.$changed);)*
        values.push_bind(&row.updated_at);
        statement.push(concat!(
            ") ON CONFLICT (guid) DO UPDATE SET ",
            $(stringify!($changed), " = excluded.", stringify!($changed), ", ",)*
            "updated_at = excluded.updated_at"
        ));
        statement.build().execute(&mut **change).await
    }};
}

pub(super) use upsert;
