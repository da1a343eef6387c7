//! Tags as CVM, VPC and CBS carry them. The service that changes those of anything is in [`crate::tag_service`].

use model::Tags;
use wire::{FromArg, Show};

use crate::error::Fault;

/// Most tags that one call gives (CVM documents 10 and more for some actions; a thing holds 50).
pub(crate) const TAGS_PER_CALL: usize = 50;

/// A tag of a call.
#[derive(Debug, FromArg)]
pub(crate) struct TagArg {
    key: String,
    value: Option<String>,
}

/// Tags for the new things of one kind.
#[derive(Debug, FromArg)]
pub(crate) struct TagSpecification {
    resource_type: String,
    #[arg(max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// A tag in replies.
#[derive(Debug, Show)]
pub(crate) struct TagReply {
    key: String,
    value: String,
}

/// Tags in replies.
pub(crate) fn replies(tags: &Tags) -> Vec<TagReply> {
    tags.iter().map(|(key, value)| TagReply { key: key.clone(), value: value.clone() }).collect()
}

/// The tags of a new thing.
pub(crate) fn tags_of(asked: Vec<TagArg>) -> Result<Tags, Fault> {
    let mut tags = Tags::new();
    for TagArg { key, value } in asked {
        if let Some(twice) = tags.insert(key.clone(), value.unwrap_or_default()) {
            return Err(Fault::new(
                "InvalidParameterValue.DuplicateTags",
                format!("The tag `{key}` is given twice, with `{twice}` first."),
            ));
        }
    }
    Ok(tags)
}

/// The tags of a new thing of this kind; specifications for other kinds are refused.
pub(crate) fn specified(specifications: Vec<TagSpecification>, kind: &str) -> Result<Tags, Fault> {
    if let Some(other) = specifications.iter().find(|one| one.resource_type != kind) {
        return Err(Fault::invalid("TagSpecification.ResourceType", format!("'{}' is not {kind}", head(&other.resource_type))));
    }
    tags_of(specifications.into_iter().flat_map(|one| one.tags).collect())
}

/// As much of a client's text as a refusal repeats.
pub(crate) fn head(text: &str) -> String {
    text.chars().take(wire::SHOWN_CHARS).collect()
}
