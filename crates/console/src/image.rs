//! Images as they are shown.

use control::Field;
use model::{AccountId, Tags};
use schemars::JsonSchema;
use serde::Serialize;

use crate::Cx;
use crate::error::Refusal;
use crate::page::{self, Page, Show};
use crate::query::{Parameter, TAGS};
use crate::routes::Nothing;
use crate::schema::{self, Time};

/// Filters of the list.
pub(crate) const FILTERS: &[Parameter] = &[
    Parameter::filter("id", Field::Id, "Only these."),
    Parameter::filter("name", Field::Name, "Only those with one of these names."),
    Parameter::filter("state", Field::State, "Only those in one of these states."),
    Parameter::filter("architecture", Field::Architecture, "Only those for one of these instruction sets."),
    Parameter::filter("account", Field::Owner, "Only those of one of these accounts."),
    Parameter::filter("public", Field::IsPublic, "Only those that every account may launch (`true`), or the others (`false`)."),
    Parameter::filter("family", Field::Family, "Only members of one of these families."),
    TAGS,
];

/// An image.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Image<'a> {
    #[schemars(with = "schema::ImageId")]
    id: model::ImageId,
    /// The account that owns it.
    #[schemars(with = "String")]
    account: AccountId,
    /// Whether every account may launch it.
    public: bool,
    name: &'a str,
    description: &'a str,
    #[schemars(with = "schema::ImageState")]
    state: &'static str,
    /// Platform, such as `Debian 12`.
    platform: &'a str,
    #[schemars(with = "schema::Architecture")]
    architecture: &'static str,
    /// The user that logs in by key or password.
    default_user: &'a str,
    /// Smallest system disk that it fits on.
    min_disk_gib: u32,
    size_bytes: u64,
    encrypted: bool,
    /// The family of which it is a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<&'a str>,
    /// From when on it should not be used for what is new, though it can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecated_at: Option<Time>,
    created_at: Time,
    tags: &'a Tags,
}

impl Show for model::Image {
    type As<'a> = Image<'a>;

    fn show(&self) -> Image<'_> {
        Image {
            id: self.id,
            account: self.account,
            public: self.public,
            name: &self.name,
            description: &self.description,
            state: self.word(),
            platform: &self.platform,
            architecture: self.architecture.as_str(),
            default_user: &self.default_user,
            min_disk_gib: self.min_disk.0,
            size_bytes: self.size_bytes,
            encrypted: self.encryption.is_some(),
            family: Some(self.family.as_str()).filter(|family| !family.is_empty()),
            deprecated_at: self.deprecated_at.map(Time),
            created_at: Time(self.created_at),
            tags: &self.tags,
        }
    }
}

/// Lists images.
pub(crate) async fn list(cx: Cx, _: Nothing) -> Result<Page<model::Image>, Refusal> {
    page::list(&cx).await
}
