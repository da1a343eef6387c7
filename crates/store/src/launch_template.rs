//! Launch templates and their versions.

use model::{AccountId, LaunchTemplate, LaunchTemplateId, LaunchTemplateVersion, LaunchTemplateVersionId};

use crate::value::bigint;
use crate::{By, Column, Row, StoreError, Tx};

impl Row for LaunchTemplate {
    type Id = LaunchTemplateId;
    const TABLE: &'static str = "launch_template";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::new("account", |template| template.account.into()), Column::new("name", |template| (&template.name).into())];
    const QUIET: bool = true;

    fn id(&self) -> LaunchTemplateId {
        self.id
    }
}

impl Row for LaunchTemplateVersion {
    type Id = LaunchTemplateVersionId;
    const TABLE: &'static str = "launch_template_version";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::new("template", |version| version.template.into()), Column::new("number", |version| bigint(version.number))];

    fn id(&self) -> LaunchTemplateVersionId {
        self.id
    }
}

impl Tx<'_> {
    /// The template of this name.
    pub fn launch_template_named(&self, account: AccountId, name: &str) -> Result<Option<LaunchTemplate>, StoreError> {
        self.find(By::is("account", account).and("name", name))
    }

    /// Templates of an account, by id.
    pub fn launch_template_list(&self, account: AccountId) -> Result<Vec<LaunchTemplate>, StoreError> {
        self.list(By::is("account", account))
    }

    /// How many templates an account has, counted up to `at_most`.
    pub fn launch_template_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<LaunchTemplate>(By::is("account", account), at_most)
    }

    /// The version of a template with this number.
    pub fn launch_template_version(&self, template: LaunchTemplateId, number: u64) -> Result<Option<LaunchTemplateVersion>, StoreError> {
        self.find(By::is("template", template).and("number", bigint(number)))
    }

    /// Versions of a template, in order of their numbers.
    pub fn launch_template_version_list(&self, template: LaunchTemplateId) -> Result<Vec<LaunchTemplateVersion>, StoreError> {
        self.list(By::is("template", template))
    }
}
