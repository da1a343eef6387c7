//! Zones as they are shown.

use schemars::JsonSchema;
use serde::Serialize;

use crate::Cx;
use crate::error::Refusal;
use crate::page::{Page, Pages, Show};
use crate::routes::Nothing;

/// The name of a zone, and of its region.
pub(crate) struct Named {
    zone: String,
    region: String,
}

/// A zone.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Zone<'a> {
    name: &'a str,
    region: &'a str,
}

impl Show for Named {
    type As<'a> = Zone<'a>;

    fn show(&self) -> Zone<'_> {
        Zone { name: &self.zone, region: &self.region }
    }
}

/// Lists the zones.
pub(crate) async fn list(cx: Cx, _: Nothing) -> Result<Page<Named>, Refusal> {
    cx.allowed().await?;
    let pages = Pages::of(&cx)?;
    let region = cx.cloud.region();
    Ok(pages.cut(region.zones.iter().map(|zone| Named { zone: zone.clone(), region: region.name.clone() })))
}
