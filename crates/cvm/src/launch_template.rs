//! Launch templates and their versions.

use std::collections::HashMap;

use control::{
    CreateLaunchTemplate as Create, CreateLaunchTemplateVersion as CreateVersion, DeleteLaunchTemplate as Delete,
    DeleteLaunchTemplateVersion, Field, Filter, Many, ModifyLaunchTemplate, Options, Query, TemplateRef, VersionView,
};
use jiff::Timestamp;
use model::{Error, LaunchSettings, LaunchTemplate, LaunchTemplateId, Noun, Subnet, WhichVersion};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::instance::{LaunchData, Machine};
use crate::page::{Cut, LIMIT_MAX};
use crate::tag::{TAGS_PER_CALL, TagSpecification};
use crate::{Cx, id, key_pair, tag};

/// Most versions that one call names (CVM documents 30 of a template).
const VERSIONS_MAX: usize = 30;

/// Parameters that CVM has and this cloud has not.
pub(crate) const ABSENT: &[&str] = &[
    "ActionTimer",
    "DataDisks.CdcId",
    "DataDisks.DiskId",
    "EnableJumboFrame",
    "HpcClusterId",
    "InstanceChargePrepaid",
    "InstanceChargeType",
    "InstanceMarketOptions",
    "InternetAccessible.AntiDDoSPackageId",
    "InternetAccessible.BandwidthPackageId",
    "InternetAccessible.IPv4AddressType",
    "InternetAccessible.IPv6AddressType",
    "Metadata",
    "NetworkInterfaces",
    "Placement.DedicatedResourcePackIds",
    "Placement.DedicatedResourcePackTenancy",
    "Placement.HostId",
    "Placement.HostIds",
    "Placement.RackId",
    "SystemDisk.CdcId",
    "SystemDisk.DiskId",
    "TemplateDataModifyAction",
];

/// The template that a launch names.
#[derive(FromArg)]
pub(crate) struct TemplateArg {
    launch_template_id: String,
    launch_template_version: Option<u64>,
}

/// What a launch says itself, and for the rest its template; which template that is.
pub(crate) async fn under(
    cx: &Cx<'_>,
    template: Option<TemplateArg>,
    said: LaunchSettings,
) -> Result<(Option<(LaunchTemplateId, u64)>, LaunchSettings), Fault> {
    let Some(TemplateArg { launch_template_id, launch_template_version }) = template else { return Ok((None, said)) };
    let version = launch_template_version.map_or(WhichVersion::Default, WhichVersion::Number);
    let view = cx.cloud.launch_template(&cx.caller, named(&launch_template_id)?, version).await?;
    Ok((Some((view.template.id, view.version.number)), said.over(view.version.launch)))
}

fn named(text: &str) -> Result<TemplateRef, Fault> {
    Ok(TemplateRef::Id(id::read(text)?))
}

/// Runs a command that may be dry; a dry run that finds nothing wrong is answered with nothing, as CVM does.
async fn tried<C: control::Command>(cx: &Cx<'_>, command: C, token: Option<String>, dry_run: bool) -> Result<Option<C::Reply>, Fault> {
    let options = Options { client_token: token.filter(|token| !token.is_empty()), dry_run };
    match cx.cloud.run(&cx.caller, command, options).await {
        Ok(reply) => Ok(Some(reply)),
        Err(Error::DryRun) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// `CreateLaunchTemplate`.
#[derive(FromArg)]
pub(crate) struct CreateLaunchTemplate {
    launch_template_name: String,
    launch_template_version_description: Option<String>,
    #[arg(max_items = TAGS_PER_CALL)]
    launch_template_tag_specification: Vec<TagSpecification>,
    client_token: Option<String>,
    #[arg(default)]
    dry_run: bool,
    #[arg(flatten)]
    machine: Machine,
}

#[derive(Show)]
pub(crate) struct Created {
    launch_template_id: String,
}

/// Makes a template with its first version.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateLaunchTemplate) -> Result<Option<Created>, Fault> {
    let command = Create {
        name: asked.launch_template_name,
        description: asked.launch_template_version_description.unwrap_or_default(),
        tags: tag::specified(asked.launch_template_tag_specification, "launch-template")?,
        launch: asked.machine.settings(cx).await?,
    };
    let made = tried(cx, command, asked.client_token, asked.dry_run).await?;
    Ok(made.map(|made| Created { launch_template_id: id::shown(made.template.id) }))
}

/// `CreateLaunchTemplateVersion`.
#[derive(FromArg)]
pub(crate) struct CreateLaunchTemplateVersion {
    launch_template_id: String,
    launch_template_version: Option<u64>,
    launch_template_version_description: Option<String>,
    client_token: Option<String>,
    #[arg(default)]
    dry_run: bool,
    #[arg(flatten)]
    machine: Machine,
}

#[derive(Show)]
pub(crate) struct CreatedVersion {
    launch_template_version_number: u64,
}

/// Makes a version, of what is said and for the rest of the version that is named.
pub(crate) async fn create_version(cx: &Cx<'_>, asked: CreateLaunchTemplateVersion) -> Result<Option<CreatedVersion>, Fault> {
    let command = CreateVersion {
        template: named(&asked.launch_template_id)?,
        source: asked.launch_template_version.map(WhichVersion::Number),
        description: asked.launch_template_version_description.unwrap_or_default(),
        launch: asked.machine.settings(cx).await?,
    };
    let made = tried(cx, command, asked.client_token, asked.dry_run).await?;
    Ok(made.map(|made| CreatedVersion { launch_template_version_number: made.version.number }))
}

/// `ModifyLaunchTemplateDefaultVersion`.
#[derive(FromArg)]
pub(crate) struct ModifyDefault {
    launch_template_id: String,
    default_version: u64,
}

/// Chooses the default version.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyDefault) -> Result<(), Fault> {
    let default = Some(WhichVersion::Number(asked.default_version));
    cx.cloud.run(&cx.caller, ModifyLaunchTemplate { template: named(&asked.launch_template_id)?, default }, cx.options()).await?;
    Ok(())
}

/// `DeleteLaunchTemplate`.
#[derive(FromArg)]
pub(crate) struct DeleteLaunchTemplate {
    launch_template_id: String,
}

/// Deletes a template with its versions.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteLaunchTemplate) -> Result<(), Fault> {
    cx.cloud.run(&cx.caller, Delete { template: named(&asked.launch_template_id)? }, cx.options()).await?;
    Ok(())
}

/// `DeleteLaunchTemplateVersions`.
#[derive(FromArg)]
pub(crate) struct DeleteVersions {
    launch_template_id: String,
    #[arg(max_items = VERSIONS_MAX)]
    launch_template_versions: Vec<u64>,
}

/// Deletes versions: all of them or none.
pub(crate) async fn delete_versions(cx: &Cx<'_>, asked: DeleteVersions) -> Result<(), Fault> {
    if asked.launch_template_versions.is_empty() {
        return Err(Fault::missing("LaunchTemplateVersions"));
    }
    let template = named(&asked.launch_template_id)?;
    let one = |number: u64| DeleteLaunchTemplateVersion { template: template.clone(), number };
    cx.cloud.run(&cx.caller, Many(asked.launch_template_versions.into_iter().map(one).collect()), cx.options()).await?;
    Ok(())
}

/// `DescribeLaunchTemplates`.
#[derive(FromArg)]
pub(crate) struct DescribeLaunchTemplates {
    #[arg(max_items = LIMIT_MAX)]
    launch_template_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Templates {
    total_count: usize,
    launch_template_set: Vec<TemplateReply>,
}

#[derive(Show)]
struct TemplateReply {
    launch_template_id: String,
    launch_template_name: String,
    default_version_number: u64,
    latest_version_number: u64,
    launch_template_version_count: u64,
    created_by: String,
    creation_time: Timestamp,
}

/// Lists templates.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeLaunchTemplates) -> Result<Templates, Fault> {
    not_both("LaunchTemplateIds", &asked.launch_template_ids, &asked.filters)?;
    let filters = Filters::read(&asked.filters, |name| match name {
        "LaunchTemplateName" => Some(By::Is(Field::Name)),
        _ => None,
    })?;
    let query = Query { ids: id::read_all(&asked.launch_template_ids)?, filters: filters.into_vec(), page: asked.cut.page() };
    let listed = cx.cloud.list::<LaunchTemplate>(&cx.caller, query).await?;
    let reply = |template: LaunchTemplate| TemplateReply {
        launch_template_id: id::shown(template.id),
        launch_template_name: template.name,
        default_version_number: template.default_version,
        latest_version_number: template.latest_version,
        launch_template_version_count: template.versions,
        created_by: template.created_by,
        creation_time: template.created_at.timestamp(),
    };
    Ok(Templates { total_count: listed.total, launch_template_set: listed.rows.into_iter().map(reply).collect() })
}

/// `DescribeLaunchTemplateVersions`.
#[derive(FromArg)]
pub(crate) struct DescribeVersions {
    launch_template_id: Option<String>,
    #[arg(max_items = VERSIONS_MAX)]
    launch_template_versions: Vec<u64>,
    min_version: Option<u64>,
    max_version: Option<u64>,
    default_version: Option<bool>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Versions {
    total_count: usize,
    launch_template_version_set: Vec<VersionReply>,
}

#[derive(Show)]
struct VersionReply {
    launch_template_id: String,
    launch_template_version: u64,
    launch_template_version_description: String,
    is_default_version: bool,
    created_by: String,
    creation_time: Timestamp,
    launch_template_version_data: LaunchData,
}

/// Lists versions of a template, or the default versions of all.
pub(crate) async fn describe_versions(cx: &Cx<'_>, asked: DescribeVersions) -> Result<Versions, Fault> {
    let numbers: Vec<_> = asked.launch_template_versions.iter().copied().map(WhichVersion::Number).collect();
    let mut found = match asked.launch_template_id.filter(|text| !text.is_empty()) {
        Some(template) => match cx.cloud.launch_template_versions(&cx.caller, named(&template)?, numbers).await {
            Err(Error::NotFound { noun: Noun::LaunchTemplateVersion, .. }) => vec![],
            other => other?,
        },
        None if asked.default_version == Some(true) => {
            cx.cloud.launch_template_versions_of_all(&cx.caller, vec![WhichVersion::Default]).await?
        }
        None => return Err(Fault::missing("LaunchTemplateId")),
    };
    let range = asked.min_version.unwrap_or(0)..=asked.max_version.unwrap_or(u64::MAX);
    found.retain(|view| range.contains(&view.version.number) && asked.default_version.is_none_or(|only| !only || view.is_default()));
    let (total_count, page) = asked.cut.of(found);
    let subnets = page.iter().filter_map(|view| view.version.launch.subnet).map(|id| id.to_string()).collect();
    let filters = vec![Filter { field: Field::Id, values: subnets }];
    let subnets = cx.cloud.list::<Subnet>(&cx.caller, Query { filters, ..Query::default() }).await?.rows;
    let keys: Vec<String> = page.iter().flat_map(|view| view.version.launch.key_names.clone()).collect();
    let keys = key_pair::ids_by_name(cx, &keys).await?;
    let versions = page.into_iter().map(|view| reply(view, &subnets, &keys)).collect();
    Ok(Versions { total_count, launch_template_version_set: versions })
}

fn reply(view: VersionView, subnets: &[Subnet], keys: &HashMap<String, String>) -> VersionReply {
    let vpc = subnets.iter().find(|subnet| Some(subnet.id) == view.version.launch.subnet).map(|subnet| subnet.vpc);
    let key_ids = view.version.launch.key_names.iter().filter_map(|name| keys.get(name)).cloned().collect();
    let is_default_version = view.is_default();
    let VersionView { template, version } = view;
    VersionReply {
        launch_template_id: id::shown(template.id),
        launch_template_version: version.number,
        launch_template_version_description: version.description,
        is_default_version,
        created_by: version.created_by,
        creation_time: version.created_at.timestamp(),
        launch_template_version_data: LaunchData::of(version.launch, vpc, key_ids),
    }
}
