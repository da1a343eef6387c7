//! Which policies let somebody use a service at all.

use model::Error;
use model::policy::Document;

use crate::Cloud;
use crate::auth::{Caller, services_with};
use crate::holder::Holder;
use crate::policy_simulation::{PolicySource, sources};

impl Cloud {
    /// For each service, the policies of a user with its groups, of a group or of a role that allow some action of it. A right in
    /// another cloud's words counts, as it does for calls; denials, conditions and boundaries do not. A root's rights are no policies.
    pub async fn policies_granting(
        &self,
        caller: &Caller,
        of: Holder,
        services: Vec<String>,
    ) -> Result<Vec<(String, Vec<PolicySource>)>, Error> {
        let asked = of.clone();
        let targets = move |tx: &store::Tx<'_>, account| asked.target(tx, account);
        let look = move |tx: &store::Tx<'_>, cx: &crate::run::Cx<'_>| sources(tx, cx.caller.account(), &of);
        let mut held = Vec::new();
        for (source, text) in self.read_about(caller, targets, look).await?.unwrap_or_default() {
            held.push((source, Document::identity(&text).map_err(|error| self.internal("read a policy", &error))?));
        }
        let granting = |service: String| {
            let names = services_with(&service);
            let grants = |document: &Document| names.iter().any(|name| document.allows_some_of(name));
            let found = held.iter().filter(|(_, document)| grants(document)).map(|(source, _)| source.clone()).collect();
            (service, found)
        };
        Ok(services.into_iter().map(granting).collect())
    }
}
