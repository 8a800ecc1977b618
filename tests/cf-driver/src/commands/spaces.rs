//! `target`, `orgs`, `spaces`, `create-org`, `create-space`.

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::{Value, json};

use crate::fault::refused;
use crate::resource::Named;
use crate::session::Session;

/// The organization and the space that commands are about.
#[derive(Clone, Debug)]
pub struct Target {
    /// The organization.
    pub org: Named,
    /// The space.
    pub space: Named,
}

impl Session {
    /// `cf target -o ORG -s SPACE`.
    ///
    /// # Errors
    /// One of them is not there.
    pub async fn target(&mut self, org: &str, space: &str) -> Result<Target> {
        let one = [("page", "1"), ("per_page", "1")];
        let query = [&[("names", org)], &one[..]].concat();
        let orgs: Vec<Named> = self.list("/v3/organizations", &query).await?;
        let found = orgs.into_iter().next();
        let org = found.with_context(|| format!("Organization '{org}' not found."))?;
        let within = [("names", space), ("organization_guids", &org.guid)];
        let query = [&within, &one[..]].concat();
        let spaces: Vec<Named> = self.list("/v3/spaces", &query).await?;
        let found = spaces.into_iter().next();
        let space = found.with_context(|| format!("Space '{space}' not found."))?;
        Ok(Target { org, space })
    }

    /// `cf orgs`.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn orgs(&mut self) -> Result<Vec<Named>> {
        self.list("/v3/organizations", &[("order_by", "name")])
            .await
    }

    /// `cf spaces`.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn spaces(&mut self, org: &str) -> Result<Vec<Named>> {
        let query = [("order_by", "name"), ("organization_guids", org)];
        self.list("/v3/spaces", &query).await
    }

    /// `cf create-org`. Returns whether it was not there before.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub async fn create_org(&mut self, name: &str) -> Result<bool> {
        let body = json!({ "name": name, "suspended": false });
        let made = self
            .change::<Named>(Method::POST, "/v3/organizations", &body)
            .await;
        let exists = format!("Organization '{name}' already exists.");
        or_existing(made, |detail| detail == exists)
    }

    /// `cf create-space`. Returns whether it was not there before.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub async fn create_space(&mut self, name: &str, org: &str) -> Result<bool> {
        let within = json!({ "organization": { "data": { "guid": org } } });
        let body = json!({ "name": name, "relationships": within });
        let made = self
            .change::<Named>(Method::POST, "/v3/spaces", &body)
            .await;
        let guid = made.as_ref().ok().map(|space| space.guid.clone());
        let is_new = or_existing(made, |detail| {
            detail == "Name must be unique per organization"
        })?;
        if let Some(space) = guid {
            for (role, kind, guid) in [
                ("organization_user", "organization", org),
                ("space_manager", "space", space.as_str()),
                ("organization_user", "organization", org),
                ("space_developer", "space", space.as_str()),
            ] {
                self.give_role(role, kind, guid).await?;
            }
        }
        Ok(is_new)
    }

    /// Gives the user who is logged in a role, by name. That they have it already is no error.
    async fn give_role(&mut self, role: &str, kind: &str, guid: &str) -> Result<()> {
        let claims = self.claims()?;
        let user = json!({ "username": claims.user_name, "origin": claims.origin });
        let relations = json!({ kind: { "data": { "guid": guid } }, "user": { "data": user } });
        let body = json!({ "type": role, "relationships": relations });
        let given = self.change::<Value>(Method::POST, "/v3/roles", &body).await;
        or_existing(given, |detail| detail.contains("already has"))?;
        Ok(())
    }
}

/// Whether it was made now; it may have been there already, which the CLI knows by the words.
fn or_existing<T>(made: Result<T>, is_existing: impl Fn(&str) -> bool) -> Result<bool> {
    match made {
        Ok(_) => Ok(true),
        Err(error) => match refused(&error) {
            Some(refused)
                if refused.status == 422
                    && refused.errors.len() == 1
                    && is_existing(refused.detail()) =>
            {
                Ok(false)
            }
            _ => Err(error),
        },
    }
}
