//! What there is from the first start on: an administrator, a domain, an organization and a space.

use controller_core::claims::ORIGIN;
use controller_core::permission::Role;
use uuid::Uuid;

use crate::clock::now;
use crate::config::Config;
use crate::storage::{
    DomainRow, OrganizationRow, RoleRow, SpaceRow, Storage, StorageError, UserRow,
};
use crate::token_server::hash;

const NO_NOTES: &str = "{}";

/// Makes what is missing; what is there is left as it is.
///
/// # Errors
/// The database failed.
pub(crate) async fn bootstrap(storage: &Storage, config: &Config) -> Result<(), StorageError> {
    let mut change = storage.change().await?;
    if storage.domain_named(&config.domain).await?.is_none() {
        let domain = DomainRow {
            guid: guid(),
            name: config.domain.to_lowercase(),
            internal: false,
            organization_guid: None,
            metadata: NO_NOTES.to_owned(),
            created_at: now(),
            updated_at: None,
        };
        Storage::save_domain(&mut change, &domain).await?;
        tracing::info!(domain = domain.name, "domain-made");
    }
    let first = &config.bootstrap;
    let users = storage.users_named(&first.user).await?;
    if users.is_empty() && !first.password.is_empty() {
        let user = UserRow {
            guid: guid(),
            name: first.user.clone(),
            origin: ORIGIN.to_owned(),
            password_hash: hash(first.password.reveal()).unwrap_or_default(),
            is_admin: true,
            metadata: NO_NOTES.to_owned(),
            created_at: now(),
            updated_at: None,
        };
        Storage::save_user(&mut change, &user).await?;
        tracing::info!(user = user.name, "administrator-made");
        make_space(&mut change, config, &user).await?;
    }
    Storage::commit(change).await
}

async fn make_space(
    change: &mut crate::storage::Change,
    config: &Config,
    user: &UserRow,
) -> Result<(), StorageError> {
    let first = &config.bootstrap;
    let organization = OrganizationRow {
        guid: guid(),
        name: first.organization.clone(),
        suspended: false,
        metadata: NO_NOTES.to_owned(),
        created_at: now(),
        updated_at: None,
    };
    let space = SpaceRow {
        guid: guid(),
        organization_guid: organization.guid.clone(),
        name: first.space.clone(),
        metadata: NO_NOTES.to_owned(),
        created_at: now(),
        updated_at: None,
    };
    Storage::save_organization(change, &organization).await?;
    Storage::save_space(change, &space).await?;
    for (role, organization_guid, space_guid) in [
        (Role::OrganizationManager, Some(&organization.guid), None),
        (Role::SpaceManager, None, Some(&space.guid)),
        (Role::SpaceDeveloper, None, Some(&space.guid)),
    ] {
        let role = RoleRow {
            guid: guid(),
            kind: role.name().to_owned(),
            user_guid: user.guid.clone(),
            organization_guid: organization_guid.cloned(),
            space_guid: space_guid.cloned(),
            created_at: now(),
            updated_at: None,
        };
        Storage::save_role(change, &role).await?;
    }
    Ok(())
}

fn guid() -> String {
    Uuid::new_v4().to_string()
}
