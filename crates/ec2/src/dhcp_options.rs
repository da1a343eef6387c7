//! Sets of DHCP options.

use std::net::Ipv4Addr;

use control::{DhcpOptionsView, HeldOptions, Query};
use model::{DhcpOptionSet, DhcpOptions, Error, NetbiosNode, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::filter::{self, AskedFilter};
use crate::page::{Paging, USUAL};
use crate::tag::{self, TagItem, TagSpecification};

/// EC2's word for a VPC without a set: it is told what is usual.
pub(crate) const DEFAULT: &str = "default";
/// EC2's word for the VPC's own name server.
const PROVIDED: &str = "AmazonProvidedDNS";
/// Values of one option (four servers; more domains than EC2 says anything about).
const VALUES_MAX: usize = 4;
/// Options that there are.
const KEYS_MAX: usize = 6;

#[derive(FromArg)]
struct AskedOption {
    key: String,
    #[arg(name = "Value", max_items = VALUES_MAX)]
    values: Vec<String>,
}

/// The parameters of `CreateDhcpOptions`.
#[derive(FromArg)]
pub(crate) struct CreateDhcpOptions {
    #[arg(name = "DhcpConfiguration", max_items = KEYS_MAX)]
    options: Vec<AskedOption>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// The reply of `CreateDhcpOptions`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Created {
    dhcp_options: SetItem,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct SetItem {
    dhcp_options_id: String,
    owner_id: String,
    dhcp_configuration_set: Vec<OptionItem>,
    tag_set: Vec<TagItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct OptionItem {
    key: &'static str,
    value_set: Vec<ValueItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct ValueItem {
    value: String,
}

/// Makes a set. One that names no name server tells of the VPC's own.
pub(crate) async fn create(cx: Cx, asked: CreateDhcpOptions) -> Result<Created, Refusal> {
    if asked.options.is_empty() {
        return Err(Error::MissingParameter { name: "DhcpConfiguration" }.into());
    }
    let (mut options, mut names_own_resolver) = (DhcpOptions::default(), false);
    let mut seen: Vec<&str> = Vec::new();
    for AskedOption { key, values } in &asked.options {
        if seen.contains(&key.as_str()) {
            return Err(wrong(format!("'{key}' is given twice")));
        }
        seen.push(key);
        match key.as_str() {
            "domain-name" => options.domain = Some(only(key, values)?.to_owned()),
            "domain-name-servers" if values.iter().any(|value| value == PROVIDED) => {
                only(key, values)?;
                names_own_resolver = true;
            }
            "domain-name-servers" => options.dns_servers = servers(key, values)?,
            "ntp-servers" => options.ntp_servers = servers(key, values)?,
            "netbios-name-servers" => options.netbios_servers = servers(key, values)?,
            "netbios-node-type" => {
                let node = only(key, values)?.parse().ok().and_then(NetbiosNode::of_number);
                options.netbios_node = Some(node.ok_or_else(|| wrong(format!("'{key}' must be 1, 2, 4 or 8")))?);
            }
            _ => return Err(wrong(format!("'{key}' is none of the options that are told"))),
        }
    }
    let command = control::CreateDhcpOptions {
        name: String::new(),
        description: String::new(),
        options,
        names_own_resolver,
        tags: tag::specified(&asked.tags, "dhcp-options", &["dhcp-options"])?,
    };
    Ok(Created { dhcp_options: item(&cx.cloud.run(&cx.caller, command, cx.options(None)).await?) })
}

fn wrong(reason: String) -> Refusal {
    Error::invalid("DhcpConfiguration", reason).into()
}

fn only<'v>(key: &str, values: &'v [String]) -> Result<&'v str, Refusal> {
    match values {
        [only] => Ok(only),
        _ => Err(wrong(format!("'{key}' must have one value"))),
    }
}

/// Addresses, each a value or several in one with commas between.
fn servers(key: &str, values: &[String]) -> Result<Vec<Ipv4Addr>, Refusal> {
    let address = |text: &str| text.trim().parse().map_err(|_| wrong(format!("'{text}' of '{key}' is not an IPv4 address")));
    let servers: Vec<Ipv4Addr> = values.iter().flat_map(|value| value.split(',')).map(address).collect::<Result<_, _>>()?;
    if servers.is_empty() { Err(wrong(format!("'{key}' has no value"))) } else { Ok(servers) }
}

fn item(set: &DhcpOptionSet) -> SetItem {
    let options = &set.options;
    let texts = |servers: &[Ipv4Addr]| servers.iter().map(ToString::to_string).collect::<Vec<_>>();
    let named = if set.names_own_resolver { vec![PROVIDED.to_owned()] } else { texts(&options.dns_servers) };
    let all = [
        ("domain-name", options.domain.iter().cloned().collect()),
        ("domain-name-servers", named),
        ("ntp-servers", texts(&options.ntp_servers)),
        ("netbios-name-servers", texts(&options.netbios_servers)),
        ("netbios-node-type", options.netbios_node.iter().map(|node| node.number().to_string()).collect()),
    ];
    let option = |(key, values): (&'static str, Vec<String>)| OptionItem {
        key,
        value_set: values.into_iter().map(|value| ValueItem { value }).collect(),
    };
    SetItem {
        dhcp_options_id: set.id.to_string(),
        owner_id: set.account.to_string(),
        dhcp_configuration_set: all.into_iter().filter(|(_, values)| !values.is_empty()).map(option).collect(),
        tag_set: tag::items(&set.tags),
    }
}

/// The parameters of `DescribeDhcpOptions`.
#[derive(FromArg)]
pub(crate) struct DescribeDhcpOptions {
    #[arg(name = "DhcpOptionsId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeDhcpOptions`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Sets {
    dhcp_options_set: Vec<SetItem>,
    next_token: Option<String>,
}

/// Lists sets. What is usual is none.
pub(crate) async fn describe(cx: Cx, asked: DescribeDhcpOptions) -> Result<Sets, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let filters = filter::filters(&cx, filter::DHCP_OPTIONS, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::DhcpOptions, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<DhcpOptionsView>(&cx.caller, query).await?;
    let next_token = pages.after(listed.next);
    Ok(Sets { dhcp_options_set: listed.rows.iter().map(|view| item(&view.set)).collect(), next_token })
}

/// The parameters of `AssociateDhcpOptions`.
#[derive(FromArg)]
pub(crate) struct AssociateDhcpOptions {
    dhcp_options_id: String,
    vpc_id: String,
}

/// Has a VPC take up a set, or what is usual.
pub(crate) async fn associate(cx: Cx, asked: AssociateDhcpOptions) -> Result<(), Refusal> {
    let set = match asked.dhcp_options_id.as_str() {
        DEFAULT => None,
        id => Some(tag::id(Noun::DhcpOptions, id)?),
    };
    let command = control::AssociateDhcpOptions { vpc: tag::id(Noun::Vpc, &asked.vpc_id)?, set, held: HeldOptions::Any };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

/// The parameters of `DeleteDhcpOptions`.
#[derive(FromArg)]
pub(crate) struct DeleteDhcpOptions {
    dhcp_options_id: String,
}

/// Deletes a set that no VPC has taken up.
pub(crate) async fn delete(cx: Cx, asked: DeleteDhcpOptions) -> Result<(), Refusal> {
    let command = control::DeleteDhcpOptions { set: tag::id(Noun::DhcpOptions, &asked.dhcp_options_id)? };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}
