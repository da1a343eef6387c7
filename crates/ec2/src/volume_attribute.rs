//! Attributes of a volume that have a call of their own.

use control::{ModifyVolumes, Query};
use model::{Error, Noun, Volume, VolumeId};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::tag;

/// The attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Attribute {
    #[arg(name = "autoEnableIO")]
    AutoEnableIo,
    #[arg(name = "productCodes")]
    ProductCodes,
}

/// The parameters of `DescribeVolumeAttribute`.
#[derive(FromArg)]
pub(crate) struct DescribeVolumeAttribute {
    volume_id: String,
    attribute: Attribute,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Flag {
    value: bool,
}

/// The reply of `DescribeVolumeAttribute`: the id and the one attribute.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Described {
    volume_id: String,
    #[reply(name = "autoEnableIO")]
    auto_enable_io: Option<Flag>,
    product_codes: Option<Vec<String>>,
}

/// Tells one attribute.
pub(crate) async fn describe(cx: Cx, asked: DescribeVolumeAttribute) -> Result<Described, Refusal> {
    let id: VolumeId = tag::id(Noun::Volume, &asked.volume_id)?;
    let listed = cx.cloud.list::<Volume>(&cx.caller, Query { ids: vec![id], ..Query::default() }).await?;
    let volume = listed.rows.first().ok_or_else(|| Error::not_found(Noun::Volume, id))?;
    let (auto_enable_io, product_codes) = match asked.attribute {
        Attribute::AutoEnableIo => (Some(Flag { value: volume.auto_io }), None),
        Attribute::ProductCodes => (None, Some(vec![])),
    };
    Ok(Described { volume_id: asked.volume_id, auto_enable_io, product_codes })
}

/// The parameters of `ModifyVolumeAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyVolumeAttribute {
    volume_id: String,
    #[arg(name = "AutoEnableIO")]
    auto_enable_io: Option<AskedFlag>,
}

/// `AutoEnableIO.Value=true`.
#[derive(FromArg)]
struct AskedFlag {
    value: bool,
}

/// Says whether a volume that may be inconsistent is used all the same. None is ever held back here, so it changes nothing but what is
/// told.
pub(crate) async fn modify(cx: Cx, asked: ModifyVolumeAttribute) -> Result<(), Refusal> {
    let ids = vec![tag::id(Noun::Volume, &asked.volume_id)?];
    let flag = asked.auto_enable_io.ok_or(Error::MissingParameter { name: "AutoEnableIO" })?;
    let command = ModifyVolumes { ids, auto_io: Some(flag.value), ..ModifyVolumes::default() };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}
