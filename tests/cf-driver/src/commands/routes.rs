//! `routes`, `domains`, `map-route`, `unmap-route`.

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::{Value, json};

use super::Target;
use crate::resource::{App, Domain, Named, Route};
use crate::session::Session;

impl Session {
    /// `cf domains`.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn domains(&mut self, org: &str) -> Result<Vec<Domain>> {
        self.list(&format!("/v3/organizations/{org}/domains"), &[])
            .await
    }

    /// `cf routes`.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn routes(&mut self, space: &str) -> Result<Vec<Route>> {
        let query = [("per_page", "5000"), ("space_guids", space)];
        let routes: Vec<Route> = self.list("/v3/routes", &query).await?;
        self.list::<Named>("/v3/spaces", &[("guids", space)])
            .await?;
        let apps = routes.iter().flat_map(|route| &route.destinations);
        let apps: Vec<&str> = apps.map(|to| to.app.guid.as_str()).collect();
        if !apps.is_empty() {
            let guids = apps.join(",");
            self.list::<App>("/v3/apps", &[("guids", &guids)]).await?;
        }
        let guids: Vec<&str> = routes.iter().map(|route| route.guid.as_str()).collect();
        let guids = guids.join(",");
        let query = [("include", "service_instance"), ("route_guids", &guids)];
        self.list::<Value>("/v3/service_route_bindings", &query)
            .await?;
        Ok(routes)
    }

    /// `cf map-route APP DOMAIN --hostname HOST`.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub async fn map_route(
        &mut self,
        target: &Target,
        app: &str,
        domain: &str,
        host: &str,
    ) -> Result<()> {
        let (domain, app, route) = self.look_up(target, app, domain, host).await?;
        let route = match route {
            Some(route) => route,
            None => {
                let relations = json!({
                    "space": { "data": { "guid": target.space.guid } },
                    "domain": { "data": { "guid": domain.guid } },
                });
                let body = json!({ "host": host, "relationships": relations });
                self.change(Method::POST, "/v3/routes", &body).await?
            }
        };
        if !route.destinations.iter().any(|to| to.app.guid == app.guid) {
            let path = format!("/v3/routes/{}/destinations", route.guid);
            let body = json!({ "destinations": [{ "app": { "guid": app.guid } }] });
            self.change::<Value>(Method::POST, &path, &body).await?;
        }
        Ok(())
    }

    /// `cf unmap-route APP DOMAIN --hostname HOST`.
    ///
    /// # Errors
    /// There is no such route; as [`Self::change`].
    pub async fn unmap_route(
        &mut self,
        target: &Target,
        app: &str,
        domain: &str,
        host: &str,
    ) -> Result<()> {
        let (_, app, route) = self.look_up(target, app, domain, host).await?;
        let route = route.with_context(|| format!("Route with host '{host}' not found."))?;
        let of_app = |guid: &str| guid == app.guid;
        for to in route.destinations.iter().filter(|to| of_app(&to.app.guid)) {
            let path = format!("/v3/routes/{}/destinations/{}", route.guid, to.guid);
            self.change::<Value>(Method::DELETE, &path, &Value::Null)
                .await?;
        }
        Ok(())
    }

    async fn look_up(
        &mut self,
        target: &Target,
        app: &str,
        domain: &str,
        host: &str,
    ) -> Result<(Domain, App, Option<Route>)> {
        let one = [("page", "1"), ("per_page", "1")];
        let query = [&[("names", domain)], &one[..]].concat();
        let domains: Vec<Domain> = self.list("/v3/domains", &query).await?;
        let found = domains.into_iter().next();
        let domain = found.with_context(|| format!("Domain '{domain}' not found."))?;
        let app = self.find_app(app, &target.space.guid).await?;
        let of_domain = [
            ("domain_guids", domain.guid.as_str()),
            ("hosts", host),
            ("paths", ""),
        ];
        let query = [&of_domain, &one[..]].concat();
        let routes: Vec<Route> = self.list("/v3/routes", &query).await?;
        Ok((domain, app, routes.into_iter().next()))
    }
}
