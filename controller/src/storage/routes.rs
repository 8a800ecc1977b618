//! Routes, and the apps that serve them.

use sqlx::{FromRow, QueryBuilder, Sqlite};

use super::upsert::upsert;
use super::{Change, Column, Listing, Storage, StorageError};

/// A route.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct RouteRow {
    pub(crate) guid: String,
    pub(crate) space_guid: String,
    pub(crate) organization_guid: String,
    pub(crate) domain_guid: String,
    pub(crate) domain_name: String,
    /// Empty: the domain itself.
    pub(crate) host: String,
    /// Empty: every path.
    pub(crate) path: String,
    /// A JSON object of texts.
    pub(crate) options: String,
    pub(crate) metadata: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
}

/// An app that serves a route.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct DestinationRow {
    pub(crate) guid: String,
    pub(crate) route_guid: String,
    pub(crate) app_guid: String,
    pub(crate) process_type: String,
    /// None: the app's own.
    pub(crate) port: Option<u16>,
    pub(crate) protocol: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
}

impl RouteRow {
    pub(crate) const LISTING: Listing = Listing {
        select: "SELECT r.*, d.name AS domain_name, s.organization_guid FROM routes r
            JOIN domains d ON d.guid = r.domain_guid JOIN spaces s ON s.guid = r.space_guid",
        table: "r",
        filters: &[
            ("guids", Column::Exact("r.guid")),
            ("hosts", Column::Folded("r.host")),
            ("paths", Column::Exact("r.path")),
            ("domain_guids", Column::Exact("r.domain_guid")),
            ("space_guids", Column::Exact("r.space_guid")),
            ("organization_guids", Column::Exact("s.organization_guid")),
            (
                "app_guids",
                Column::Within(
                    "r.guid IN (SELECT route_guid FROM destinations WHERE app_guid IN (",
                    "))",
                ),
            ),
            // There are none but HTTP routes, which have no port.
            ("ports", Column::Within("'' IN (", ")")),
        ],
        orders: &[],
        organization: Some("s.organization_guid"),
        space: Some("r.space_guid"),
    };

    /// Returns its URL without a scheme.
    pub(crate) fn url(&self) -> String {
        controller_core::route::url(&self.host, &self.domain_name, &self.path)
    }
}

impl DestinationRow {
    pub(crate) const LISTING: Listing = Listing {
        select: "SELECT t.* FROM destinations t",
        table: "t",
        filters: &[],
        orders: &[],
        organization: None,
        space: None,
    };
}

impl Storage {
    /// Writes a route down, a new one or a changed one.
    pub(crate) async fn save_route(
        change: &mut Change,
        row: &RouteRow,
    ) -> Result<(), StorageError> {
        upsert!(
            change,
            row,
            "routes",
            [guid, space_guid, domain_guid, host, path, created_at],
            [options, metadata]
        )?;
        Ok(())
    }

    /// Lets an app serve a route. That it does already is no error.
    pub(crate) async fn save_destination(
        change: &mut Change,
        row: &DestinationRow,
    ) -> Result<(), StorageError> {
        sqlx::query(
            "INSERT INTO destinations
            (guid, route_guid, app_guid, process_type, port, protocol, created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        )
        .bind(&row.guid)
        .bind(&row.route_guid)
        .bind(&row.app_guid)
        .bind(&row.process_type)
        .bind(row.port)
        .bind(&row.protocol)
        .bind(row.created_at)
        .bind(row.updated_at)
        .execute(&mut **change)
        .await?;
        Ok(())
    }

    /// Returns the route of that host and path on a domain.
    pub(crate) async fn route_at(
        &self,
        domain: &str,
        host: &str,
        path: &str,
    ) -> Result<Option<RouteRow>, StorageError> {
        let mut one = QueryBuilder::<Sqlite>::new(RouteRow::LISTING.select);
        one.push(" WHERE r.domain_guid = ").push_bind(domain);
        one.push(" AND r.host = ").push_bind(host);
        one.push(" AND r.path = ").push_bind(path);
        Ok(one.build_query_as().fetch_optional(self.read()).await?)
    }

    /// Returns the destinations of these routes, the oldest first.
    pub(crate) async fn destinations(
        &self,
        routes: impl IntoIterator<Item = &str>,
    ) -> Result<Vec<DestinationRow>, StorageError> {
        self.find_all(&DestinationRow::LISTING, "t.route_guid", routes)
            .await
    }

    /// Returns the URLs, without a scheme, that lead to a process of an app.
    pub(crate) async fn urls(
        &self,
        app: &str,
        process_type: &str,
    ) -> Result<Vec<String>, StorageError> {
        let mut all = QueryBuilder::<Sqlite>::new(RouteRow::LISTING.select);
        all.push(" WHERE r.guid IN (SELECT route_guid FROM destinations WHERE app_guid = ")
            .push_bind(app);
        all.push(" AND process_type = ").push_bind(process_type);
        all.push(") ORDER BY r.created_at, r.guid");
        let routes: Vec<RouteRow> = all.build_query_as().fetch_all(self.read()).await?;
        Ok(routes.iter().map(RouteRow::url).collect())
    }

    /// Lets no route lead to an app any more.
    pub(crate) async fn unmap(&self, app: &str) -> Result<(), StorageError> {
        sqlx::query("DELETE FROM destinations WHERE app_guid = $1")
            .bind(app)
            .execute(self.write())
            .await?;
        Ok(())
    }
}
