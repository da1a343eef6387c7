//! Bandwidth packages: elastic addresses that share a bandwidth in place of each one's own.
//!
//! Hosts hold the addresses that they translate for one VPC to it together. A package whose addresses are on several hosts, or of several
//! VPCs, has its bandwidth on each of them.

use model::{
    AccountId, Address, BANDWIDTH_PACKAGES_MAX, BandwidthPackage, BandwidthPackageId, Error, Noun, PACKAGE_ADDRESSES_MAX, Tags, add_tags,
    check_name,
};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::address::{AddressRef, elastic_of, target_of, tell_bandwidth};
use crate::auth::Target;
use crate::deletion_protection::check_unprotected;
use crate::describe::{Field, Listing, tag_values};
use crate::instance::check_description;
use crate::run::{Command, Cx};

/// Makes a package without addresses.
#[derive(Debug, Clone, Serialize)]
pub struct CreateBandwidthPackage {
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Megabits per second; none for no limit.
    pub bandwidth: Option<u32>,
    /// How it is paid for, in its vendor's word; may be empty.
    pub charge: String,
    /// Tags.
    pub tags: Tags,
}

/// Changes a package, also while its addresses are used. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyBandwidthPackage {
    /// Which one.
    pub package: BandwidthPackageId,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Megabits per second; none for no limit.
    pub bandwidth: Option<Option<u32>>,
    /// How it is paid for, in its vendor's word.
    pub charge: Option<String>,
}

/// Deletes a package.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteBandwidthPackage {
    /// Which one.
    pub package: BandwidthPackageId,
    /// Whether its addresses are taken out of it; one that has any is refused otherwise.
    pub force: bool,
}

/// Brings an elastic address into a package, or takes it out, after which it has its own bandwidth again.
#[derive(Debug, Clone, Serialize)]
pub struct PackAddress {
    /// Which package.
    pub package: BandwidthPackageId,
    /// Which address.
    pub address: AddressRef,
    /// Into it, or out of it.
    pub into: bool,
}

/// A package with its addresses.
#[derive(Debug, Clone)]
pub struct BandwidthPackageView {
    /// The package.
    pub package: BandwidthPackage,
    /// Its addresses, by id.
    pub addresses: Vec<Address>,
}

impl Command for CreateBandwidthPackage {
    type Reply = BandwidthPackageId;
    const NAME: &'static str = "CreateBandwidthPackage";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target { path: Some("bandwidth-package/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() }])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<BandwidthPackageId, Failure> {
        let account = cx.caller.account();
        if tx.bandwidth_package_list(account)?.len() >= BANDWIDTH_PACKAGES_MAX {
            let what = "bandwidth packages".to_owned();
            return Err(Error::LimitReached { name: "BandwidthPackage", what, limit: BANDWIDTH_PACKAGES_MAX as u64 }.into());
        }
        let mut package = BandwidthPackage {
            id: BandwidthPackageId::from_u64(cx.new_id()),
            account,
            name: String::new(),
            description: String::new(),
            bandwidth: None,
            charge: String::new(),
            protected: false,
            created_at: cx.now,
            tags: Tags::new(),
        };
        set(&mut package, Some(&self.name), Some(&self.description), Some(self.bandwidth))?;
        package.charge.clone_from(&self.charge);
        add_tags(&mut package.tags, &self.tags)?;
        tx.insert(&package)?;
        Ok(package.id)
    }
}

impl Command for ModifyBandwidthPackage {
    type Reply = ();
    const NAME: &'static str = "ModifyBandwidthPackage";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.package)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut package = package_of(tx, cx.caller.account(), self.package)?;
        let before = package.bandwidth;
        set(&mut package, self.name.as_deref(), self.description.as_deref(), self.bandwidth)?;
        if let Some(charge) = &self.charge {
            package.charge.clone_from(charge);
        }
        tx.update(&package)?;
        if package.bandwidth != before {
            for address in addresses_of(tx, &package)? {
                tell_bandwidth(tx, cx, &address)?;
            }
        }
        Ok(())
    }
}

impl Command for DeleteBandwidthPackage {
    type Reply = ();
    const NAME: &'static str = "DeleteBandwidthPackage";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.package)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let package = package_of(tx, cx.caller.account(), self.package)?;
        check_unprotected(package.protected, Noun::BandwidthPackage, package.id)?;
        let addresses = addresses_of(tx, &package)?;
        if !addresses.is_empty() && !self.force {
            let by = addresses.iter().map(|address| address.id.to_string()).collect();
            return Err(Error::InUse { noun: Noun::BandwidthPackage, id: package.id.to_string(), by }.into());
        }
        for address in addresses {
            tie(tx, cx, address, None)?;
        }
        tx.delete::<BandwidthPackage>(package.id)?;
        Ok(())
    }
}

impl Command for PackAddress {
    type Reply = ();
    const NAME: &'static str = "PackAddress";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = target_of(tx, cx.caller.account(), self.address)?;
        targets.push(target(tx, cx, self.package)?);
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let package = package_of(tx, cx.caller.account(), self.package)?;
        let address = elastic_of(tx, cx.caller.account(), self.address)?;
        let wrong = |state, wanted| Error::IncorrectState { noun: Noun::Address, id: address.id.to_string(), state, wanted };
        match (self.into, address.package) {
            (true, Some(_)) => return Err(wrong("in a bandwidth package", "in none").into()),
            (false, held) if held != Some(package.id) => return Err(wrong("not in the bandwidth package", "in it").into()),
            (true, None) | (false, _) => {}
        }
        if self.into {
            check_room(tx, &package)?;
        }
        tie(tx, cx, address, Some(package.id).filter(|_| self.into))
    }
}

/// Refuses one address more where a package has as many as it may.
fn check_room(tx: &Tx<'_>, package: &BandwidthPackage) -> Result<(), Failure> {
    if addresses_of(tx, package)?.len() < PACKAGE_ADDRESSES_MAX {
        return Ok(());
    }
    let (what, limit) = (format!("addresses of {}", package.id), PACKAGE_ADDRESSES_MAX as u64);
    Err(Error::LimitReached { name: "BandwidthPackageAddress", what, limit }.into())
}

/// The package that a new address of the account goes to, which has room for it.
pub(crate) fn package_with_room(tx: &Tx<'_>, account: AccountId, id: BandwidthPackageId) -> Result<BandwidthPackageId, Failure> {
    let package = package_of(tx, account, id)?;
    check_room(tx, &package)?;
    Ok(package.id)
}

fn tie(tx: &mut Tx<'_>, cx: &Cx<'_>, address: Address, package: Option<BandwidthPackageId>) -> Result<(), Failure> {
    let address = Address { package, ..address };
    tx.update(&address)?;
    tell_bandwidth(tx, cx, &address)
}

fn set(package: &mut BandwidthPackage, name: Option<&str>, description: Option<&str>, bandwidth: Option<Option<u32>>) -> Result<(), Error> {
    if let Some(name) = name {
        check_name("Name", name)?;
        name.clone_into(&mut package.name);
    }
    if let Some(description) = description {
        check_description(description)?;
        description.clone_into(&mut package.description);
    }
    if let Some(bandwidth) = bandwidth {
        bandwidth.map_or(Ok(()), BandwidthPackage::check_bandwidth)?;
        package.bandwidth = bandwidth;
    }
    Ok(())
}

/// The package, if the account owns it.
pub(crate) fn package_of(tx: &Tx<'_>, account: AccountId, id: BandwidthPackageId) -> Result<BandwidthPackage, Failure> {
    let package = tx.get::<BandwidthPackage>(id)?.filter(|package| package.account == account);
    Ok(package.ok_or_else(|| Error::not_found(Noun::BandwidthPackage, id))?)
}

fn addresses_of(tx: &Tx<'_>, package: &BandwidthPackage) -> Result<Vec<Address>, Failure> {
    Ok(tx.address_list(package.account)?.into_iter().filter(|address| address.package == Some(package.id)).collect())
}

/// What policies are asked about for a call on a package.
pub(crate) fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: BandwidthPackageId) -> Result<Target, Failure> {
    let own = tx.get::<BandwidthPackage>(id)?.filter(|package| package.account == cx.caller.account());
    Ok(Target::of("bandwidth-package", id, &own.map(|package| package.tags).unwrap_or_default()))
}

impl Listing for BandwidthPackageView {
    type Id = BandwidthPackageId;
    const NOUN: Noun = Noun::BandwidthPackage;

    fn id(&self) -> BandwidthPackageId {
        self.package.id
    }

    fn id_value(id: BandwidthPackageId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<BandwidthPackageView>, Failure> {
        let packages = tx.bandwidth_package_list(account)?;
        packages.into_iter().map(|package| Ok(BandwidthPackageView { addresses: addresses_of(tx, &package)?, package })).collect()
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match field {
            Field::Id => vec![self.package.id.to_string()],
            Field::Owner => vec![self.package.account.to_string()],
            Field::Name => vec![self.package.name.clone()],
            Field::Kind => vec![self.package.charge.clone()],
            Field::Allocation => self.addresses.iter().map(|address| address.id.to_string()).collect(),
            Field::PublicIp => self.addresses.iter().map(|address| address.ip.to_string()).collect(),
            _ => tag_values(&self.package.tags, field),
        }
    }
}
