//! Lists of instances, and one by its id.

use control::{Field, InstanceView};
use model::{Error, InstanceId, Noun};

use crate::Cx;
use crate::error::Refusal;
use crate::instance::One;
use crate::page::{Page, Pages, Shown};
use crate::query::{Parameter, TAGS};
use crate::routes::Nothing;

/// Filters of the list.
pub(crate) const FILTERS: &[Parameter] = &[
    Parameter::filter("id", Field::Id, "Only these."),
    Parameter::filter("name", Field::Name, "Only those with one of these display names."),
    Parameter::filter("state", Field::State, "Only those in one of these states."),
    Parameter::filter("type", Field::InstanceType, "Only those of one of these types, each by the name that its launch gave."),
    Parameter::filter("image", Field::Image, "Only those launched from one of these images."),
    Parameter::filter("zone", Field::Zone, "Only those in one of these zones."),
    Parameter::filter("vpc", Field::Vpc, "Only those in one of these VPCs."),
    Parameter::filter("subnet", Field::Subnet, "Only those in one of these subnets."),
    Parameter::filter("security_group", Field::Group, "Only those in one of these security groups."),
    Parameter::filter("key_pair", Field::KeyName, "Only those launched with one of these key pairs."),
    Parameter::filter("private_ip", Field::PrivateIp, "Only those with one of these private addresses."),
    Parameter::filter("public_ip", Field::PublicIp, "Only those with one of these public addresses."),
    Parameter::filter("launch", Field::Reservation, "Only those of one of these launches."),
    TAGS,
];

/// Lists instances.
pub(crate) async fn list(cx: Cx, _: Nothing) -> Result<Page<InstanceView>, Refusal> {
    let pages = Pages::of(&cx)?;
    let listed = cx.cloud.list_instances(&cx.caller, pages.query(&cx)).await?;
    Ok(pages.page(listed))
}

/// Tells of one.
pub(crate) async fn get(cx: Cx, _: Nothing) -> Result<One, Refusal> {
    let id = id(&cx)?;
    Ok(Shown(cx.cloud.instance_view(&cx.caller, id).await?))
}

/// The id in the path.
pub(crate) fn id(cx: &Cx) -> Result<InstanceId, Error> {
    cx.id.parse().map_err(|error| Error::bad_id(Noun::Instance, &cx.id, error))
}
