//! Tags of instances that are there.

use control::{CreateTags, DeleteTags, WhichTags};
use model::{Error, Tags};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Cx;
use crate::error::Refusal;
use crate::instance_list::id;
use crate::query::{Parameter, Takes};
use crate::routes::Nothing;
use crate::schema;

/// The parameter that names a tag to take.
const KEY: &str = "key";

/// Parameters of taking tags.
pub(crate) const KEYS: &[Parameter] =
    &[Parameter { name: KEY, about: "The key of a tag to take; may be given several times, and must be once.", takes: Takes::Texts }];

/// Tags that an instance gets.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTags {
    /// Tags; a key that is there already gets the new value.
    #[serde(deserialize_with = "schema::tags")]
    #[schemars(with = "Tags")]
    tags: Tags,
}

/// Gives an instance tags.
pub(crate) async fn give(cx: Cx, asked: NewTags) -> Result<(), Refusal> {
    let resources = vec![id(&cx)?.to_string()];
    if asked.tags.is_empty() {
        return Err(Error::MissingParameter { name: "Tag" }.into());
    }
    cx.run(CreateTags { resources, tags: asked.tags }).await
}

/// Takes tags from an instance. One that is not there is no error.
pub(crate) async fn take(cx: Cx, _: Nothing) -> Result<(), Refusal> {
    let resources = vec![id(&cx)?.to_string()];
    let keys: Vec<_> = cx.asked.texts(KEY).map(|key| (key.to_owned(), None)).collect();
    if keys.is_empty() {
        return Err(Refusal::Parameter { name: KEY.to_owned(), reason: "is required".to_owned() });
    }
    cx.run(DeleteTags { resources, which: WhichTags::These(keys) }).await
}
