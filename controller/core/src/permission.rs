//! Who may do what: one table of actions and the roles that allow them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// What a user is in an organization or in a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Belongs to the organization.
    OrganizationUser,
    /// Manages the organization and its spaces.
    OrganizationManager,
    /// Sees the bills of the organization.
    OrganizationBillingManager,
    /// Sees the organization.
    OrganizationAuditor,
    /// Works on the apps of the space.
    SpaceDeveloper,
    /// Manages the space.
    SpaceManager,
    /// Sees the space.
    SpaceAuditor,
    /// Keeps the apps of the space going, without changing what they are.
    SpaceSupporter,
}

/// What a request does, as far as permissions tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// See an organization.
    ReadOrganization,
    /// Create or delete organizations, or change whether they are suspended.
    AdministerOrganizations,
    /// Change an organization's name or metadata.
    UpdateOrganization,
    /// Create a space in an organization, or delete it.
    AdministerSpaces,
    /// Give or take a role in an organization.
    AssignOrganizationRole,
    /// Create, change or delete a domain that is an organization's own.
    WritePrivateDomain,
    /// Create, change or delete a domain that is shared by all.
    AdministerDomains,
    /// See a space, and what is in it.
    ReadSpace,
    /// Change a space's name or metadata.
    UpdateSpace,
    /// Give or take a role in a space.
    AssignSpaceRole,
    /// Create, change or delete apps and what they are made of.
    WriteApp,
    /// Start, stop, restart or scale an app.
    OperateApp,
    /// See the environment variables of an app.
    ReadEnvironment,
    /// See what an app writes.
    ReadOutput,
    /// Create or delete routes, and choose what they lead to.
    WriteRoute,
    /// Create or delete users.
    AdministerUsers,
}

use Role::{
    OrganizationAuditor, OrganizationBillingManager, OrganizationManager, OrganizationUser,
    SpaceAuditor, SpaceDeveloper, SpaceManager, SpaceSupporter,
};

/// Which roles allow an action. An administrator may do everything; what no role allows is for
/// administrators alone.
const TABLE: &[(Action, &[Role])] = &[
    (
        Action::ReadOrganization,
        &[
            OrganizationUser,
            OrganizationManager,
            OrganizationBillingManager,
            OrganizationAuditor,
        ],
    ),
    (Action::AdministerOrganizations, &[]),
    (Action::UpdateOrganization, &[OrganizationManager]),
    (Action::AdministerSpaces, &[OrganizationManager]),
    (Action::AssignOrganizationRole, &[OrganizationManager]),
    (Action::WritePrivateDomain, &[OrganizationManager]),
    (Action::AdministerDomains, &[]),
    (
        Action::ReadSpace,
        &[
            OrganizationManager,
            SpaceDeveloper,
            SpaceManager,
            SpaceAuditor,
            SpaceSupporter,
        ],
    ),
    (Action::UpdateSpace, &[OrganizationManager, SpaceManager]),
    (
        Action::AssignSpaceRole,
        &[OrganizationManager, SpaceManager],
    ),
    (Action::WriteApp, &[SpaceDeveloper]),
    (Action::OperateApp, &[SpaceDeveloper, SpaceSupporter]),
    (Action::ReadEnvironment, &[SpaceDeveloper]),
    (
        Action::ReadOutput,
        &[
            OrganizationManager,
            SpaceDeveloper,
            SpaceManager,
            SpaceAuditor,
            SpaceSupporter,
        ],
    ),
    (Action::WriteRoute, &[SpaceDeveloper, SpaceSupporter]),
    (Action::AdministerUsers, &[]),
];

impl Role {
    /// Every role.
    pub const ALL: [Self; 8] = [
        OrganizationUser,
        OrganizationManager,
        OrganizationBillingManager,
        OrganizationAuditor,
        SpaceDeveloper,
        SpaceManager,
        SpaceAuditor,
        SpaceSupporter,
    ];

    /// Returns the name that clients know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            OrganizationUser => "organization_user",
            OrganizationManager => "organization_manager",
            OrganizationBillingManager => "organization_billing_manager",
            OrganizationAuditor => "organization_auditor",
            SpaceDeveloper => "space_developer",
            SpaceManager => "space_manager",
            SpaceAuditor => "space_auditor",
            SpaceSupporter => "space_supporter",
        }
    }

    /// Returns the role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Returns whether it is a role in a space, not in an organization.
    #[must_use]
    pub fn is_in_space(self) -> bool {
        matches!(
            self,
            SpaceDeveloper | SpaceManager | SpaceAuditor | SpaceSupporter
        )
    }
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// May do everything.
    pub is_admin: bool,
    /// Roles, each with the guid of the organization or space that it is in.
    pub roles: BTreeSet<(Role, String)>,
}

/// Where something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// In no organization: every user sees what is there.
    Platform,
    /// In the organization of that guid.
    Organization(&'a str),
    /// In a space.
    Space {
        /// The guid of the organization.
        organization: &'a str,
        /// The guid of the space.
        space: &'a str,
    },
}

/// The places in which a caller may do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    Everywhere,
    /// In these alone.
    In {
        /// Guids of organizations; their spaces are included.
        organizations: BTreeSet<String>,
        /// Guids of spaces.
        spaces: BTreeSet<String>,
    },
}

impl Caller {
    /// Checks that the caller may do `action` at `place`, to something that clients call `thing`.
    ///
    /// # Errors
    /// [`Fault::NotFound`] where the caller cannot even see the place, so that guids of others tell
    /// nothing; [`Fault::NotAuthorized`] where seeing is all that it may do.
    pub fn check(
        &self,
        action: Action,
        place: Place<'_>,
        thing: &'static str,
    ) -> Result<(), Fault> {
        if self.may(action, place) {
            return Ok(());
        }
        let sees = match place {
            Place::Platform => true,
            Place::Organization(_) => self.may(Action::ReadOrganization, place),
            Place::Space { .. } => self.may(Action::ReadSpace, place),
        };
        Err(if sees {
            Fault::NotAuthorized
        } else {
            Fault::NotFound(thing)
        })
    }

    /// Returns whether the caller may do `action` at `place`.
    #[must_use]
    pub fn may(&self, action: Action, place: Place<'_>) -> bool {
        let (organization, space) = match place {
            Place::Platform => (None, None),
            Place::Organization(organization) => (Some(organization), None),
            Place::Space {
                organization,
                space,
            } => (Some(organization), Some(space)),
        };
        self.is_admin
            || self.roles.iter().any(|(role, guid)| {
                let at = if role.is_in_space() {
                    space
                } else {
                    organization
                };
                at == Some(guid.as_str()) && allowing(action).contains(role)
            })
    }

    /// Returns where the caller may do `action`, as the rule for what a list shows.
    #[must_use]
    pub fn scope(&self, action: Action) -> Scope {
        if self.is_admin {
            return Scope::Everywhere;
        }
        let guids = |in_space: bool| {
            let all = self.roles.iter();
            all.filter(|(role, _)| role.is_in_space() == in_space)
                .filter(|(role, _)| allowing(action).contains(role))
                .map(|(_, guid)| guid.clone())
                .collect()
        };
        Scope::In {
            organizations: guids(false),
            spaces: guids(true),
        }
    }
}

fn allowing(action: Action) -> &'static [Role] {
    let mut rows = TABLE.iter();
    rows.find(|(row, _)| *row == action)
        .map_or(&[], |(_, roles)| roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(roles: &[(Role, &str)]) -> Caller {
        Caller {
            is_admin: false,
            roles: roles
                .iter()
                .map(|(role, guid)| (*role, (*guid).to_owned()))
                .collect(),
        }
    }

    const SPACE: Place<'static> = Place::Space {
        organization: "o",
        space: "s",
    };

    fn check(roles: &[(Role, &str)], action: Action, place: Place<'_>, status: Option<u16>) {
        let answer = caller(roles).check(action, place, "App");
        let told = answer.err().map(|fault| fault.status());
        assert_eq!(told, status, "{roles:?} {action:?}");
    }

    #[test]
    fn in_a_space_invisible_is_not_found_and_visible_is_forbidden() {
        let check = |role, guid, action, status| check(&[(role, guid)], action, SPACE, status);
        check(SpaceDeveloper, "s", Action::WriteApp, None);
        check(SpaceDeveloper, "t", Action::WriteApp, Some(404));
        check(SpaceDeveloper, "o", Action::WriteApp, Some(404));
        check(SpaceAuditor, "s", Action::WriteApp, Some(403));
        check(SpaceAuditor, "s", Action::ReadEnvironment, Some(403));
        check(SpaceSupporter, "s", Action::OperateApp, None);
        check(SpaceSupporter, "s", Action::WriteApp, Some(403));
        check(OrganizationManager, "o", Action::ReadSpace, None);
        check(OrganizationManager, "o", Action::WriteApp, Some(403));
        check(OrganizationUser, "o", Action::ReadSpace, Some(404));
        check(OrganizationAuditor, "o", Action::ReadOutput, Some(404));
    }

    #[test]
    fn in_an_organization_invisible_is_not_found_and_visible_is_forbidden() {
        let organization = Place::Organization("o");
        let user = [(OrganizationUser, "o")];
        let stranger = [(OrganizationUser, "p")];
        check(&user, Action::ReadOrganization, organization, None);
        check(&user, Action::AdministerSpaces, organization, Some(403));
        check(&stranger, Action::AdministerSpaces, organization, Some(404));
        check(&[], Action::ReadSpace, SPACE, Some(404));
        check(&[], Action::AdministerDomains, Place::Platform, Some(403));
    }

    #[test]
    fn every_action_has_one_row_and_lists_agree_with_single_things() {
        for (number, (action, _)) in TABLE.iter().enumerate() {
            let others = TABLE.iter().skip(number + 1);
            assert!(
                !others.clone().any(|(other, _)| other == action),
                "{action:?}"
            );
            for role in Role::ALL {
                let guid = if role.is_in_space() { "s" } else { "o" };
                let caller = caller(&[(role, guid)]);
                let Scope::In {
                    organizations,
                    spaces,
                } = caller.scope(*action)
                else {
                    panic!("{role:?} is no administrator");
                };
                let listed = organizations.contains("o") || spaces.contains("s");
                assert_eq!(caller.may(*action, SPACE), listed, "{role:?} {action:?}");
            }
            let admin = Caller {
                is_admin: true,
                ..Caller::default()
            };
            assert_eq!(admin.check(*action, SPACE, "App"), Ok(()));
            assert_eq!(admin.scope(*action), Scope::Everywhere);
        }
    }

    #[test]
    fn roles_have_names() {
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.name()), Some(role));
            let written = serde_json::to_string(&role).unwrap();
            assert_eq!(written, format!("\"{}\"", role.name()));
        }
        assert_eq!(Role::from_name("admin"), None);
    }
}
