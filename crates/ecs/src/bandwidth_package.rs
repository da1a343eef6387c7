//! Internet Shared Bandwidth: packages of elastic addresses that share a bandwidth.

use control::{AddressRef, BandwidthPackageView, Field, ModifyBandwidthPackage, PackAddress, Query};
use jiff::Timestamp;
use model::{Address, AddressId, BandwidthPackageId, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, id, tags_of};
use crate::page::{Numbered, Numbers, PAGE_SIZE_MAX};
use crate::tag::{VpcTagReply, vpc_tag_replies};

/// `CreateCommonBandwidthPackage`.
#[derive(FromArg)]
pub(crate) struct CreateCommonBandwidthPackage {
    bandwidth: u32,
    name: Option<String>,
    description: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Created {
    bandwidth_package_id: String,
    resource_group_id: &'static str,
}

/// Makes a package without addresses.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateCommonBandwidthPackage) -> Result<Created, Fault> {
    let command = control::CreateBandwidthPackage {
        name: asked.name.unwrap_or_default(),
        description: asked.description.unwrap_or_default(),
        bandwidth: Some(asked.bandwidth),
        charge: String::new(),
        tags: tags_of(asked.tags)?,
    };
    let made = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created { bandwidth_package_id: made.to_string(), resource_group_id: "" })
}

/// What is added.
#[derive(Debug, Clone, Copy, FromArg)]
enum IpType {
    #[arg(name = "EIP")]
    Eip,
}

/// `AddCommonBandwidthPackageIp`.
#[derive(FromArg)]
pub(crate) struct AddCommonBandwidthPackageIp {
    bandwidth_package_id: String,
    ip_instance_id: String,
    #[expect(dead_code, reason = "elastic addresses are the only ones that there are")]
    ip_type: Option<IpType>,
}

/// Brings an elastic address into a package.
pub(crate) async fn add(cx: &Cx<'_>, asked: AddCommonBandwidthPackageIp) -> Result<(), Fault> {
    pack(cx, &asked.bandwidth_package_id, &asked.ip_instance_id, true).await
}

/// `RemoveCommonBandwidthPackageIp`.
#[derive(FromArg)]
pub(crate) struct RemoveCommonBandwidthPackageIp {
    bandwidth_package_id: String,
    ip_instance_id: String,
}

/// Takes an elastic address out of a package; it has its own bandwidth again.
pub(crate) async fn remove(cx: &Cx<'_>, asked: RemoveCommonBandwidthPackageIp) -> Result<(), Fault> {
    pack(cx, &asked.bandwidth_package_id, &asked.ip_instance_id, false).await
}

async fn pack(cx: &Cx<'_>, package: &str, address: &str, into: bool) -> Result<(), Fault> {
    let address = AddressRef::Id(id::<AddressId>(Noun::Address, address)?);
    let command = PackAddress { package: package_id(package)?, address, into };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

fn package_id(text: &str) -> Result<BandwidthPackageId, Fault> {
    id(Noun::BandwidthPackage, text)
}

/// `ModifyCommonBandwidthPackageSpec`.
#[derive(FromArg)]
pub(crate) struct ModifyCommonBandwidthPackageSpec {
    bandwidth_package_id: String,
    bandwidth: u32,
}

/// Changes the bandwidth at once.
pub(crate) async fn modify_spec(cx: &Cx<'_>, asked: ModifyCommonBandwidthPackageSpec) -> Result<(), Fault> {
    let package = package_id(&asked.bandwidth_package_id)?;
    let command = ModifyBandwidthPackage { package, name: None, description: None, bandwidth: Some(Some(asked.bandwidth)), charge: None };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `ModifyCommonBandwidthPackageAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyCommonBandwidthPackageAttribute {
    bandwidth_package_id: String,
    name: Option<String>,
    description: Option<String>,
}

/// Changes name and description.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyCommonBandwidthPackageAttribute) -> Result<(), Fault> {
    let package = package_id(&asked.bandwidth_package_id)?;
    let command = ModifyBandwidthPackage { package, name: asked.name, description: asked.description, bandwidth: None, charge: None };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `DeleteCommonBandwidthPackage`.
#[derive(FromArg)]
pub(crate) struct DeleteCommonBandwidthPackage {
    bandwidth_package_id: String,
    #[arg(default)]
    force: bool,
}

/// Deletes a package, and by force one that has addresses.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteCommonBandwidthPackage) -> Result<(), Fault> {
    let command = control::DeleteBandwidthPackage { package: package_id(&asked.bandwidth_package_id)?, force: asked.force };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `DescribeCommonBandwidthPackages`.
#[derive(FromArg)]
pub(crate) struct DescribeCommonBandwidthPackages {
    bandwidth_package_id: Option<String>,
    name: Option<String>,
    resource_group_id: Option<String>,
    security_protection_enabled: Option<bool>,
    #[expect(dead_code, reason = "nothing is ordered for later")]
    include_reservation_data: Option<bool>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct Packages {
    #[reply(list = "CommonBandwidthPackage")]
    common_bandwidth_packages: Vec<PackageReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct PackageReply {
    bandwidth_package_id: String,
    name: String,
    description: String,
    region_id: String,
    bandwidth: String,
    status: &'static str,
    business_status: &'static str,
    instance_charge_type: &'static str,
    internet_charge_type: &'static str,
    #[reply(name = "ISP")]
    isp: &'static str,
    ratio: u32,
    deletion_protection: bool,
    creation_time: Timestamp,
    resource_group_id: &'static str,
    #[reply(list = "PublicIpAddresse")]
    public_ip_addresses: Vec<PackedReply>,
    #[reply(list = "Tag")]
    tags: Vec<VpcTagReply>,
}

#[derive(Show)]
struct PackedReply {
    allocation_id: String,
    ip_address: String,
    bandwidth_package_ip_relation_status: &'static str,
}

/// Lists packages with their addresses.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeCommonBandwidthPackages) -> Result<Packages, Fault> {
    let mut filters = Filters::new();
    filters
        .exact(Field::Id, asked.bandwidth_package_id)
        .exact(Field::Name, asked.name)
        .always(asked.resource_group_id.as_ref(), &[])
        .always(asked.security_protection_enabled.map(|on| on.to_string()).as_ref(), &["false"])
        .tags(&asked.tags);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list::<BandwidthPackageView>(&cx.caller, query).await?;
    let numbers = asked.numbered.numbers(&listed);
    Ok(Packages { common_bandwidth_packages: listed.rows.iter().map(|row| reply(cx, row)).collect(), numbers })
}

fn reply(cx: &Cx<'_>, row: &BandwidthPackageView) -> PackageReply {
    let package = &row.package;
    let packed = |address: &Address| PackedReply {
        allocation_id: address.id.to_string(),
        ip_address: address.ip.to_string(),
        bandwidth_package_ip_relation_status: "BINDED",
    };
    PackageReply {
        bandwidth_package_id: package.id.to_string(),
        name: package.name.clone(),
        description: package.description.clone(),
        region_id: cx.region(),
        bandwidth: package.bandwidth_shown().to_string(),
        status: "Available",
        business_status: "Normal",
        instance_charge_type: "PostPaid",
        internet_charge_type: "PayByTraffic",
        isp: "BGP",
        ratio: 100,
        deletion_protection: package.protected,
        creation_time: package.created_at.timestamp(),
        resource_group_id: "",
        public_ip_addresses: row.addresses.iter().map(packed).collect(),
        tags: vpc_tag_replies(&package.tags),
    }
}
