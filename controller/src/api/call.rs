//! One request to the API: who sends it, and what of the platform it may use.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::response::Response;
use controller_core::fault::{Fault, FaultEntry};
use controller_core::page::Pagination;
use controller_core::permission::{Action, Caller, Place, Scope};
use controller_core::query::{ListQuery, ListRules};
use serde::Serialize;
use sqlx::FromRow;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::Shared;
use super::answer::{Answer, Refusal, accepted, ok};
use super::links::Links;
use crate::clock::now;
use crate::storage::{Listing, OrganizationRow, SpaceRow, StorageError, UserRow};

/// A request of a user who is logged in.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) api: Shared,
    pub(crate) links: Links,
    pub(crate) user: UserRow,
    pub(crate) caller: Caller,
    path: String,
    query: String,
}

impl FromRequestParts<Shared> for Call {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Refusal> {
        let token = parts.headers.get(AUTHORIZATION);
        let token = token.ok_or(Fault::NotAuthenticated)?.to_str();
        let token = token.ok().and_then(|text| text.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, token) = token.ok_or(Fault::InvalidAuthToken)?;
        let claims = api.tokens.verify(token)?;
        if !api.addresses.is_issuer(&claims.iss) {
            return Err(Fault::InvalidAuthToken.into());
        }
        let user: Option<UserRow> = api.storage.find(&UserRow::LISTING, &claims.user_id).await?;
        let user = user.ok_or(Fault::InvalidAuthToken)?;
        Ok(Self {
            links: api.addresses.links(&parts.headers),
            caller: api.storage.caller(&user).await?,
            user,
            api: Shared::clone(api),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
        })
    }
}

impl FromRequestParts<Shared> for Links {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Self::Rejection> {
        Ok(api.addresses.links(&parts.headers))
    }
}

/// A list in the form of the API.
#[derive(Debug, Serialize)]
struct List<T> {
    pagination: Pagination,
    resources: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    included: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A resource that is listed as its rows are stored.
pub(crate) trait Listed: Serialize + Sized {
    /// What is stored of it.
    type Row: for<'r> FromRow<'r, SqliteRow> + Send + Unpin;
    /// How its rows are read.
    const LISTING: Listing;

    /// The resource of that row.
    fn new(row: &Self::Row, links: &Links) -> Self;
}

/// What may go with a list.
pub(crate) struct Include<R> {
    /// How it is asked for: `space`.
    pub(crate) name: &'static str,
    /// How it is answered: `spaces`.
    pub(crate) kind: &'static str,
    /// Its guid in a row of the list.
    pub(crate) guid: fn(&R) -> &str,
}

impl Call {
    /// Reads the query of a list that is read as `listing`, and may include what `includes` names.
    ///
    /// # Errors
    /// A parameter that is not known.
    pub(crate) fn asked(
        &self,
        listing: &Listing,
        includes: &[&'static str],
    ) -> Result<ListQuery, Fault> {
        let filters: Vec<&str> = listing.filters.iter().map(|(name, _)| *name).collect();
        let orders: Vec<&str> = listing.orders.iter().map(|(name, _)| *name).collect();
        self.asked_by(&ListRules {
            filters: &filters,
            orders: &orders,
            includes,
        })
    }

    /// Reads the query of a list that is stored nowhere.
    ///
    /// # Errors
    /// A parameter that is not known.
    pub(crate) fn asked_by(&self, rules: &ListRules<'_>) -> Result<ListQuery, Fault> {
        ListQuery::parse(&self.query, rules)
    }

    /// Answers with what the caller may see of a list, perhaps only of that with `within`: a filter and
    /// its value.
    ///
    /// # Errors
    /// A parameter that is not known; the database failed.
    pub(crate) async fn list<T: Listed>(
        &self,
        action: Action,
        within: Option<(&'static str, String)>,
    ) -> Answer {
        let mut query = self.asked(&T::LISTING, &[])?;
        if let Some((filter, value)) = within {
            query.restrict(filter, vec![value]);
        }
        self.list_all::<T>(&T::LISTING, &query, &self.scope(action))
            .await
    }

    /// Answers with what `query` asks for of a list within `scope`.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) async fn list_all<T: Listed>(
        &self,
        listing: &Listing,
        query: &ListQuery,
        scope: &Scope,
    ) -> Answer {
        let found = self.api.storage.list(listing, query, scope);
        let (rows, total): (Vec<T::Row>, u64) = found.await?;
        let resources = rows.iter().map(|row| T::new(row, &self.links)).collect();
        self.page(query, total, resources)
    }

    /// As [`Self::list`], with the resources that the rows name, where they are asked for.
    ///
    /// # Errors
    /// A parameter that is not known; the database failed.
    pub(crate) async fn list_including<T: Listed, I: Listed>(
        &self,
        action: Action,
        include: Include<T::Row>,
    ) -> Answer {
        let query = self.asked(&T::LISTING, &[include.name])?;
        let storage = &self.api.storage;
        let scope = self.scope(action);
        let found = storage.list(&T::LISTING, &query, &scope);
        let (rows, total): (Vec<T::Row>, u64) = found.await?;
        let mut included = None;
        if !query.include.is_empty() {
            let guids = rows.iter().map(include.guid);
            let column = format!("{}.guid", I::LISTING.table);
            let others: Vec<I::Row> = storage.find_all(&I::LISTING, &column, guids).await?;
            let all: Vec<I> = others.iter().map(|row| I::new(row, &self.links)).collect();
            let all = serde_json::to_value(all).unwrap_or_default();
            included = Some((include.kind, all));
        }
        let resources = rows.iter().map(|row| T::new(row, &self.links)).collect();
        self.page_with(&query, total, resources, included)
    }

    /// One page of a list.
    pub(crate) fn page<T: Serialize>(
        &self,
        query: &ListQuery,
        total: u64,
        resources: Vec<T>,
    ) -> Answer {
        self.page_with(query, total, resources, None)
    }

    /// The page that is asked for of a list that is stored nowhere.
    pub(crate) fn page_of<T: Serialize>(&self, query: &ListQuery, all: Vec<T>) -> Answer {
        let total = u64::try_from(all.len()).unwrap_or(u64::MAX);
        let before = usize::try_from(query.page.offset()).unwrap_or(usize::MAX);
        let size = usize::try_from(query.page.size).unwrap_or(usize::MAX);
        let page = all.into_iter().skip(before).take(size).collect();
        self.page(query, total, page)
    }

    /// One page of a list with what goes with it: the name of a kind, and resources of it.
    pub(crate) fn page_with<T: Serialize>(
        &self,
        query: &ListQuery,
        total: u64,
        resources: Vec<T>,
        included: Option<(&str, serde_json::Value)>,
    ) -> Answer {
        let url = self.links.to(&self.path);
        ok(List {
            pagination: Pagination::new(&url, query.others(), query.page, total),
            resources,
            included: included.map(|(kind, all)| [(kind.to_owned(), all)].into_iter().collect()),
        })
    }

    /// Checks that the caller may do `action` at `place` to something of the kind `thing`.
    ///
    /// # Errors
    /// [`Fault::NotFound`], [`Fault::NotAuthorized`].
    pub(crate) fn check(
        &self,
        action: Action,
        place: Place<'_>,
        thing: &'static str,
    ) -> Result<(), Fault> {
        self.caller.check(action, place, thing)
    }

    /// Where the caller may do `action`.
    pub(crate) fn scope(&self, action: Action) -> Scope {
        self.caller.scope(action)
    }

    /// The organization of that guid, if the caller may do `action` in it.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(crate) async fn organization(
        &self,
        guid: &str,
        action: Action,
    ) -> Result<OrganizationRow, Refusal> {
        let found = self.api.storage.find(&OrganizationRow::LISTING, guid);
        let row: OrganizationRow = found.await?.ok_or(Fault::NotFound("Organization"))?;
        self.check(action, Place::Organization(&row.guid), "Organization")?;
        Ok(row)
    }

    /// The space of that guid, if the caller may do `action` in it.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(crate) async fn space(&self, guid: &str, action: Action) -> Result<SpaceRow, Refusal> {
        let found = self.api.storage.find(&SpaceRow::LISTING, guid);
        let row: SpaceRow = found.await?.ok_or(Fault::NotFound("Space"))?;
        self.check(action, place(&row), "Space")?;
        Ok(row)
    }

    /// Answers with a job that has ended already, well or not.
    pub(crate) async fn job(&self, operation: &str, outcome: Result<(), Refusal>) -> Answer {
        let guid = Uuid::new_v4().to_string();
        let errors: Vec<FaultEntry> = match outcome {
            Ok(()) => Vec::new(),
            Err(Refusal(fault)) => fault.entries(),
        };
        let storage = &self.api.storage;
        storage
            .save_job(&guid, operation, Some(&errors), now())
            .await?;
        self.job_at(&guid)
    }

    /// Answers with the job of that guid.
    pub(crate) fn job_at(&self, guid: &str) -> Answer {
        accepted(&self.links.to(&format!("/v3/jobs/{guid}")))
    }

    /// Deletes a row, and answers with a job that is done.
    pub(crate) async fn delete(
        &self,
        table: &'static str,
        guid: &str,
        operation: &str,
    ) -> Result<Response, Refusal> {
        let deleted: Result<bool, StorageError> = self.api.storage.delete(table, guid).await;
        self.job(operation, deleted.map(|_| ()).map_err(Into::into))
            .await
    }
}

/// Where a space is, for permissions.
pub(crate) fn place(row: &SpaceRow) -> Place<'_> {
    Place::Space {
        organization: &row.organization_guid,
        space: &row.guid,
    }
}
