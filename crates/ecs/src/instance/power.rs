//! Starting, stopping, restarting and releasing instances, one or many.
//!
//! ECS refuses what is so already: a running instance is not started again. With `BatchOptimization=SuccessFirst` each of
//! many stands for itself, and the reply tells which ones were refused; otherwise it is all or none.

use control::{
    Command, RebootInstances as Reboot, StartInstances as Start, StateChange, StopInstances as Stop, Strictly,
    TerminateInstances as Terminate,
};
use model::{Error, InstanceId};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::instance::{INSTANCES_PER_CALL, Status, ids, status};

/// Whether instances of one call share one fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Batch {
    AllTogether,
    SuccessFirst,
}

/// Whether a stopped instance keeps its processors and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum StoppedMode {
    KeepCharging,
    StopCharging,
}

/// The reply of calls for many.
#[derive(Show)]
pub(crate) struct Responses {
    #[reply(list = "InstanceResponse")]
    instance_responses: Vec<Response>,
}

#[derive(Show)]
struct Response {
    instance_id: String,
    code: String,
    message: String,
    previous_status: Option<Status>,
    current_status: Option<Status>,
}

/// Which instances, and how they stand together.
#[derive(FromArg)]
pub(crate) struct Many {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_id: Vec<String>,
    #[arg(default = Batch::AllTogether)]
    batch_optimization: Batch,
}

impl Many {
    async fn run<C>(&self, cx: &Cx<'_>, command: impl Fn(Vec<InstanceId>) -> C) -> Result<Responses, Fault>
    where
        C: Command<Reply = Vec<StateChange>>,
    {
        if self.instance_id.is_empty() {
            return Err(Fault::missing("InstanceId"));
        }
        let instance_responses = match self.batch_optimization {
            Batch::AllTogether => {
                let done = cx.cloud.run(&cx.caller, command(ids(&self.instance_id)?), cx.options()?).await?;
                done.iter().map(Response::of).collect()
            }
            Batch::SuccessFirst => {
                let mut responses = Vec::new();
                for id in ids(&self.instance_id)? {
                    match cx.cloud.run(&cx.caller, command(vec![id]), cx.options()?).await {
                        Ok(done) => responses.extend(done.iter().map(Response::of)),
                        Err(Error::DryRun) => {}
                        Err(error) => responses.push(Response::refused(id, error.into())),
                    }
                }
                responses
            }
        };
        Ok(Responses { instance_responses })
    }
}

impl Response {
    fn of(change: &StateChange) -> Response {
        Response {
            instance_id: change.after.id.to_string(),
            code: "200".to_owned(),
            message: "success".to_owned(),
            previous_status: Some(status(change.before.phase)),
            current_status: Some(status(change.after.phase)),
        }
    }

    fn refused(id: InstanceId, fault: Fault) -> Response {
        let Fault { code, message, .. } = fault;
        Response { instance_id: id.to_string(), code: code.into_owned(), message, previous_status: None, current_status: None }
    }
}

/// Runs a command on one instance.
async fn run_one<C>(cx: &Cx<'_>, id: String, command: impl FnOnce(Vec<InstanceId>) -> C) -> Result<(), Fault>
where
    C: Command<Reply = Vec<StateChange>>,
{
    cx.cloud.run(&cx.caller, command(ids(&[id])?), cx.options()?).await?;
    Ok(())
}

/// `StartInstances`.
#[derive(FromArg)]
pub(crate) struct StartInstances {
    #[arg(flatten)]
    many: Many,
}

/// Starts stopped instances.
pub(crate) async fn start_many(cx: &Cx<'_>, asked: StartInstances) -> Result<Responses, Fault> {
    asked.many.run(cx, |ids| Strictly(Start { ids })).await
}

/// `StartInstance`.
#[derive(FromArg)]
pub(crate) struct StartInstance {
    instance_id: String,
}

/// Starts a stopped instance.
pub(crate) async fn start_one(cx: &Cx<'_>, asked: StartInstance) -> Result<(), Fault> {
    run_one(cx, asked.instance_id, |ids| Strictly(Start { ids })).await
}

/// How instances are stopped.
#[derive(FromArg)]
struct How {
    #[arg(default)]
    force_stop: bool,
    #[arg(default = StoppedMode::KeepCharging)]
    stopped_mode: StoppedMode,
}

impl How {
    fn command(&self, ids: Vec<InstanceId>) -> Strictly<Stop> {
        let keep_capacity = match self.stopped_mode {
            StoppedMode::KeepCharging => true,
            StoppedMode::StopCharging => false,
        };
        Strictly(Stop { ids, force: self.force_stop, keep_capacity })
    }
}

/// `StopInstances`.
#[derive(FromArg)]
pub(crate) struct StopInstances {
    #[arg(flatten)]
    many: Many,
    #[arg(flatten)]
    how: How,
}

/// Stops running instances.
pub(crate) async fn stop_many(cx: &Cx<'_>, asked: StopInstances) -> Result<Responses, Fault> {
    asked.many.run(cx, |ids| asked.how.command(ids)).await
}

/// `StopInstance`.
#[derive(FromArg)]
pub(crate) struct StopInstance {
    instance_id: String,
    #[arg(flatten)]
    how: How,
}

/// Stops a running instance.
pub(crate) async fn stop_one(cx: &Cx<'_>, asked: StopInstance) -> Result<(), Fault> {
    run_one(cx, asked.instance_id, |ids| asked.how.command(ids)).await
}

/// `RebootInstances`.
#[derive(FromArg)]
pub(crate) struct RebootInstances {
    #[arg(flatten)]
    many: Many,
    #[arg(default)]
    force_reboot: bool,
}

/// Restarts running instances.
pub(crate) async fn reboot_many(cx: &Cx<'_>, asked: RebootInstances) -> Result<Responses, Fault> {
    let force = asked.force_reboot;
    asked.many.run(cx, |ids| Reboot { ids, force }).await
}

/// `RebootInstance`.
#[derive(FromArg)]
pub(crate) struct RebootInstance {
    instance_id: String,
    #[arg(default)]
    force_stop: bool,
}

/// Restarts a running instance.
pub(crate) async fn reboot_one(cx: &Cx<'_>, asked: RebootInstance) -> Result<(), Fault> {
    run_one(cx, asked.instance_id, |ids| Reboot { ids, force: asked.force_stop }).await
}

/// How instances are released.
#[derive(FromArg)]
struct Release {
    #[arg(default)]
    force: bool,
    #[expect(dead_code, reason = "a released guest is never waited for")]
    force_stop: Option<bool>,
}

impl Release {
    fn command(&self, ids: Vec<InstanceId>) -> Strictly<Terminate> {
        Strictly(Terminate { ids, only_stopped: !self.force })
    }
}

/// `DeleteInstances`.
#[derive(FromArg)]
pub(crate) struct DeleteInstances {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_id: Vec<String>,
    #[arg(flatten)]
    release: Release,
}

/// Releases instances; running ones only by force.
pub(crate) async fn delete_many(cx: &Cx<'_>, asked: DeleteInstances) -> Result<(), Fault> {
    if asked.instance_id.is_empty() {
        return Err(Fault::missing("InstanceId"));
    }
    cx.cloud.run(&cx.caller, asked.release.command(ids(&asked.instance_id)?), cx.options()?).await?;
    Ok(())
}

/// `DeleteInstance`.
#[derive(FromArg)]
pub(crate) struct DeleteInstance {
    instance_id: String,
    #[arg(flatten)]
    release: Release,
}

/// Releases an instance; a running one only by force.
pub(crate) async fn delete_one(cx: &Cx<'_>, asked: DeleteInstance) -> Result<(), Fault> {
    run_one(cx, asked.instance_id, |ids| asked.release.command(ids)).await
}
