//! Launch templates and their versions.

use control::{
    CreateLaunchTemplate as Create, CreateLaunchTemplateVersion as CreateVersion, DeleteLaunchTemplate as Delete,
    DeleteLaunchTemplateVersion, Field, Many, ModifyLaunchTemplate, Query, TemplateRef, VersionView,
};
use jiff::Timestamp;
use model::{Error, LaunchSettings, LaunchTemplate, LaunchTemplateId, Noun, Subnet, VpcId, WhichVersion};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, id, tags_of};
use crate::instance::Machine;
use crate::launch_template_data::LaunchData;
use crate::page::{Numbered, Numbers, SHORT_PAGE_MAX};
use crate::tag::{TagReply, tag_replies};

/// Most templates or versions that one call names (ECS documents 100 and 30).
const NAMED_MAX: usize = 100;
const VERSIONS_MAX: usize = 30;

/// A template by id or by name.
#[derive(Default, FromArg)]
pub(crate) struct TemplateName {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
}

impl TemplateName {
    /// The template of this id; none when nothing or an empty text is said.
    pub(crate) fn of_id(id: Option<String>) -> Option<TemplateName> {
        let id = id.filter(|id| !id.is_empty())?;
        Some(TemplateName { launch_template_id: Some(id), launch_template_name: None })
    }

    fn find(&self) -> Result<Option<TemplateRef>, Fault> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        match (filled(&self.launch_template_id), filled(&self.launch_template_name)) {
            // ECS takes the id where both are given.
            (Some(text), _) => Ok(Some(TemplateRef::Id(id(Noun::LaunchTemplate, &text)?))),
            (None, Some(name)) => Ok(Some(TemplateRef::Name(name))),
            (None, None) => Ok(None),
        }
    }

    fn get(&self) -> Result<TemplateRef, Fault> {
        self.find()?.ok_or_else(|| Fault::missing("LaunchTemplateId"))
    }

    /// What a launch says itself, and for the rest its template; which template that is.
    pub(crate) async fn under(
        self,
        cx: &Cx<'_>,
        version: WhichVersion,
        said: LaunchSettings,
    ) -> Result<(Option<(LaunchTemplateId, u64)>, LaunchSettings), Fault> {
        let Some(template) = self.find()? else { return Ok((None, said)) };
        let view = cx.cloud.launch_template(&cx.caller, template, version).await?;
        Ok((Some((view.template.id, view.version.number)), said.over(view.version.launch)))
    }
}

/// `CreateLaunchTemplate`.
#[derive(FromArg)]
pub(crate) struct CreateLaunchTemplate {
    launch_template_name: String,
    version_description: Option<String>,
    #[arg(name = "TemplateTag", max_items = TAGS_PER_CALL)]
    template_tags: Vec<TagArg>,
    vpc_id: Option<String>,
    #[arg(flatten)]
    machine: Machine,
}

#[derive(Show)]
pub(crate) struct Created {
    launch_template_id: String,
    launch_template_version_number: u64,
}

/// Makes a template with its first version.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateLaunchTemplate) -> Result<Created, Fault> {
    let command = Create {
        name: asked.launch_template_name,
        description: asked.version_description.unwrap_or_default(),
        launch: settings(cx, asked.machine, asked.vpc_id).await?,
        tags: tags_of(asked.template_tags)?,
    };
    let made = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created { launch_template_id: made.template.id.to_string(), launch_template_version_number: made.version.number })
}

/// `CreateLaunchTemplateVersion`.
#[derive(FromArg)]
pub(crate) struct CreateLaunchTemplateVersion {
    #[arg(flatten)]
    template: TemplateName,
    version_description: Option<String>,
    vpc_id: Option<String>,
    #[arg(flatten)]
    machine: Machine,
}

/// Makes a version, of what is said alone as with ECS.
pub(crate) async fn create_version(cx: &Cx<'_>, asked: CreateLaunchTemplateVersion) -> Result<Created, Fault> {
    let command = CreateVersion {
        template: asked.template.get()?,
        source: None,
        description: asked.version_description.unwrap_or_default(),
        launch: settings(cx, asked.machine, asked.vpc_id).await?,
    };
    let made = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created { launch_template_id: made.template.id.to_string(), launch_template_version_number: made.version.number })
}

/// Parameters of which only the values that are so anyway are taken, and which a template shows again.
const PLAIN: &[&str] = &["InstanceChargeType", "InternetChargeType", "IoOptimized", "NetworkType", "SpotDuration", "SpotStrategy"];

/// What a version says. A VPC says only which one the vSwitch is in.
async fn settings(cx: &Cx<'_>, machine: Machine, vpc: Option<String>) -> Result<LaunchSettings, Fault> {
    let mut settings = machine.settings()?;
    let said = |name: &&str| Some((name.to_string(), cx.call.args.text(name).filter(|text| !text.is_empty())?.to_owned()));
    settings.plain = PLAIN.iter().filter_map(said).collect();
    if let Some(vpc) = vpc.filter(|vpc| !vpc.is_empty()) {
        let wanted: VpcId = id(Noun::Vpc, &vpc)?;
        let subnet = settings.subnet.ok_or_else(|| Fault::missing("VSwitchId"))?;
        let found = cx.cloud.list::<Subnet>(&cx.caller, Query { ids: vec![subnet], ..Query::default() }).await?;
        if !found.rows.iter().any(|row| row.vpc == wanted) {
            return Err(Error::not_found(Noun::Subnet, subnet).into());
        }
        settings.plain.insert("VpcId".to_owned(), vpc);
    }
    Ok(settings)
}

/// `ModifyLaunchTemplateDefaultVersion`.
#[derive(FromArg)]
pub(crate) struct ModifyLaunchTemplateDefaultVersion {
    #[arg(flatten)]
    template: TemplateName,
    default_version_number: u64,
}

/// Chooses the default version.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyLaunchTemplateDefaultVersion) -> Result<(), Fault> {
    let default = Some(WhichVersion::Number(asked.default_version_number));
    cx.cloud.run(&cx.caller, ModifyLaunchTemplate { template: asked.template.get()?, default }, cx.options()?).await?;
    Ok(())
}

/// `DeleteLaunchTemplate`.
#[derive(FromArg)]
pub(crate) struct DeleteLaunchTemplate {
    #[arg(flatten)]
    template: TemplateName,
}

#[derive(Show)]
pub(crate) struct Deleted {
    launch_template_id: String,
    #[reply(list = "versionNumbers")]
    launch_template_version_numbers: Vec<u64>,
}

/// Deletes a template with its versions.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteLaunchTemplate) -> Result<Deleted, Fault> {
    let (template, numbers) = cx.cloud.run(&cx.caller, Delete { template: asked.template.get()? }, cx.options()?).await?;
    Ok(Deleted { launch_template_id: template.id.to_string(), launch_template_version_numbers: numbers })
}

/// `DeleteLaunchTemplateVersion`.
#[derive(FromArg)]
pub(crate) struct DeleteVersions {
    #[arg(flatten)]
    template: TemplateName,
    #[arg(name = "DeleteVersion", max_items = VERSIONS_MAX)]
    versions: Vec<u64>,
}

#[derive(Show)]
pub(crate) struct DeletedVersions {
    #[reply(list = "LaunchTemplateVersion")]
    launch_template_versions: Vec<DeletedVersion>,
}

#[derive(Show)]
struct DeletedVersion {
    launch_template_id: String,
    launch_template_version_number: u64,
}

/// Deletes versions: all of them or none.
pub(crate) async fn delete_versions(cx: &Cx<'_>, asked: DeleteVersions) -> Result<DeletedVersions, Fault> {
    if asked.versions.is_empty() {
        return Err(Fault::missing("DeleteVersion.1"));
    }
    let template = asked.template.get()?;
    let one = |number: u64| DeleteLaunchTemplateVersion { template: template.clone(), number };
    let gone = cx.cloud.run(&cx.caller, Many(asked.versions.iter().copied().map(one).collect()), cx.options()?).await?;
    let reply = |(template, number): (&LaunchTemplate, &u64)| DeletedVersion {
        launch_template_id: template.id.to_string(),
        launch_template_version_number: *number,
    };
    Ok(DeletedVersions { launch_template_versions: gone.iter().zip(&asked.versions).map(reply).collect() })
}

/// `DescribeLaunchTemplates`.
#[derive(FromArg)]
pub(crate) struct DescribeLaunchTemplates {
    #[arg(name = "LaunchTemplateId", max_items = NAMED_MAX)]
    ids: Vec<String>,
    #[arg(name = "LaunchTemplateName", max_items = NAMED_MAX)]
    names: Vec<String>,
    #[arg(name = "TemplateTag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    template_resource_group_id: Option<String>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct Templates {
    #[reply(list = "LaunchTemplateSet")]
    launch_template_sets: Vec<TemplateReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct TemplateReply {
    launch_template_id: String,
    launch_template_name: String,
    create_time: Timestamp,
    modified_time: Timestamp,
    created_by: String,
    default_version_number: u64,
    latest_version_number: u64,
    resource_group_id: &'static str,
    #[reply(list = "Tag")]
    tags: Vec<TagReply>,
}

/// Lists templates; ids and names that are not there are passed over, as with ECS.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeLaunchTemplates) -> Result<Templates, Fault> {
    let mut filters = Filters::new();
    filters.one_of(Field::Id, &asked.ids).one_of(Field::Name, &asked.names).tags(&asked.tags);
    filters.always(asked.template_resource_group_id.as_ref(), &[]);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(SHORT_PAGE_MAX)? };
    let listed = cx.cloud.list::<LaunchTemplate>(&cx.caller, query).await?;
    let numbers = asked.numbered.numbers(&listed);
    let reply = |template: LaunchTemplate| TemplateReply {
        launch_template_id: template.id.to_string(),
        launch_template_name: template.name,
        create_time: template.created_at.timestamp(),
        modified_time: template.created_at.timestamp(),
        created_by: template.created_by,
        default_version_number: template.default_version,
        latest_version_number: template.latest_version,
        resource_group_id: "",
        tags: tag_replies(&template.tags),
    };
    Ok(Templates { launch_template_sets: listed.rows.into_iter().map(reply).collect(), numbers })
}

/// `DescribeLaunchTemplateVersions`.
#[derive(FromArg)]
pub(crate) struct DescribeLaunchTemplateVersions {
    #[arg(flatten)]
    template: TemplateName,
    #[arg(name = "LaunchTemplateVersion", max_items = VERSIONS_MAX)]
    versions: Vec<u64>,
    min_version: Option<u64>,
    max_version: Option<u64>,
    #[arg(default)]
    default_version: bool,
    #[arg(default = true)]
    detail_flag: bool,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct Versions {
    #[reply(list = "LaunchTemplateVersionSet")]
    launch_template_version_sets: Vec<VersionReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct VersionReply {
    launch_template_id: String,
    launch_template_name: String,
    version_number: u64,
    version_description: String,
    default_version: bool,
    create_time: Timestamp,
    modified_time: Timestamp,
    created_by: String,
    launch_template_data: Option<LaunchData>,
}

/// Lists versions of a template, or the default versions of all.
pub(crate) async fn describe_versions(cx: &Cx<'_>, asked: DescribeLaunchTemplateVersions) -> Result<Versions, Fault> {
    let named: Vec<WhichVersion> = match asked.default_version {
        true => vec![WhichVersion::Default],
        false => asked.versions.iter().copied().map(WhichVersion::Number).collect(),
    };
    let mut found = match asked.template.find()? {
        Some(template) => match cx.cloud.launch_template_versions(&cx.caller, template, named).await {
            Err(Error::NotFound { noun: Noun::LaunchTemplateVersion, .. }) => vec![],
            other => other?,
        },
        None if asked.default_version => cx.cloud.launch_template_versions_of_all(&cx.caller, named).await?,
        None => return Err(Fault::missing("LaunchTemplateId")),
    };
    let range = asked.min_version.unwrap_or(0)..=asked.max_version.unwrap_or(u64::MAX);
    found.retain(|view| range.contains(&view.version.number));
    let (page, numbers) = asked.numbered.cut(found, SHORT_PAGE_MAX)?;
    let reply = |view: VersionView| {
        let default_version = view.is_default();
        let VersionView { template, version } = view;
        VersionReply {
            launch_template_id: template.id.to_string(),
            launch_template_name: template.name,
            version_number: version.number,
            version_description: version.description,
            default_version,
            create_time: version.created_at.timestamp(),
            modified_time: version.created_at.timestamp(),
            created_by: version.created_by,
            launch_template_data: asked.detail_flag.then(|| LaunchData::of(&version.launch)),
        }
    };
    Ok(Versions { launch_template_version_sets: page.into_iter().map(reply).collect(), numbers })
}
