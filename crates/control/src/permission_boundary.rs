//! Boundaries: managed policies that bound what users and roles may do, and give them nothing.
//!
//! ```text
//!   own, attached, groups' documents ─▶ allowed? ─┬─▶ both: it may be done
//!   boundary ──────────────────────▶ allowed? ─┘
//! ```

use model::{AccountId, Error, Noun, Permissions, PolicyRef};
use serde::Serialize;
use store::Tx;

use crate::auth::{Caller, Target};
use crate::holder::Holder;
use crate::permission::{PolicyName, holders_with};
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// What policies are asked about where somebody gets this boundary: that one, not the one that it has.
pub(crate) fn with_boundary(targets: Vec<Target>, boundary: Option<&PolicyName>) -> Vec<Target> {
    targets.into_iter().map(|target| Target { boundary: boundary.cloned(), ..target }).collect()
}

/// Gives a user or a role a boundary, or takes it away.
#[derive(Debug, Clone, Serialize)]
pub struct SetBoundary {
    /// Whom.
    pub holder: Holder,
    /// The managed policy; none takes it away.
    pub boundary: Option<PolicyName>,
}

impl Command for SetBoundary {
    type Reply = ();
    const NAME: &'static str = "SetBoundary";
    const CHANGES_RIGHTS: bool = true;

    /// Policies see the boundary that is given, or the one that is taken away.
    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let targets = self.holder.target(tx, cx.caller.account())?;
        Ok(if self.boundary.is_some() { with_boundary(targets, self.boundary.as_ref()) } else { targets })
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let boundary = self.boundary.as_ref().map(|policy| policy.find(tx, cx.caller.account())).transpose()?;
        self.holder.change(tx, cx, |permissions| {
            if boundary.is_none() && permissions.boundary.is_none() {
                return Err(Error::not_found(Noun::Policy, "the boundary"));
            }
            permissions.boundary.clone_from(&boundary);
            Ok(())
        })
    }
}

/// Whom a managed policy bounds.
pub(crate) fn bounded_by(tx: &Tx<'_>, account: AccountId, policy: &PolicyRef) -> Result<Vec<Holder>, Failure> {
    holders_with(tx, account, |permissions: &Permissions| permissions.boundary.as_ref() == Some(policy))
}

impl Cloud {
    /// Whom a managed policy bounds.
    pub async fn policy_bounds(&self, caller: &Caller, policy: PolicyName) -> Result<Vec<Holder>, Error> {
        self.holders_by(caller, policy, bounded_by).await
    }
}
