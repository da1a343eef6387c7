//! Public addresses: those that are kept, and those that instances have by themselves.

use control::{
    AddressRef, AddressView, AllocateAddress, AssociateAddress, AssociateTo, DisassociateAddress, Field, GivesWay, Many, Options, Query,
    ReleaseAddress,
};
use jiff::Timestamp;
use model::{AddressId, AddressKind, Error, InstanceId, InterfaceId, InternetCharge};
use wire::{FromArg, Show};

use crate::bandwidth::{ChargeType, IN_PACKAGE, charge_word};
use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::page::{Cut, LIMIT_MAX};
use crate::tag::{TagArg, TagReply};
use crate::{Cx, id, tag};

/// `DescribeAddresses`.
#[derive(FromArg)]
pub(crate) struct DescribeAddresses {
    #[arg(max_items = LIMIT_MAX)]
    address_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Addresses {
    total_count: usize,
    address_set: Vec<AddressReply>,
}

#[derive(Show)]
#[reply(list = "")]
struct AddressReply {
    address_id: String,
    address_name: String,
    address_status: &'static str,
    address_ip: String,
    address_type: &'static str,
    instance_id: String,
    instance_type: &'static str,
    network_interface_id: String,
    private_address_ip: String,
    bandwidth: u32,
    internet_charge_type: &'static str,
    bandwidth_package_id: String,
    internet_service_provider: &'static str,
    egress: &'static str,
    local_bgp: bool,
    is_arrears: bool,
    is_blocked: bool,
    is_eip_direct_connection: bool,
    cascade_release: bool,
    eip_alg_type: AlgType,
    deadline_date: &'static str,
    created_time: Timestamp,
    tag_set: Vec<TagReply>,
}

#[derive(Show)]
struct AlgType {
    ftp: bool,
    sip: bool,
}

/// Lists addresses: elastic ones, unless the type that instances have by themselves is asked for.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeAddresses) -> Result<Addresses, Fault> {
    not_both("AddressIds", &asked.address_ids, &asked.filters)?;
    let mut filters = Filters::read(&asked.filters, filter)?;
    if asked.address_ids.is_empty() && !asked.filters.iter().any(|filter| filter.name == "address-type") {
        filters.push(By::Is(Field::IsElastic), &["true".to_owned()]);
    }
    let query = Query { ids: id::read_all(&asked.address_ids)?, filters: filters.into_vec(), page: asked.cut.page() };
    let listed = cx.cloud.list::<AddressView>(&cx.caller, query).await?;
    Ok(Addresses { total_count: listed.total, address_set: listed.rows.iter().map(reply).collect() })
}

fn filter(name: &str) -> Option<By> {
    Some(match name {
        "address-id" => By::id::<AddressId>(Field::Id),
        "address-name" => By::Is(Field::Name),
        "address-status" => By::Word(Field::Kind, words),
        "instance-type" => By::Word(Field::Kind, tied_to),
        "dedicated-cluster-id" => By::Always(&[]),
        "instance-id" => By::id::<InstanceId>(Field::Instance),
        "private-ip-address" => By::Is(Field::PrivateIp),
        "address-ip" => By::Is(Field::PublicIp),
        "address-type" => By::Word(Field::IsElastic, is_elastic),
        "address-isp" => By::Always(&["BGP"]),
        "network-interface-id" => By::id::<InterfaceId>(Field::Interface),
        "is-arrears" => By::Always(&["FALSE"]),
        _ => return None,
    })
}

/// Whether an address of a type is kept until it is released, in the control plane's words.
fn is_elastic(kind: &str) -> Vec<String> {
    match kind {
        "EIP" => vec!["true".to_owned()],
        "WanIP" => vec!["false".to_owned()],
        _ => vec![],
    }
}

/// What addresses in one of VPC's states are tied to, in the control plane's words.
fn words(status: &str) -> Vec<String> {
    let words = match status {
        "BIND" => &["instance", "nat-gateway"][..],
        "BIND_ENI" => &["interface"],
        "UNBIND" => &["nothing"],
        _ => &[],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The control plane's word for a kind of what addresses are tied to.
fn tied_to(kind: &str) -> Vec<String> {
    let word = match kind {
        "CVM" => "instance",
        "NAT" => "nat-gateway",
        "ENI" => "interface",
        _ => return vec![],
    };
    vec![word.to_owned()]
}

fn reply(view: &AddressView) -> AddressReply {
    let AddressView { address, interface } = view;
    let instance = interface.as_ref().and_then(|nic| nic.instance);
    AddressReply {
        address_id: id::shown(address.id),
        address_name: address.name.clone(),
        address_status: match (instance, interface) {
            _ if address.nat_gateway.is_some() => "BIND",
            (Some(_), _) => "BIND",
            (None, Some(_)) => "BIND_ENI",
            (None, None) => "UNBIND",
        },
        address_ip: address.ip.to_string(),
        address_type: match address.kind {
            AddressKind::Elastic => "EIP",
            AddressKind::Automatic => "WanIP",
        },
        instance_id: address.nat_gateway.map_or_else(|| id::shown_or_empty(instance), id::shown),
        instance_type: match (address.nat_gateway, instance, interface) {
            (Some(_), _, _) => "NAT",
            (None, Some(_), _) => "CVM",
            (None, None, Some(_)) => "ENI",
            (None, None, None) => "",
        },
        network_interface_id: id::shown_or_empty(address.interface),
        private_address_ip: view.private_ip().map(|ip| ip.to_string()).unwrap_or_default(),
        bandwidth: address.bandwidth_shown(),
        internet_charge_type: if address.package.is_some() { IN_PACKAGE } else { charge_word(address.charge) },
        bandwidth_package_id: id::shown_or_empty(address.package),
        internet_service_provider: "BGP",
        egress: "",
        local_bgp: false,
        is_arrears: false,
        is_blocked: false,
        is_eip_direct_connection: false,
        cascade_release: address.kind == AddressKind::Automatic,
        eip_alg_type: AlgType { ftp: false, sip: false },
        deadline_date: "",
        created_time: address.created_at.timestamp(),
        tag_set: tag::replies(&address.tags),
    }
}

/// Megabits per second of an address that names none (VPC documents 1).
const BANDWIDTH: u32 = 1;

/// `AllocateAddresses`.
#[derive(FromArg)]
pub(crate) struct AllocateAddresses {
    #[arg(default = 1, range = 1..=ADDRESSES_PER_CALL)]
    address_count: u32,
    #[arg(default)]
    address_name: String,
    #[arg(default = BANDWIDTH)]
    internet_max_bandwidth_out: u32,
    internet_charge_type: Option<ChargeType>,
    bandwidth_package_id: Option<String>,
    address_type: Option<String>,
    internet_service_provider: Option<String>,
    client_token: Option<String>,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// Parameters of `AllocateAddresses` that are not served.
pub(crate) const ALLOCATE_ABSENT: &[&str] = &[
    "AddressChargePrepaid",
    "AntiDDoSPackageId",
    "AnycastZone",
    "ApplicableForCLB",
    "DedicatedClusterId",
    "Egress",
    "IPChargeType",
    "IsDedicatedAddressPool",
    "VipCluster",
];

/// Most addresses of one call (VPC documents 20).
const ADDRESSES_PER_CALL: u32 = 20;

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Allocated {
    address_set: Vec<String>,
    task_id: &'static str,
}

/// Takes addresses from the public pool: all of them or none.
pub(crate) async fn allocate(cx: &Cx<'_>, asked: AllocateAddresses) -> Result<Allocated, Fault> {
    let tags = tag::tags_of(asked.tags)?;
    for (value, only) in [(&asked.address_type, "EIP"), (&asked.internet_service_provider, "BGP")] {
        if value.as_deref().is_some_and(|value| value != only) {
            return Err(Fault::unsupported(format!("A public address that is no {only}")));
        }
    }
    let package = asked.bandwidth_package_id.filter(|package| !package.is_empty()).map(|package| id::read(&package)).transpose()?;
    let charge = match (asked.internet_charge_type, package) {
        (None | Some(ChargeType::Package), Some(_)) => InternetCharge::default(),
        (Some(_), Some(_)) => return Err(Fault::conflict("`BandwidthPackageId` goes with the charge type BANDWIDTH_PACKAGE")),
        (Some(ChargeType::Package), None) => return Err(Fault::missing("BandwidthPackageId")),
        (charge, None) => charge.map_or(Ok(InternetCharge::default()), ChargeType::own)?,
    };
    let bandwidth = Some(asked.internet_max_bandwidth_out);
    let new = AllocateAddress { name: asked.address_name, bandwidth, charge, package, tags, ..Default::default() };
    let options = Options { client_token: asked.client_token, dry_run: false };
    let made = cx.cloud.run(&cx.caller, Many(vec![new; asked.address_count as usize]), options).await?;
    Ok(Allocated { address_set: made.into_iter().map(|address| id::shown(address.id)).collect(), task_id: DONE })
}

/// The task of a call that has ended when it is answered.
const DONE: &str = "0";
/// The same as a number.
const DONE_TASK: u64 = 0;

/// `DescribeTaskResult`.
#[derive(FromArg)]
pub(crate) struct DescribeTaskResult {
    task_id: u64,
}

#[derive(Show)]
pub(crate) struct TaskResult {
    task_id: u64,
    result: &'static str,
}

/// Tells how a call on addresses went: each has ended when it is answered, so there is one task, and it went well.
pub(crate) async fn task_result(cx: &Cx<'_>, asked: DescribeTaskResult) -> Result<TaskResult, Fault> {
    cx.allowed().await?;
    match asked.task_id {
        DONE_TASK => Ok(TaskResult { task_id: DONE_TASK, result: "SUCCESS" }),
        other => Err(Fault::new("ResourceNotFound", format!("There is no task `{other}`."))),
    }
}

/// A reply that names a task.
#[derive(Show)]
pub(crate) struct Task {
    task_id: &'static str,
}

/// `AssociateAddress`.
#[derive(FromArg)]
pub(crate) struct AssociateAddressArgs {
    address_id: String,
    instance_id: Option<String>,
    network_interface_id: Option<String>,
    private_ip_address: Option<std::net::Ipv4Addr>,
}

/// Ties an address to an instance or an interface; an automatic address of it gives way.
pub(crate) async fn associate(cx: &Cx<'_>, asked: AssociateAddressArgs) -> Result<Task, Fault> {
    let to = match (&asked.instance_id, &asked.network_interface_id) {
        (Some(instance), None) => AssociateTo::Instance(id::read(instance)?),
        (None, Some(interface)) => AssociateTo::Interface(id::read(interface)?),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Error::InvalidCombination { reason: "one of InstanceId and NetworkInterfaceId is needed".to_owned() }.into());
        }
    };
    let address = AddressRef::Id(id::read(&asked.address_id)?);
    let command = AssociateAddress { address, to, private_ip: asked.private_ip_address, gives_way: GivesWay::Automatic };
    cx.cloud.run(&cx.caller, command, cx.options()).await?;
    Ok(Task { task_id: DONE })
}

/// `DisassociateAddress`.
#[derive(FromArg)]
pub(crate) struct DisassociateAddressArgs {
    address_id: String,
}

/// Unties an address, which stays the account's.
pub(crate) async fn disassociate(cx: &Cx<'_>, asked: DisassociateAddressArgs) -> Result<Task, Fault> {
    let address = AddressRef::Id(id::read(&asked.address_id)?);
    cx.cloud.run(&cx.caller, DisassociateAddress { address, from: None }, cx.options()).await?;
    Ok(Task { task_id: DONE })
}

/// `ReleaseAddresses`.
#[derive(FromArg)]
pub(crate) struct ReleaseAddresses {
    #[arg(max_items = ADDRESSES_PER_CALL as usize)]
    address_ids: Vec<String>,
}

/// Gives addresses back to the pool: all of them or none.
pub(crate) async fn release(cx: &Cx<'_>, asked: ReleaseAddresses) -> Result<Task, Fault> {
    let release = |address| ReleaseAddress { address: AddressRef::Id(address) };
    let commands = id::read_some("AddressIds", &asked.address_ids)?.into_iter().map(release).collect();
    cx.cloud.run(&cx.caller, Many(commands), cx.options()).await?;
    Ok(Task { task_id: DONE })
}
