//! Which security groups' rules name a group.

use std::collections::BTreeMap;

use model::{Noun, SecurityGroupId};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::id;

/// Groups that one call names (ECS: 10).
const NAMED_MAX: usize = 10;

/// `DescribeSecurityGroupReferences`.
#[derive(FromArg)]
pub(crate) struct DescribeSecurityGroupReferences {
    #[arg(name = "SecurityGroupId", max_items = NAMED_MAX)]
    ids: Vec<String>,
}

#[derive(Show)]
pub(crate) struct References {
    #[reply(list = "SecurityGroupReference")]
    security_group_references: Vec<ReferenceReply>,
}

#[derive(Show)]
struct ReferenceReply {
    security_group_id: String,
    #[reply(list = "ReferencingSecurityGroup")]
    referencing_security_groups: Vec<GroupReply>,
}

#[derive(Show)]
struct GroupReply {
    ali_uid: String,
    security_group_id: String,
}

/// Lists the groups whose rules name these; those that nobody names are left out.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeSecurityGroupReferences) -> Result<References, Fault> {
    if asked.ids.is_empty() {
        return Err(Fault::missing("SecurityGroupId"));
    }
    let groups = asked.ids.iter().map(|text| id(Noun::SecurityGroup, text)).collect::<Result<Vec<SecurityGroupId>, _>>()?;
    let mut by_group: BTreeMap<SecurityGroupId, Vec<GroupReply>> = BTreeMap::new();
    for found in cx.cloud.group_references(&cx.caller, groups).await? {
        let reply = GroupReply { ali_uid: found.account.to_string(), security_group_id: found.by.to_string() };
        by_group.entry(found.group).or_default().push(reply);
    }
    let reply = |(group, referencing_security_groups): (SecurityGroupId, Vec<GroupReply>)| ReferenceReply {
        security_group_id: group.to_string(),
        referencing_security_groups,
    };
    Ok(References { security_group_references: by_group.into_iter().map(reply).collect() })
}
