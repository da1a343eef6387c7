//! Action timers: instances that are terminated at a time. An instance has one timer, whose id follows from its own.

use control::{InstanceView, PAGE_MAX, Page, Query, SetInstanceRelease};
use jiff::Timestamp;
use model::{Instance, InstanceId, Millis, Phase};
use wire::{Doc, FromArg, Show};

use crate::error::Fault;
use crate::instance::{INSTANCES_PER_CALL, ids};
use crate::time::read_beijing;
use crate::{Cx, id};

/// What ids of timers begin with; the digits are the instance's.
const PREFIX: &str = "timer-";
/// How soon a timer may come, in milliseconds: five minutes, as CVM documents it.
const SOONEST_MS: i64 = 5 * 60_000;

/// A timer as it is asked for.
#[derive(FromArg)]
pub(crate) struct ActionTimerArg {
    timer_action: Action,
    action_time: Timestamp,
}

/// What timers can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Action {
    TerminateInstances,
}

impl ActionTimerArg {
    /// When it comes.
    pub(crate) fn at(&self, now: Millis) -> Result<Millis, Fault> {
        match self.timer_action {
            Action::TerminateInstances => {}
        }
        let at = Millis(self.action_time.as_millisecond());
        if at.since(now) < SOONEST_MS {
            return Err(Fault::invalid("ActionTimer.ActionTime", "must be five minutes ahead at least"));
        }
        Ok(at)
    }
}

/// `ImportInstancesActionTimer`.
#[derive(FromArg)]
pub(crate) struct ImportInstancesActionTimer {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    action_timer: ActionTimerArg,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct TimerIds {
    action_timer_ids: Vec<String>,
}

/// Gives instances a timer, of which each may have one.
pub(crate) async fn import(cx: &Cx<'_>, asked: ImportInstancesActionTimer) -> Result<TimerIds, Fault> {
    let ids = ids(&asked.instance_ids)?;
    let at = Some(asked.action_timer.at(cx.cloud.clock().now())?);
    cx.cloud.run(&cx.caller, SetInstanceRelease { ids: ids.clone(), at, replaces: false }, cx.options()).await?;
    Ok(TimerIds { action_timer_ids: ids.into_iter().map(timer_id).collect() })
}

/// `DescribeInstancesActionTimer`.
#[derive(FromArg)]
pub(crate) struct DescribeInstancesActionTimer {
    #[arg(max_items = INSTANCES_PER_CALL)]
    action_timer_ids: Vec<String>,
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    timer_action: Option<String>,
    end_action_time: Option<String>,
    start_action_time: Option<String>,
    #[arg(max_items = INSTANCES_PER_CALL)]
    status_list: Vec<String>,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Timers {
    action_timers: Vec<TimerReply>,
}

#[derive(Show)]
struct TimerReply {
    action_timer_id: String,
    timer_action: &'static str,
    action_time: Timestamp,
    status: &'static str,
    instance_id: String,
    externals: Doc,
}

/// Lists timers. One that has come is told as long as its instance can be.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeInstancesActionTimer) -> Result<Timers, Fault> {
    let mut wanted: Vec<InstanceId> = id::read_all(&asked.instance_ids)?;
    let named = asked.action_timer_ids.iter().map(|text| read_timer(text)).collect::<Result<Vec<_>, _>>()?;
    let moment = |name: &'static str, text: &Option<String>| match text {
        Some(text) => read_beijing(text).map(Some).ok_or_else(|| Fault::invalid(name, "must be a time as 2018-05-01 19:00:00")),
        None => Ok(None),
    };
    let from = moment("StartActionTime", &asked.start_action_time)?;
    let until = moment("EndActionTime", &asked.end_action_time)?;
    if !named.is_empty() {
        wanted = if wanted.is_empty() { named } else { wanted.into_iter().filter(|id| named.contains(id)).collect() };
        if wanted.is_empty() {
            return Ok(Timers { action_timers: vec![] });
        }
    }
    let is_other = asked.timer_action.as_deref().is_some_and(|action| !action.is_empty() && action != "TerminateInstances");
    let mut timers = vec![];
    for view in all(cx, wanted).await? {
        let Some(at) = view.instance.attributes.release_at.map(Millis::timestamp) else { continue };
        let status = status(&view.instance);
        let in_time = from.is_none_or(|from| at >= from) && until.is_none_or(|until| at <= until);
        if !is_other && in_time && (asked.status_list.is_empty() || asked.status_list.iter().any(|word| word == status)) {
            timers.push(TimerReply {
                action_timer_id: timer_id(view.instance.id),
                timer_action: "TerminateInstances",
                action_time: at,
                status,
                instance_id: id::shown(view.instance.id),
                externals: Doc::Object(vec![]),
            });
        }
    }
    Ok(Timers { action_timers: timers })
}

async fn all(cx: &Cx<'_>, ids: Vec<InstanceId>) -> Result<Vec<InstanceView>, Fault> {
    let (mut views, mut page) = (vec![], Page::First(PAGE_MAX));
    loop {
        let listed = cx.cloud.list_instances(&cx.caller, Query { ids: ids.clone(), page, ..Query::default() }).await?;
        views.extend(listed.rows);
        match listed.next {
            Some(last) => page = Page::After { last, size: PAGE_MAX },
            None => return Ok(views),
        }
    }
}

fn status(instance: &Instance) -> &'static str {
    match instance.phase {
        Phase::Terminating { .. } => "DOING",
        Phase::Terminated => "DONE",
        Phase::Launching { .. } | Phase::Starting { .. } | Phase::Running | Phase::Stopping { .. } | Phase::Stopped => "UNDO",
    }
}

/// `DeleteInstancesActionTimer`.
#[derive(FromArg)]
pub(crate) struct DeleteInstancesActionTimer {
    #[arg(max_items = INSTANCES_PER_CALL)]
    action_timer_ids: Vec<String>,
}

/// Calls timers off that have not come.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteInstancesActionTimer) -> Result<(), Fault> {
    if asked.action_timer_ids.is_empty() {
        return Err(Fault::missing("ActionTimerIds"));
    }
    let ids = asked.action_timer_ids.iter().map(|text| read_timer(text)).collect::<Result<Vec<_>, _>>()?;
    cx.cloud.run(&cx.caller, SetInstanceRelease { ids, at: None, replaces: true }, cx.options()).await?;
    Ok(())
}

fn timer_id(instance: InstanceId) -> String {
    format!("{PREFIX}{}", instance.to_string().trim_start_matches(InstanceId::PREFIX))
}

fn read_timer(text: &str) -> Result<InstanceId, Fault> {
    let digits = text.strip_prefix(PREFIX);
    let read = digits.and_then(|digits| format!("{}{digits}", InstanceId::PREFIX).parse().ok());
    read.ok_or_else(|| Fault::invalid("ActionTimerIds", "one of them is no timer's id"))
}
