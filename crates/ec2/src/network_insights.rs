//! Reachability Analyzer: network insights paths and their analyses.

use std::net::IpAddr;

use control::Query;
use ipnet::IpNet;
use jiff::Timestamp;
use model::reachability::{Decider, Obstacle, Step, TableRoute, WayOn};
use model::{
    AclEntry, Direction, Error, IpVersion, NetworkPath, Noun, PathAnalysis, PathEnd, Peer, Protocol, Question, Transport, Verdict,
};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::filter::{self, AskedFilter};
use crate::page::{Paging, USUAL};
use crate::security_group::words;
use crate::tag::{self, TagItem, TagSpecification};

/// What a path cannot be narrowed by here.
pub(crate) const PATH_ABSENT: &[&str] = &["FilterAtSource", "FilterAtDestination"];
/// What an analysis cannot be narrowed by here.
pub(crate) const ANALYSIS_ABSENT: &[&str] = &["AdditionalAccount", "FilterInArn", "FilterOutArn"];

/// The parameters of `CreateNetworkInsightsPath`.
#[derive(FromArg)]
pub(crate) struct CreatePath {
    source: String,
    destination: Option<String>,
    source_ip: Option<IpAddr>,
    destination_ip: Option<IpAddr>,
    protocol: AskedProtocol,
    #[arg(range = 1..=65535)]
    destination_port: Option<u16>,
    client_token: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

#[derive(FromArg, Clone, Copy)]
#[arg(rename = "lowercase")]
enum AskedProtocol {
    Tcp,
    Udp,
}

/// The reply of `CreateNetworkInsightsPath`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct CreatedPath {
    network_insights_path: PathItem,
}

/// The reply of `DescribeNetworkInsightsPaths`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Paths {
    network_insights_path_set: Vec<PathItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct PathItem {
    network_insights_path_id: String,
    network_insights_path_arn: String,
    created_date: Timestamp,
    source: String,
    source_arn: String,
    destination: Option<String>,
    destination_arn: Option<String>,
    source_ip: Option<String>,
    destination_ip: Option<String>,
    protocol: &'static str,
    destination_port: Option<u16>,
    tag_set: Vec<TagItem>,
}

/// Keeps a question.
pub(crate) async fn create_path(cx: Cx, asked: CreatePath) -> Result<CreatedPath, Refusal> {
    // EC2's own takes addresses of IPv4 alone; here one of IPv6 makes it a question of IPv6.
    let is_v6 = asked.source_ip.into_iter().chain(asked.destination_ip).any(|ip| ip.is_ipv6());
    let question = Question {
        version: if is_v6 { IpVersion::V6 } else { IpVersion::V4 },
        from: end("Source", &asked.source)?,
        to: asked.destination.as_deref().map(|text| end("Destination", text)).transpose()?,
        from_ip: asked.source_ip,
        to_ip: asked.destination_ip,
        protocol: match asked.protocol {
            AskedProtocol::Tcp => Transport::Tcp,
            AskedProtocol::Udp => Transport::Udp,
        },
        port: asked.destination_port,
    };
    let kind = "network-insights-path";
    let command = control::CreateNetworkPath { question, tags: tag::specified(&asked.tags, kind, &[kind])? };
    let path = cx.cloud.run(&cx.caller, command, cx.options(asked.client_token)).await?;
    Ok(CreatedPath { network_insights_path: path_item(&cx, &path) })
}

/// Reads the id of an end; the names of other things that EC2 has are as unknown as nonsense.
fn end(parameter: &'static str, text: &str) -> Result<PathEnd, Error> {
    // An ARN ends in the id.
    let id = text.rsplit('/').next().unwrap_or(text);
    match id.split('-').next() {
        Some("i") => Ok(PathEnd::Instance(tag::id(Noun::Instance, id)?)),
        Some("eni") => Ok(PathEnd::Interface(tag::id(Noun::Interface, id)?)),
        Some("igw") => Ok(PathEnd::Gateway(tag::id(Noun::InternetGateway, id)?)),
        _ => Err(Error::invalid(parameter, "must be the id of an instance, a network interface or an internet gateway")),
    }
}

fn end_words(end: PathEnd) -> (&'static str, String) {
    match end {
        PathEnd::Instance(id) => ("instance", id.to_string()),
        PathEnd::Interface(id) => ("network-interface", id.to_string()),
        PathEnd::Gateway(id) => ("internet-gateway", id.to_string()),
    }
}

fn arn(cx: &Cx, kind: &str, id: impl std::fmt::Display) -> String {
    format!("arn:aws:ec2:{}:{}:{kind}/{id}", cx.cloud.region().name, cx.caller.account())
}

fn path_item(cx: &Cx, path: &NetworkPath) -> PathItem {
    let Question { version: _, from, to, from_ip, to_ip, protocol, port } = &path.question;
    let ((from_kind, from), to) = (end_words(*from), to.map(end_words));
    PathItem {
        network_insights_path_id: path.id.to_string(),
        network_insights_path_arn: arn(cx, "network-insights-path", path.id),
        created_date: path.created_at.timestamp(),
        source_arn: arn(cx, from_kind, &from),
        source: from,
        destination_arn: to.as_ref().map(|(kind, id)| arn(cx, kind, id)),
        destination: to.map(|(_, id)| id),
        source_ip: from_ip.map(|ip| ip.to_string()),
        destination_ip: to_ip.map(|ip| ip.to_string()),
        protocol: match protocol {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        },
        destination_port: *port,
        tag_set: tag::items(&path.tags),
    }
}

/// The parameters of `DescribeNetworkInsightsPaths`.
#[derive(FromArg)]
pub(crate) struct DescribePaths {
    #[arg(name = "NetworkInsightsPathId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// Lists questions.
pub(crate) async fn describe_paths(cx: Cx, asked: DescribePaths) -> Result<Paths, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let filters = filter::filters(&cx, filter::NETWORK_PATH, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::NetworkPath, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<NetworkPath>(&cx.caller, query).await?;
    let items = listed.rows.iter().map(|path| path_item(&cx, path)).collect();
    Ok(Paths { network_insights_path_set: items, next_token: pages.after(listed.next) })
}

/// The parameters of `DeleteNetworkInsightsPath`.
#[derive(FromArg)]
pub(crate) struct DeletePath {
    network_insights_path_id: String,
}

/// The reply of `DeleteNetworkInsightsPath`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct DeletedPath {
    network_insights_path_id: String,
}

/// Forgets a question of which no analysis is left.
pub(crate) async fn delete_path(cx: Cx, asked: DeletePath) -> Result<DeletedPath, Refusal> {
    let path = tag::id(Noun::NetworkPath, &asked.network_insights_path_id)?;
    cx.cloud.run(&cx.caller, control::DeleteNetworkPath { path }, cx.options(None)).await?;
    Ok(DeletedPath { network_insights_path_id: path.to_string() })
}

/// The parameters of `StartNetworkInsightsAnalysis`.
#[derive(FromArg)]
pub(crate) struct StartAnalysis {
    network_insights_path_id: String,
    client_token: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// The reply of `StartNetworkInsightsAnalysis`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Started {
    network_insights_analysis: AnalysisItem,
}

/// Answers a question.
pub(crate) async fn start_analysis(cx: Cx, asked: StartAnalysis) -> Result<Started, Refusal> {
    let kind = "network-insights-analysis";
    let command = control::AnalyzeNetworkPath {
        path: tag::id(Noun::NetworkPath, &asked.network_insights_path_id)?,
        tags: tag::specified(&asked.tags, kind, &[kind])?,
    };
    let analysis = cx.cloud.run(&cx.caller, command, cx.options(asked.client_token)).await?;
    Ok(Started { network_insights_analysis: analysis_item(&cx, &analysis) })
}

/// The parameters of `DescribeNetworkInsightsAnalyses`.
#[derive(FromArg)]
pub(crate) struct DescribeAnalyses {
    #[arg(name = "NetworkInsightsAnalysisId")]
    ids: Vec<String>,
    network_insights_path_id: Option<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeNetworkInsightsAnalyses`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Analyses {
    network_insights_analysis_set: Vec<AnalysisItem>,
    next_token: Option<String>,
}

/// Lists answers.
pub(crate) async fn describe_analyses(cx: Cx, asked: DescribeAnalyses) -> Result<Analyses, Refusal> {
    let mut wanted = asked.filters;
    if let Some(path) = asked.network_insights_path_id {
        tag::id::<model::NetworkPathId>(Noun::NetworkPath, &path)?;
        wanted.push(AskedFilter { name: "network-insights-path-id".to_owned(), values: vec![path] });
    }
    let pages = asked.paging.pages(&cx, USUAL, &wanted)?;
    let filters = filter::filters(&cx, filter::PATH_ANALYSIS, &wanted)?;
    let query = Query { ids: tag::ids(Noun::PathAnalysis, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<PathAnalysis>(&cx.caller, query).await?;
    let items = listed.rows.iter().map(|analysis| analysis_item(&cx, analysis)).collect();
    Ok(Analyses { network_insights_analysis_set: items, next_token: pages.after(listed.next) })
}

/// The parameters of `DeleteNetworkInsightsAnalysis`.
#[derive(FromArg)]
pub(crate) struct DeleteAnalysis {
    network_insights_analysis_id: String,
}

/// The reply of `DeleteNetworkInsightsAnalysis`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct DeletedAnalysis {
    network_insights_analysis_id: String,
}

/// Forgets an answer.
pub(crate) async fn delete_analysis(cx: Cx, asked: DeleteAnalysis) -> Result<DeletedAnalysis, Refusal> {
    let analysis = tag::id(Noun::PathAnalysis, &asked.network_insights_analysis_id)?;
    cx.cloud.run(&cx.caller, control::DeletePathAnalysis { analysis }, cx.options(None)).await?;
    Ok(DeletedAnalysis { network_insights_analysis_id: analysis.to_string() })
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct AnalysisItem {
    network_insights_analysis_id: String,
    network_insights_analysis_arn: String,
    network_insights_path_id: String,
    start_date: Timestamp,
    status: &'static str,
    network_path_found: bool,
    #[reply(skip_empty)]
    forward_path_component_set: Vec<ComponentItem>,
    #[reply(skip_empty)]
    explanation_set: Vec<Explanation>,
    tag_set: Vec<TagItem>,
}

#[derive(Show, Default)]
#[reply(rename = "camelCase")]
struct ComponentItem {
    sequence_number: u64,
    acl_rule: Option<AclRuleItem>,
    component: Option<Component>,
    attached_to: Option<Component>,
    vpc: Option<Component>,
    outbound_header: Option<Header>,
    route_table_route: Option<RouteItem>,
    security_group_rule: Option<RuleItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Component {
    id: String,
    arn: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Header {
    #[reply(skip_empty)]
    destination_address_set: Vec<String>,
    #[reply(skip_empty)]
    source_address_set: Vec<String>,
}

#[derive(Show, Default)]
#[reply(rename = "camelCase")]
struct RouteItem {
    destination_cidr: String,
    egress_only_internet_gateway_id: Option<String>,
    gateway_id: Option<String>,
    nat_gateway_id: Option<String>,
    network_interface_id: Option<String>,
    vpc_peering_connection_id: Option<String>,
    origin: &'static str,
    state: Option<&'static str>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct AclRuleItem {
    cidr: String,
    egress: bool,
    port_range: Option<PortRange>,
    protocol: String,
    rule_action: &'static str,
    rule_number: u16,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct RuleItem {
    cidr: Option<String>,
    direction: &'static str,
    security_group_id: String,
    port_range: Option<PortRange>,
    protocol: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct PortRange {
    from: u16,
    to: u16,
}

#[derive(Show, Default)]
#[reply(rename = "camelCase")]
struct Explanation {
    acl: Option<Component>,
    acl_rule: Option<AclRuleItem>,
    explanation_code: &'static str,
    address: Option<String>,
    component: Option<Component>,
    direction: Option<&'static str>,
    network_interface: Option<Component>,
    route_table: Option<Component>,
    route_table_route: Option<RouteItem>,
    security_group_rule: Option<RuleItem>,
    #[reply(skip_empty)]
    security_group_set: Vec<Component>,
}

fn analysis_item(cx: &Cx, analysis: &PathAnalysis) -> AnalysisItem {
    let way = &analysis.way;
    AnalysisItem {
        network_insights_analysis_id: analysis.id.to_string(),
        network_insights_analysis_arn: arn(cx, "network-insights-analysis", analysis.id),
        network_insights_path_id: analysis.path.to_string(),
        start_date: analysis.created_at.timestamp(),
        // Rows are asked, not hosts: there is nothing to wait for and nothing to fail.
        status: "succeeded",
        network_path_found: way.obstacle.is_none(),
        forward_path_component_set: match way.obstacle {
            None => (1..).zip(&way.steps).map(|(at, step)| component_item(cx, at, step)).collect(),
            Some(_) => vec![],
        },
        explanation_set: way.obstacle.iter().map(|obstacle| explanation(cx, obstacle)).collect(),
        tag_set: tag::items(&analysis.tags),
    }
}

fn component(cx: &Cx, kind: &str, id: impl std::fmt::Display) -> Option<Component> {
    Some(Component { arn: arn(cx, kind, &id), id: id.to_string() })
}

fn component_item(cx: &Cx, sequence_number: u64, step: &Step) -> ComponentItem {
    let item = ComponentItem { sequence_number, ..ComponentItem::default() };
    match step {
        Step::Interface { interface, instance } => ComponentItem {
            component: component(cx, "network-interface", interface),
            attached_to: instance.and_then(|instance| component(cx, "instance", instance)),
            ..item
        },
        Step::Accepted { by } => {
            ComponentItem { component: component(cx, "security-group", by.group), security_group_rule: Some(rule_item(by)), ..item }
        }
        Step::Crossed { acl, entry } => {
            ComponentItem { component: component(cx, "network-acl", acl), acl_rule: Some(acl_rule_item(entry)), ..item }
        }
        Step::Local { vpc, table, destination } => ComponentItem {
            component: match table {
                Some(table) => component(cx, "route-table", table),
                None => component(cx, "vpc", vpc),
            },
            vpc: component(cx, "vpc", vpc),
            route_table_route: Some(RouteItem {
                destination_cidr: destination.to_string(),
                gateway_id: Some("local".to_owned()),
                origin: "createroutetable",
                state: Some("active"),
                ..RouteItem::default()
            }),
            ..item
        },
        Step::Route { table, route } => {
            ComponentItem { component: component(cx, "route-table", table), route_table_route: Some(route_item(route, "active")), ..item }
        }
        Step::Open { vpc } => ComponentItem { component: component(cx, "vpc", vpc), vpc: component(cx, "vpc", vpc), ..item },
        Step::NatGateway { gateway } => ComponentItem { component: component(cx, "natgateway", gateway), ..item },
        Step::Peering { peering } => ComponentItem { component: component(cx, "vpc-peering-connection", peering), ..item },
        Step::Gateway { gateway } => ComponentItem { component: component(cx, "internet-gateway", gateway), ..item },
        Step::EgressOnlyGateway { gateway } => ComponentItem { component: component(cx, "egress-only-internet-gateway", gateway), ..item },
        Step::Translated { address, public, private } => ComponentItem {
            component: component(cx, "elastic-ip", address),
            outbound_header: Some(Header {
                destination_address_set: vec![],
                source_address_set: vec![format!("{private}/32"), format!("{public}/32")],
            }),
            ..item
        },
        Step::Beyond { ip } => ComponentItem {
            outbound_header: Some(Header { destination_address_set: vec![IpNet::from(*ip).to_string()], source_address_set: vec![] }),
            ..item
        },
    }
}

fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

fn rule_item(by: &Decider) -> RuleItem {
    RuleItem {
        cidr: match by.peer {
            Peer::Range { range } => Some(range.to_string()),
            Peer::Range6 { range } => Some(range.to_string()),
            Peer::Group { .. } | Peer::List { .. } => None,
        },
        direction: direction_word(by.direction),
        security_group_id: by.group.to_string(),
        port_range: port_range(by.protocol),
        protocol: words(by.protocol).0,
    }
}

fn port_range(protocol: Protocol) -> Option<PortRange> {
    match protocol {
        Protocol::Tcp { from, to } | Protocol::Udp { from, to } => Some(PortRange { from, to }),
        Protocol::All | Protocol::Icmp { .. } | Protocol::Icmp6 { .. } | Protocol::Number { .. } => None,
    }
}

fn acl_rule_item(entry: &AclEntry) -> AclRuleItem {
    AclRuleItem {
        cidr: entry.range.to_string(),
        egress: entry.direction == Direction::Egress,
        port_range: port_range(entry.protocol),
        protocol: words(entry.protocol).0,
        rule_action: match entry.verdict {
            Verdict::Accept => "allow",
            Verdict::Drop => "deny",
        },
        rule_number: entry.number,
    }
}

fn route_item(route: &TableRoute, state: &'static str) -> RouteItem {
    let destination_cidr = route.destination().to_string();
    let item = RouteItem { destination_cidr, origin: "createroute", state: Some(state), ..RouteItem::default() };
    match route.way_on() {
        WayOn::InternetGateway(gateway) => RouteItem { gateway_id: Some(gateway.to_string()), ..item },
        WayOn::EgressOnlyGateway(gateway) => RouteItem { egress_only_internet_gateway_id: Some(gateway.to_string()), ..item },
        WayOn::Interface(interface) => RouteItem { network_interface_id: Some(interface.to_string()), ..item },
        WayOn::NatGateway(gateway) => RouteItem { nat_gateway_id: Some(gateway.to_string()), ..item },
        WayOn::Peering(peering) => RouteItem { vpc_peering_connection_id: Some(peering.to_string()), ..item },
    }
}

/// EC2's codes, from "Reachability Analyzer explanation codes".
fn explanation(cx: &Cx, obstacle: &Obstacle) -> Explanation {
    let interface = |id: &model::InterfaceId| component(cx, "network-interface", id);
    match obstacle {
        Obstacle::NotRunning { interface: id, instance } => Explanation {
            explanation_code: "BAD_STATE",
            component: instance.map_or_else(|| interface(id), |instance| component(cx, "instance", instance)),
            network_interface: interface(id),
            ..Explanation::default()
        },
        Obstacle::Nobody { ip } => {
            Explanation { explanation_code: "NO_POSSIBLE_DESTINATION", address: Some(ip.to_string()), ..Explanation::default() }
        }
        Obstacle::Spoofed { interface: id, ip, direction } => Explanation {
            explanation_code: match direction {
                Direction::Egress => "ENI_SOURCE_DEST_CHECK_RESTRICTION",
                Direction::Ingress => "GATEWAY_REJECTS_SPOOFED_TRAFFIC",
            },
            address: Some(ip.to_string()),
            component: interface(id),
            direction: Some(direction_word(*direction)),
            network_interface: interface(id),
            ..Explanation::default()
        },
        Obstacle::NoRoute { interface: id, table, ip } => Explanation {
            explanation_code: "NO_ROUTE_TO_DESTINATION",
            address: Some(ip.to_string()),
            network_interface: interface(id),
            route_table: table.and_then(|table| component(cx, "route-table", table)),
            ..Explanation::default()
        },
        Obstacle::Blackhole { interface: id, table, route } => Explanation {
            explanation_code: "BAD_STATE_ROUTE",
            network_interface: interface(id),
            route_table: component(cx, "route-table", table),
            route_table_route: Some(route_item(route, "blackhole")),
            ..Explanation::default()
        },
        Obstacle::SentOn { interface: id, table, route } => Explanation {
            explanation_code: "UNSUPPORTED_COMPONENT",
            network_interface: interface(id),
            route_table: component(cx, "route-table", table),
            route_table_route: Some(route_item(route, "active")),
            ..Explanation::default()
        },
        Obstacle::NoPublicAddress { interface: id } => Explanation {
            explanation_code: "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS",
            network_interface: interface(id),
            ..Explanation::default()
        },
        // EC2's words are about IPv4: "none of its network interfaces has an IPv4 address".
        Obstacle::NoIpv6 { interface: id } => Explanation {
            explanation_code: "UNASSOCIATED_COMPONENT",
            component: interface(id),
            network_interface: interface(id),
            ..Explanation::default()
        },
        // The route is there, and none for what comes from outside; EC2 has no code of its own for it.
        Obstacle::OnlyOutward { interface: id, gateway, table, route } => Explanation {
            explanation_code: "NO_ROUTE_TO_DESTINATION",
            component: component(cx, "egress-only-internet-gateway", gateway),
            network_interface: interface(id),
            route_table: component(cx, "route-table", table),
            route_table_route: Some(route_item(route, "active")),
            ..Explanation::default()
        },
        Obstacle::Stopped { interface: id, acl, entry, direction, is_answer: _ } => Explanation {
            acl: component(cx, "network-acl", acl),
            acl_rule: entry.as_ref().map(acl_rule_item),
            explanation_code: "SUBNET_ACL_RESTRICTION",
            direction: Some(direction_word(*direction)),
            network_interface: interface(id),
            ..Explanation::default()
        },
        Obstacle::Dropped { interface: id, direction, groups, by } => Explanation {
            explanation_code: "ENI_SG_RULES_MISMATCH",
            component: interface(id),
            direction: Some(direction_word(*direction)),
            network_interface: interface(id),
            security_group_rule: by.as_ref().map(rule_item),
            security_group_set: groups.iter().filter_map(|group| component(cx, "security-group", group)).collect(),
            ..Explanation::default()
        },
    }
}
