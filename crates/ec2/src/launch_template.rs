//! Launch templates and their versions.

use control::{
    CreateLaunchTemplate as Create, CreateLaunchTemplateVersion as CreateVersion, DeleteLaunchTemplate as Delete,
    DeleteLaunchTemplateVersion, Field, Filter, ModifyLaunchTemplate as Modify, Options, Query, TemplateRef, VersionView,
};
use jiff::Timestamp;
use model::{Error, LaunchSettings, LaunchTemplate, LaunchTemplateId, Noun, WhichVersion};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, combination};
use crate::filter::{self, AskedFilter};
use crate::launch_template_data::LaunchData;
use crate::page::{Paging, every_row};
use crate::run_instances::{Machine, settings};
use crate::shown_filter::is_shown;
use crate::tag::{self, TagItem, TagSpecification};

/// Things that these calls can tag.
const TAGGED: &[&str] = &["launch-template"];
/// Most versions that are named in one call (EC2 documents 200).
const VERSIONS_MAX: usize = 200;
/// Page sizes (EC2 documents 1 to 200).
const PAGES: std::ops::RangeInclusive<u32> = 1..=200;

/// Parameters of EC2's for things that this cloud does not have yet.
pub(crate) const ABSENT: &[&str] = &[
    "LaunchTemplateData.BlockDeviceMapping.Ebs.EbsCardIndex",
    "LaunchTemplateData.BlockDeviceMapping.Ebs.VolumeInitializationRate",
    "LaunchTemplateData.BlockDeviceMapping.VirtualName",
    "LaunchTemplateData.CpuOptions",
    "LaunchTemplateData.ElasticGpuSpecification",
    "LaunchTemplateData.ElasticInferenceAccelerator",
    "LaunchTemplateData.InstanceMarketOptions",
    "LaunchTemplateData.InstanceRequirements",
    "LaunchTemplateData.KernelId",
    "LaunchTemplateData.LicenseSpecification",
    "LaunchTemplateData.MaintenanceOptions",
    "LaunchTemplateData.Monitoring.MetricCategoryId",
    "LaunchTemplateData.NetworkInterface.AssociateCarrierIpAddress",
    "LaunchTemplateData.NetworkInterface.ConnectionTrackingSpecification",
    "LaunchTemplateData.NetworkInterface.Description",
    "LaunchTemplateData.NetworkInterface.EnaQueueCount",
    "LaunchTemplateData.NetworkInterface.EnaSrdSpecification",
    "LaunchTemplateData.NetworkInterface.Ipv4Prefix",
    "LaunchTemplateData.NetworkInterface.Ipv4PrefixCount",
    "LaunchTemplateData.NetworkInterface.Ipv6AddressCount",
    "LaunchTemplateData.NetworkInterface.Ipv6Addresses",
    "LaunchTemplateData.NetworkInterface.Ipv6Prefix",
    "LaunchTemplateData.NetworkInterface.Ipv6PrefixCount",
    "LaunchTemplateData.NetworkInterface.NetworkInterfaceId",
    "LaunchTemplateData.NetworkInterface.PrimaryIpv6",
    "LaunchTemplateData.NetworkInterface.SecondaryPrivateIpAddressCount",
    "LaunchTemplateData.NetworkPerformanceOptions",
    "LaunchTemplateData.Operator",
    "LaunchTemplateData.Placement.Affinity",
    "LaunchTemplateData.Placement.HostId",
    "LaunchTemplateData.Placement.HostResourceGroupArn",
    "LaunchTemplateData.Placement.SpreadDomain",
    "LaunchTemplateData.RamDiskId",
    "LaunchTemplateData.SecondaryInterface",
    "Operator",
];

/// The template that a launch names.
#[derive(FromArg)]
pub(crate) struct TemplateSpecification {
    #[arg(flatten)]
    named: Named,
    version: Option<String>,
}

/// A template by id or by name.
#[derive(FromArg)]
pub(crate) struct Named {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
}

impl Named {
    fn find(&self) -> Result<Option<TemplateRef>, Refusal> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        match (filled(&self.launch_template_id), filled(&self.launch_template_name)) {
            (Some(_), Some(_)) => Err(combination("LaunchTemplateId and LaunchTemplateName exclude each other")),
            (Some(id), None) => Ok(Some(TemplateRef::Id(tag::id(Noun::LaunchTemplate, &id)?))),
            (None, Some(name)) => Ok(Some(TemplateRef::Name(name))),
            (None, None) => Ok(None),
        }
    }

    fn get(&self) -> Result<TemplateRef, Refusal> {
        Ok(self.find()?.ok_or(Error::MissingParameter { name: "LaunchTemplateId" })?)
    }
}

fn version(text: &str) -> Result<WhichVersion, Refusal> {
    match text {
        "$Default" => Ok(WhichVersion::Default),
        "$Latest" => Ok(WhichVersion::Latest),
        number => number.parse().map(WhichVersion::Number).map_err(|_| {
            Error::invalid("LaunchTemplateVersion", format!("'{text}' is not a version: use a number, $Latest or $Default")).into()
        }),
    }
}

/// The version that is named; the default one where none is.
pub(crate) async fn template_version(cx: &Cx, asked: TemplateSpecification) -> Result<VersionView, Refusal> {
    let TemplateSpecification { named, version: text } = asked;
    let which = text.as_deref().filter(|text| !text.is_empty()).map_or(Ok(WhichVersion::Default), version)?;
    Ok(cx.cloud.launch_template(&cx.caller, named.get()?, which).await?)
}

/// What a launch says itself, and for the rest its template; which template that is.
pub(crate) async fn under(
    cx: &Cx,
    template: Option<TemplateSpecification>,
    said: LaunchSettings,
) -> Result<(Option<(LaunchTemplateId, u64)>, LaunchSettings), Refusal> {
    let Some(template) = template else { return Ok((None, said)) };
    let view = template_version(cx, template).await?;
    Ok((Some((view.template.id, view.version.number)), said.over(view.version.launch)))
}

/// The parameters of `CreateLaunchTemplate`.
#[derive(FromArg)]
pub(crate) struct CreateLaunchTemplate {
    launch_template_name: String,
    #[arg(max_len = 255)]
    version_description: Option<String>,
    launch_template_data: Machine,
    client_token: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// A template in replies.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct One {
    launch_template: Item,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Item {
    launch_template_id: String,
    launch_template_name: String,
    create_time: Timestamp,
    created_by: String,
    default_version_number: u64,
    latest_version_number: u64,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
}

fn item(template: LaunchTemplate) -> Item {
    Item {
        launch_template_id: template.id.to_string(),
        create_time: template.created_at.timestamp(),
        created_by: maker(&template, &template.created_by),
        default_version_number: template.default_version,
        latest_version_number: template.latest_version,
        tag_set: tag::items(&template.tags),
        launch_template_name: template.name,
    }
}

/// Who made something of a template, as IAM names principals.
fn maker(template: &LaunchTemplate, by: &str) -> String {
    let account = template.account;
    match by {
        "root" => format!("arn:aws:iam::{account}:root"),
        session if session.contains('/') => format!("arn:aws:sts::{account}:assumed-role/{session}"),
        user => format!("arn:aws:iam::{account}:user/{user}"),
    }
}

fn options(cx: &Cx, token: Option<String>) -> Options {
    cx.options(token.filter(|token| !token.is_empty()))
}

/// Makes a template with its first version.
pub(crate) async fn create(cx: Cx, asked: CreateLaunchTemplate) -> Result<One, Refusal> {
    let tags = tag::specified(&asked.tags, "launch-template", TAGGED)?;
    let launch = settings(&cx, asked.launch_template_data)?;
    let description = asked.version_description.unwrap_or_default();
    let command = Create { name: asked.launch_template_name, description, launch, tags };
    let made = cx.cloud.run(&cx.caller, command, options(&cx, asked.client_token)).await?;
    Ok(One { launch_template: item(made.template) })
}

/// The parameters of `CreateLaunchTemplateVersion`.
#[derive(FromArg)]
pub(crate) struct CreateLaunchTemplateVersion {
    #[arg(flatten)]
    named: Named,
    source_version: Option<String>,
    #[arg(max_len = 255)]
    version_description: Option<String>,
    launch_template_data: Machine,
    client_token: Option<String>,
    #[expect(dead_code, reason = "no image is named by an alias here, so there is nothing to resolve")]
    resolve_alias: Option<bool>,
}

/// The reply of `CreateLaunchTemplateVersion`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct OneVersion {
    launch_template_version: VersionItem,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct VersionItem {
    launch_template_id: String,
    launch_template_name: String,
    version_number: u64,
    version_description: Option<String>,
    create_time: Timestamp,
    created_by: String,
    default_version: bool,
    launch_template_data: LaunchData,
}

fn version_item(view: VersionView) -> VersionItem {
    let default_version = view.is_default();
    let VersionView { template, version } = view;
    VersionItem {
        launch_template_id: template.id.to_string(),
        created_by: maker(&template, &version.created_by),
        launch_template_name: template.name,
        version_number: version.number,
        version_description: Some(version.description).filter(|text| !text.is_empty()),
        create_time: version.created_at.timestamp(),
        default_version,
        launch_template_data: LaunchData::of(&version.launch),
    }
}

/// Makes a version.
pub(crate) async fn create_version(cx: Cx, asked: CreateLaunchTemplateVersion) -> Result<OneVersion, Refusal> {
    let command = CreateVersion {
        template: asked.named.get()?,
        source: asked.source_version.as_deref().filter(|text| !text.is_empty()).map(version).transpose()?,
        description: asked.version_description.unwrap_or_default(),
        launch: settings(&cx, asked.launch_template_data)?,
    };
    let made = cx.cloud.run(&cx.caller, command, options(&cx, asked.client_token)).await?;
    Ok(OneVersion { launch_template_version: version_item(made) })
}

/// The parameters of `ModifyLaunchTemplate`.
#[derive(FromArg)]
pub(crate) struct ModifyLaunchTemplate {
    #[arg(flatten)]
    named: Named,
    #[arg(name = "SetDefaultVersion")]
    default_version: Option<String>,
    client_token: Option<String>,
}

/// Chooses the default version.
pub(crate) async fn modify(cx: Cx, asked: ModifyLaunchTemplate) -> Result<One, Refusal> {
    let default = asked.default_version.as_deref().map(version).transpose()?;
    let changed = cx.cloud.run(&cx.caller, Modify { template: asked.named.get()?, default }, options(&cx, asked.client_token)).await?;
    Ok(One { launch_template: item(changed) })
}

/// The parameters of `DeleteLaunchTemplate`.
#[derive(FromArg)]
pub(crate) struct DeleteLaunchTemplate {
    #[arg(flatten)]
    named: Named,
}

/// Deletes a template with its versions.
pub(crate) async fn delete(cx: Cx, asked: DeleteLaunchTemplate) -> Result<One, Refusal> {
    let (gone, _) = cx.cloud.run(&cx.caller, Delete { template: asked.named.get()? }, cx.options(None)).await?;
    Ok(One { launch_template: item(gone) })
}

/// The parameters of `DeleteLaunchTemplateVersions`.
#[derive(FromArg)]
pub(crate) struct DeleteLaunchTemplateVersions {
    #[arg(flatten)]
    named: Named,
    #[arg(name = "LaunchTemplateVersion", max_items = VERSIONS_MAX)]
    versions: Vec<String>,
}

/// The reply of `DeleteLaunchTemplateVersions`: what went, and what stayed and why.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct DeletedVersions {
    successfully_deleted_launch_template_version_set: Vec<Gone>,
    unsuccessfully_deleted_launch_template_version_set: Vec<Kept>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Gone {
    launch_template_id: String,
    launch_template_name: String,
    version_number: u64,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Kept {
    launch_template_id: String,
    launch_template_name: String,
    version_number: u64,
    response_error: Why,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Why {
    code: &'static str,
    message: String,
}

/// Deletes versions, each by itself as EC2 does.
pub(crate) async fn delete_versions(cx: Cx, asked: DeleteLaunchTemplateVersions) -> Result<DeletedVersions, Refusal> {
    if asked.versions.is_empty() {
        return Err(Error::MissingParameter { name: "LaunchTemplateVersion" }.into());
    }
    let template = cx.cloud.launch_template(&cx.caller, asked.named.get()?, WhichVersion::Default).await?.template;
    let (mut gone, mut kept) = (vec![], vec![]);
    for text in &asked.versions {
        let version_number = text.parse().map_err(|_| Error::invalid("LaunchTemplateVersion", format!("'{text}' is not a number")))?;
        let (launch_template_id, launch_template_name) = (template.id.to_string(), template.name.clone());
        let command = DeleteLaunchTemplateVersion { template: TemplateRef::Id(template.id), number: version_number };
        match cx.cloud.run(&cx.caller, command, cx.options(None)).await {
            Ok(_) => gone.push(Gone { launch_template_id, launch_template_name, version_number }),
            Err(error) => {
                let code = match &error {
                    Error::NotFound { noun: Noun::LaunchTemplateVersion, .. } => "launchTemplateVersionDoesNotExist",
                    Error::Protected { .. } => "unexpectedError",
                    _ => return Err(error.into()),
                };
                let response_error = Why { code, message: crate::error::sentence(&error) };
                kept.push(Kept { launch_template_id, launch_template_name, version_number, response_error });
            }
        }
    }
    Ok(DeletedVersions { successfully_deleted_launch_template_version_set: gone, unsuccessfully_deleted_launch_template_version_set: kept })
}

/// The parameters of `DescribeLaunchTemplates`.
#[derive(FromArg)]
pub(crate) struct DescribeLaunchTemplates {
    #[arg(name = "LaunchTemplateId", max_items = 200)]
    ids: Vec<String>,
    #[arg(name = "LaunchTemplateName", max_items = 200)]
    names: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeLaunchTemplates`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Templates {
    launch_templates: Vec<Item>,
    next_token: Option<String>,
}

/// Lists templates.
pub(crate) async fn describe_templates(cx: Cx, asked: DescribeLaunchTemplates) -> Result<Templates, Refusal> {
    let pages = asked.paging.pages(&cx, PAGES, &asked.filters)?;
    let mut filters = filter::filters(&cx, filter::LAUNCH_TEMPLATE, &asked.filters)?;
    if !asked.names.is_empty() {
        let named = Filter { field: Field::Name, values: asked.names.iter().map(|name| filter::literal(name)).collect() };
        let found = every_row::<LaunchTemplate>(&cx, Query { filters: vec![named.clone()], ..Query::default() }).await?;
        if let Some(absent) = asked.names.iter().find(|name| !found.iter().any(|template| template.name == **name)) {
            return Err(Error::not_found(Noun::LaunchTemplate, absent).into());
        }
        filters.push(named);
    }
    let query = Query { ids: tag::ids(Noun::LaunchTemplate, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<LaunchTemplate>(&cx.caller, query).await?;
    let next_token = pages.after(listed.next);
    Ok(Templates { launch_templates: listed.rows.into_iter().map(item).collect(), next_token })
}

/// The parameters of `DescribeLaunchTemplateVersions`.
#[derive(FromArg)]
pub(crate) struct DescribeLaunchTemplateVersions {
    #[arg(flatten)]
    named: Named,
    #[arg(name = "LaunchTemplateVersion", max_items = VERSIONS_MAX)]
    versions: Vec<String>,
    min_version: Option<u64>,
    max_version: Option<u64>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
    #[expect(dead_code, reason = "no image is named by an alias here, so there is nothing to resolve")]
    resolve_alias: Option<bool>,
}

/// The reply of `DescribeLaunchTemplateVersions`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Versions {
    launch_template_version_set: Vec<VersionItem>,
    next_token: Option<String>,
}

/// Filters of versions that are served, those that are answered from the reply aside.
const VERSION_FILTERS: &[&str] = &["image-id", "instance-type", "is-default-version"];

/// Lists versions of one template, newest first as EC2 does, or every template's default or latest one.
pub(crate) async fn describe_versions(cx: Cx, asked: DescribeLaunchTemplateVersions) -> Result<Versions, Refusal> {
    let pages = asked.paging.pages(&cx, PAGES, &asked.filters)?;
    let named = asked.versions.iter().map(|text| version(text)).collect::<Result<Vec<_>, _>>()?;
    let mut found = match asked.named.find()? {
        Some(template) => cx.cloud.launch_template_versions(&cx.caller, template, named).await?,
        None if named.is_empty() || named.iter().any(|which| matches!(which, WhichVersion::Number(_))) => {
            return Err(Error::MissingParameter { name: "LaunchTemplateId" }.into());
        }
        None => cx.cloud.launch_template_versions_of_all(&cx.caller, named).await?,
    };
    let range = asked.min_version.unwrap_or(0)..=asked.max_version.unwrap_or(u64::MAX);
    found.retain(|view| range.contains(&view.version.number));
    let value = |view: &VersionView, name: &str| match name {
        "image-id" => Some(view.version.launch.image.iter().map(ToString::to_string).collect()),
        "instance-type" => Some(view.version.launch.instance_type.iter().cloned().collect()),
        "is-default-version" => Some(vec![view.is_default().to_string()]),
        _ => None,
    };
    let (_, of_rows): (Vec<_>, Vec<_>) = asked.filters.into_iter().partition(|filter| is_shown(cx.caller.action, &filter.name));
    filter::retain(&mut found, &of_rows, value, VERSION_FILTERS)?;
    let key = |view: &VersionView| format!("{}/{:020}", view.template.id, u64::MAX - view.version.number);
    let (page, next_token) = pages.cut(found, key);
    Ok(Versions { launch_template_version_set: page.into_iter().map(version_item).collect(), next_token })
}
