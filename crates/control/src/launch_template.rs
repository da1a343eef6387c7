//! Launch templates: making, changing and deleting them, and what a launch takes of one.

use model::{
    AccountId, Error, LaunchSettings, LaunchTemplate, LaunchTemplateId, LaunchTemplateVersion, LaunchTemplateVersionId, Noun, QuotaName,
    TEMPLATE_VERSIONS_MAX, Tags, WhichVersion, add_tags, check_template_name,
};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::account::taken;
use crate::auth::{Caller, Target};
use crate::instance::check_description;
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// A template by id or name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TemplateRef {
    /// By id.
    Id(LaunchTemplateId),
    /// By name.
    Name(String),
}

/// Makes a template with its first version.
#[derive(Debug, Clone, Serialize)]
pub struct CreateLaunchTemplate {
    /// Name, unique in the account.
    pub name: String,
    /// Description of the version.
    pub description: String,
    /// What the version says.
    pub launch: LaunchSettings,
    /// Tags of the template.
    pub tags: Tags,
}

/// Makes a version of a template, of what is said and for the rest of what another version says.
#[derive(Debug, Clone, Serialize)]
pub struct CreateLaunchTemplateVersion {
    /// The template.
    pub template: TemplateRef,
    /// The version that gives what is not said.
    pub source: Option<WhichVersion>,
    /// Description of the version.
    pub description: String,
    /// What the version says.
    pub launch: LaunchSettings,
}

/// Chooses the default version.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyLaunchTemplate {
    /// The template.
    pub template: TemplateRef,
    /// Its default version from now on; nothing changes without one.
    pub default: Option<WhichVersion>,
}

/// Deletes a template with its versions.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteLaunchTemplate {
    /// The template.
    pub template: TemplateRef,
}

/// Deletes a version that is not the default one. Its number is not used again.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteLaunchTemplateVersion {
    /// The template.
    pub template: TemplateRef,
    /// The version's number.
    pub number: u64,
}

/// A version with its template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionView {
    /// The template.
    pub template: LaunchTemplate,
    /// The version.
    pub version: LaunchTemplateVersion,
}

impl VersionView {
    /// Whether the version is the default one of its template.
    pub fn is_default(&self) -> bool {
        self.version.number == self.template.default_version
    }
}

fn targets(tx: &Tx<'_>, cx: &Cx<'_>, which: &TemplateRef) -> Result<Vec<Target>, Failure> {
    let found = find(tx, cx.caller.account(), which)?;
    Ok(vec![found.map_or_else(Target::any, |template| Target::of("launch-template", template.id.to_string(), &template.tags))])
}

impl Command for CreateLaunchTemplate {
    type Reply = VersionView;
    const NAME: &'static str = "CreateLaunchTemplate";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target { path: Some("launch-template/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() }])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<VersionView, Failure> {
        check_template_name(&self.name)?;
        let account = cx.caller.account();
        let limit = tx.quota_limit(account, QuotaName::LaunchTemplates)?;
        QuotaName::LaunchTemplates.check(limit, tx.launch_template_count(account, limit)?, 1)?;
        let mut template = LaunchTemplate {
            id: LaunchTemplateId::from_u64(cx.new_id()),
            account,
            name: self.name.clone(),
            default_version: 1,
            latest_version: 1,
            versions: 1,
            last_number: 1,
            created_by: cx.caller.principal.name(),
            created_at: cx.now,
            tags: Tags::new(),
        };
        add_tags(&mut template.tags, &self.tags)?;
        tx.insert(&template).map_err(|error| taken(error, Noun::LaunchTemplate, &self.name))?;
        let version = insert_version(tx, cx, &template, &self.description, self.launch.clone())?;
        Ok(VersionView { template, version })
    }
}

impl Command for CreateLaunchTemplateVersion {
    type Reply = VersionView;
    const NAME: &'static str = "CreateLaunchTemplateVersion";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &self.template)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<VersionView, Failure> {
        let mut template = own(tx, cx.caller.account(), &self.template)?;
        if template.versions >= TEMPLATE_VERSIONS_MAX {
            let what = "versions of a launch template".to_owned();
            return Err(Error::LimitReached { name: "LaunchTemplateId", what, limit: TEMPLATE_VERSIONS_MAX }.into());
        }
        let base = match self.source {
            Some(which) => version_of(tx, &template, which)?.launch,
            None => LaunchSettings::default(),
        };
        template.last_number += 1;
        template.latest_version = template.last_number;
        template.versions += 1;
        tx.update(&template)?;
        let version = insert_version(tx, cx, &template, &self.description, self.launch.clone().over(base))?;
        Ok(VersionView { template, version })
    }
}

impl Command for ModifyLaunchTemplate {
    type Reply = LaunchTemplate;
    const NAME: &'static str = "ModifyLaunchTemplate";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &self.template)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<LaunchTemplate, Failure> {
        let mut template = own(tx, cx.caller.account(), &self.template)?;
        if let Some(which) = self.default {
            template.default_version = version_of(tx, &template, which)?.number;
            tx.update(&template)?;
        }
        Ok(template)
    }
}

impl Command for DeleteLaunchTemplate {
    /// The template, and the numbers of the versions that it had.
    type Reply = (LaunchTemplate, Vec<u64>);
    const NAME: &'static str = "DeleteLaunchTemplate";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &self.template)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(LaunchTemplate, Vec<u64>), Failure> {
        let template = own(tx, cx.caller.account(), &self.template)?;
        let versions = tx.launch_template_version_list(template.id)?;
        for version in &versions {
            tx.delete::<LaunchTemplateVersion>(version.id)?;
        }
        tx.delete::<LaunchTemplate>(template.id)?;
        Ok((template, versions.into_iter().map(|version| version.number).collect()))
    }
}

impl Command for DeleteLaunchTemplateVersion {
    type Reply = LaunchTemplate;
    const NAME: &'static str = "DeleteLaunchTemplateVersions";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &self.template)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<LaunchTemplate, Failure> {
        let mut template = own(tx, cx.caller.account(), &self.template)?;
        let version = version_of(tx, &template, WhichVersion::Number(self.number))?;
        if version.number == template.default_version {
            let id = format!("{}:{}", template.id, version.number);
            return Err(Error::Protected { noun: Noun::LaunchTemplateVersion, id, against: "deletion, being the default one" }.into());
        }
        tx.delete::<LaunchTemplateVersion>(version.id)?;
        template.versions -= 1;
        if version.number == template.latest_version {
            let left = tx.launch_template_version_list(template.id)?;
            template.latest_version = left.last().map_or(template.default_version, |version| version.number);
        }
        tx.update(&template)?;
        Ok(template)
    }
}

fn insert_version(
    tx: &mut Tx<'_>,
    cx: &Cx<'_>,
    template: &LaunchTemplate,
    description: &str,
    launch: LaunchSettings,
) -> Result<LaunchTemplateVersion, Failure> {
    check_description(description)?;
    let version = LaunchTemplateVersion {
        id: LaunchTemplateVersionId::from_u64(cx.new_id()),
        template: template.id,
        number: template.last_number,
        description: description.to_owned(),
        created_by: cx.caller.principal.name(),
        created_at: cx.now,
        launch,
    };
    tx.insert(&version)?;
    Ok(version)
}

fn find(tx: &Tx<'_>, account: AccountId, which: &TemplateRef) -> Result<Option<LaunchTemplate>, Failure> {
    Ok(match which {
        TemplateRef::Id(id) => tx.get::<LaunchTemplate>(*id)?.filter(|template| template.account == account),
        TemplateRef::Name(name) => tx.launch_template_named(account, name)?,
    })
}

fn own(tx: &Tx<'_>, account: AccountId, which: &TemplateRef) -> Result<LaunchTemplate, Failure> {
    let absent = || match which {
        TemplateRef::Id(id) => Error::not_found(Noun::LaunchTemplate, id),
        TemplateRef::Name(name) => Error::not_found(Noun::LaunchTemplate, name),
    };
    find(tx, account, which)?.ok_or_else(|| absent().into())
}

fn version_of(tx: &Tx<'_>, template: &LaunchTemplate, which: WhichVersion) -> Result<LaunchTemplateVersion, Failure> {
    let number = template.number(which);
    let found = tx.launch_template_version(template.id, number)?;
    found.ok_or_else(|| Error::not_found(Noun::LaunchTemplateVersion, number).into())
}

impl Cloud {
    /// The version of a template that a launch names. The launch asks the policies about it.
    pub async fn launch_template(&self, caller: &Caller, template: TemplateRef, which: WhichVersion) -> Result<VersionView, Error> {
        let account = caller.account();
        let found = self.store().read(move |tx| {
            let template = own(tx, account, &template)?;
            let version = version_of(tx, &template, which)?;
            Ok::<_, Failure>(VersionView { template, version })
        });
        found.await.map_err(|failure| self.refusal("read a launch template", failure))
    }

    /// Versions of a template, in order of their numbers: those named, or all.
    pub async fn launch_template_versions(
        &self,
        caller: &Caller,
        template: TemplateRef,
        named: Vec<WhichVersion>,
    ) -> Result<Vec<VersionView>, Error> {
        self.read(caller, vec![Target::any()], move |tx, cx| {
            let template = own(tx, cx.caller.account(), &template)?;
            let mut versions = if named.is_empty() {
                tx.launch_template_version_list(template.id)?
            } else {
                named.iter().map(|which| version_of(tx, &template, *which)).collect::<Result<Vec<_>, _>>()?
            };
            versions.sort_by_key(|version| version.number);
            versions.dedup_by_key(|version| version.number);
            Ok(versions.into_iter().map(|version| VersionView { template: template.clone(), version }).collect())
        })
        .await
    }

    /// The versions with these words among all templates of the caller: every default or every latest one.
    pub async fn launch_template_versions_of_all(&self, caller: &Caller, named: Vec<WhichVersion>) -> Result<Vec<VersionView>, Error> {
        self.read(caller, vec![Target::any()], move |tx, cx| {
            let mut found = Vec::new();
            for template in tx.launch_template_list(cx.caller.account())? {
                let mut numbers: Vec<u64> = named.iter().map(|which| template.number(*which)).collect();
                numbers.sort_unstable();
                numbers.dedup();
                for number in numbers {
                    let version = tx.launch_template_version(template.id, number)?;
                    found.extend(version.map(|version| VersionView { template: template.clone(), version }));
                }
            }
            Ok(found)
        })
        .await
    }
}
