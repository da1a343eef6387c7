//! Timed release: instances that are released at a minute which their owner has set.

use control::SetInstanceRelease;
use jiff::Timestamp;
use model::{Error, Millis, Noun};
use wire::FromArg;

use crate::Cx;
use crate::error::Fault;
use crate::filter;

/// How soon a release may come, in milliseconds: half an hour, as ECS documents it.
const SOONEST_MS: i64 = 30 * 60_000;
const MINUTE_MS: i64 = 60_000;

/// The minute in which a release comes that is asked for at this time.
pub(super) fn release_at(cx: &Cx<'_>, asked: Timestamp) -> Result<Millis, Fault> {
    let at = Millis(asked.as_millisecond().div_euclid(MINUTE_MS) * MINUTE_MS);
    // Who asks for half an hour exactly has it cut to the minute before.
    if Millis(asked.as_millisecond()).since(cx.cloud.clock().now()) < SOONEST_MS {
        return Err(Error::invalid("AutoReleaseTime", "must be half an hour ahead at least").into());
    }
    Ok(at)
}

/// `ModifyInstanceAutoReleaseTime`.
#[derive(FromArg)]
pub(crate) struct ModifyInstanceAutoReleaseTime {
    instance_id: String,
    auto_release_time: Option<String>,
}

/// Sets when an instance is released; without a time it is not.
pub(crate) async fn modify_release(cx: &Cx<'_>, asked: ModifyInstanceAutoReleaseTime) -> Result<(), Fault> {
    let ids = vec![filter::id(Noun::Instance, &asked.instance_id)?];
    let text = asked.auto_release_time.filter(|text| !text.is_empty());
    let malformed = || Error::invalid("AutoReleaseTime", "must be a time as 2026-11-22T12:00:00Z");
    let asked = text.map(|text| wire::time::parse(&text).ok_or_else(malformed)).transpose()?;
    let at = asked.map(|asked| release_at(cx, asked)).transpose()?;
    cx.cloud.run(&cx.caller, SetInstanceRelease { ids, at, replaces: true }, cx.options()?).await?;
    Ok(())
}
