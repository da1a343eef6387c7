//! Key pairs as they are shown.

use control::Field;
use model::Tags;
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
    Parameter::filter("fingerprint", Field::Fingerprint, "Only those with one of these fingerprints."),
    TAGS,
];

/// A key pair; its private key is not in the cloud.
#[derive(Serialize, JsonSchema)]
pub(crate) struct KeyPair<'a> {
    #[schemars(with = "schema::KeyPairId")]
    id: model::KeyPairId,
    /// Name, unique in the account; launches name it by this.
    name: &'a str,
    description: &'a str,
    #[schemars(with = "schema::KeyKind")]
    kind: model::KeyKind,
    /// The public key in OpenSSH's form.
    public_key: &'a str,
    fingerprint: &'a str,
    created_at: Time,
    tags: &'a Tags,
}

impl Show for model::KeyPair {
    type As<'a> = KeyPair<'a>;

    fn show(&self) -> KeyPair<'_> {
        KeyPair {
            id: self.id,
            name: &self.name,
            description: &self.description,
            kind: self.kind,
            public_key: &self.public_key,
            fingerprint: &self.fingerprint,
            created_at: Time(self.created_at),
            tags: &self.tags,
        }
    }
}

/// Lists key pairs.
pub(crate) async fn list(cx: Cx, _: Nothing) -> Result<Page<model::KeyPair>, Refusal> {
    page::list(&cx).await
}
