//! Sets of DHCP options: made, changed, taken up by VPCs, deleted.
//!
//! A VPC keeps what its machines are told beside the set that said so: a change of a set is written into each of its VPCs, and a VPC that
//! gets options of its own leaves its set.

use model::{
    AccountId, DHCP_OPTION_SETS_MAX, DhcpOptionSet, DhcpOptions, DhcpOptionsId, Error, Noun, Tags, Vpc, VpcId, add_tags, check_name,
};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::describe::{Field, Listing, tag_values};
use crate::instance::check_description;
use crate::network::{self, DEPENDENTS_NAMED, touch_vpc, vpc_of};
use crate::run::{Command, Cx};

/// Makes a set.
#[derive(Debug, Clone, Serialize)]
pub struct CreateDhcpOptions {
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// What it says.
    pub options: DhcpOptions,
    /// Whether the VPC's own name server was asked for by name.
    pub names_own_resolver: bool,
    /// Tags.
    pub tags: Tags,
}

/// Changes a set, and what the machines of its VPCs are told. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyDhcpOptions {
    /// Which one.
    pub set: DhcpOptionsId,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// The domain; an empty one is the region's.
    pub domain: Option<String>,
    /// The name servers; an empty list is the VPC's own.
    pub dns_servers: Option<Vec<std::net::Ipv4Addr>>,
}

/// Deletes a set that no VPC has taken up.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteDhcpOptions {
    /// Which one.
    pub set: DhcpOptionsId,
}

/// What a VPC must have for another set, or none, to take its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum HeldOptions {
    /// Whatever it has.
    Any,
    /// No set.
    None,
    /// This set.
    This(DhcpOptionsId),
    /// Some set.
    Some,
}

/// Has a VPC take up a set, or what is usual.
#[derive(Debug, Clone, Serialize)]
pub struct AssociateDhcpOptions {
    /// The VPC.
    pub vpc: VpcId,
    /// The set; none for what is usual.
    pub set: Option<DhcpOptionsId>,
    /// What it must have before.
    pub held: HeldOptions,
}

/// A set with the VPCs that have taken it up.
#[derive(Debug, Clone)]
pub struct DhcpOptionsView {
    /// The set.
    pub set: DhcpOptionSet,
    /// The VPCs, by id.
    pub vpcs: Vec<VpcId>,
}

impl Command for CreateDhcpOptions {
    type Reply = DhcpOptionSet;
    const NAME: &'static str = "CreateDhcpOptions";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target { path: Some("dhcp-options/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() }])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<DhcpOptionSet, Failure> {
        let account = cx.caller.account();
        if tx.dhcp_options_list(account)?.len() >= DHCP_OPTION_SETS_MAX {
            let (what, limit) = ("sets of DHCP options".to_owned(), DHCP_OPTION_SETS_MAX as u64);
            return Err(Error::LimitReached { name: "DhcpOptions", what, limit }.into());
        }
        check_name("DhcpOptionsSetName", &self.name)?;
        check_description(&self.description)?;
        self.options.check()?;
        let mut set = DhcpOptionSet {
            id: DhcpOptionsId::from_u64(cx.new_id()),
            account,
            name: self.name.clone(),
            description: self.description.clone(),
            options: self.options.clone(),
            names_own_resolver: self.names_own_resolver,
            created_at: cx.now,
            tags: Tags::new(),
        };
        add_tags(&mut set.tags, &self.tags)?;
        tx.insert(&set)?;
        Ok(set)
    }
}

impl Command for ModifyDhcpOptions {
    type Reply = ();
    const NAME: &'static str = "ModifyDhcpOptions";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.set)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut set = set_of(tx, cx.caller.account(), self.set)?;
        if let Some(name) = &self.name {
            check_name("DhcpOptionsSetName", name)?;
            set.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            check_description(description)?;
            set.description.clone_from(description);
        }
        let before = set.options.clone();
        if let Some(domain) = &self.domain {
            set.options.domain = Some(domain.clone()).filter(|domain| !domain.is_empty());
        }
        if let Some(servers) = &self.dns_servers {
            set.options.dns_servers.clone_from(servers);
            set.names_own_resolver = false;
        }
        set.options.check()?;
        tx.update(&set)?;
        if set.options != before {
            for vpc in vpcs_with(tx, &set)? {
                tx.update(&Vpc { dhcp: set.options.clone(), ..vpc.clone() })?;
                touch_vpc(tx, vpc.id)?;
            }
        }
        Ok(())
    }
}

impl Command for DeleteDhcpOptions {
    type Reply = ();
    const NAME: &'static str = "DeleteDhcpOptions";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.set)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let set = set_of(tx, cx.caller.account(), self.set)?;
        let by: Vec<String> = vpcs_with(tx, &set)?.iter().take(DEPENDENTS_NAMED).map(|vpc| vpc.id.to_string()).collect();
        if !by.is_empty() {
            return Err(Error::InUse { noun: Noun::DhcpOptions, id: set.id.to_string(), by }.into());
        }
        tx.delete::<DhcpOptionSet>(set.id)?;
        Ok(())
    }
}

impl Command for AssociateDhcpOptions {
    type Reply = ();
    const NAME: &'static str = "AssociateDhcpOptions";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = network::target(tx, cx, self.vpc)?;
        if let Some(set) = self.set {
            targets.push(target(tx, cx, set)?);
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let account = cx.caller.account();
        let set = self.set.map(|set| set_of(tx, account, set)).transpose()?;
        if let HeldOptions::This(held) = self.held {
            set_of(tx, account, held)?;
        }
        let vpc = vpc_of(tx, account, Some(self.vpc))?;
        let wrong = |state, wanted| Error::IncorrectState { noun: Noun::DhcpOptions, id: vpc.id.to_string(), state, wanted };
        match (self.held, vpc.dhcp_options) {
            (HeldOptions::Any, _) | (HeldOptions::None, None) | (HeldOptions::Some, Some(_)) => {}
            (HeldOptions::This(held), Some(has)) if held == has => {}
            (HeldOptions::None, Some(_)) => return Err(wrong("a VPC with a set", "one without").into()),
            (HeldOptions::This(_), _) => return Err(wrong("a VPC without this set", "one with it").into()),
            (HeldOptions::Some, None) => return Err(wrong("a VPC without a set", "one with a set").into()),
        }
        let dhcp = set.map(|set| set.options).unwrap_or_default();
        tx.update(&Vpc { dhcp, dhcp_options: self.set, ..vpc })?;
        touch_vpc(tx, self.vpc)
    }
}

/// The set, if the account owns it.
fn set_of(tx: &Tx<'_>, account: AccountId, id: DhcpOptionsId) -> Result<DhcpOptionSet, Failure> {
    let set = tx.get::<DhcpOptionSet>(id)?.filter(|set| set.account == account);
    Ok(set.ok_or_else(|| Error::not_found(Noun::DhcpOptions, id))?)
}

fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: DhcpOptionsId) -> Result<Target, Failure> {
    let own = tx.get::<DhcpOptionSet>(id)?.filter(|set| set.account == cx.caller.account());
    Ok(Target::of("dhcp-options", id, &own.map(|set| set.tags).unwrap_or_default()))
}

fn vpcs_with(tx: &Tx<'_>, set: &DhcpOptionSet) -> Result<Vec<Vpc>, Failure> {
    Ok(tx.vpc_list(set.account)?.into_iter().filter(|vpc| vpc.dhcp_options == Some(set.id)).collect())
}

impl Listing for DhcpOptionsView {
    type Id = DhcpOptionsId;
    const NOUN: Noun = Noun::DhcpOptions;

    fn id(&self) -> DhcpOptionsId {
        self.set.id
    }

    fn id_value(id: DhcpOptionsId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<DhcpOptionsView>, Failure> {
        let sets = tx.dhcp_options_list(account)?;
        let all = if sets.is_empty() { vec![] } else { tx.vpc_list(account)? };
        let with = |id| all.iter().filter(|vpc| vpc.dhcp_options == Some(id)).map(|vpc| vpc.id).collect();
        Ok(sets.into_iter().map(|set| DhcpOptionsView { vpcs: with(set.id), set }).collect())
    }

    fn values(&self, field: &Field) -> Vec<String> {
        let DhcpOptionSet { options, .. } = &self.set;
        match field {
            Field::Id => vec![self.set.id.to_string()],
            Field::Name => vec![self.set.name.clone()],
            Field::Owner => vec![self.set.account.to_string()],
            Field::Domain => options.domain.iter().cloned().collect(),
            _ => tag_values(&self.set.tags, field),
        }
    }
}
