//! Calls that name many instances and answer for each by itself.

use control::Command;
use model::{Error, InstanceId, Noun};
use wire::{Json, JsonList, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter;

/// What became of one instance.
#[derive(Show)]
pub(crate) struct Outcome {
    pub instance_id: String,
    pub success: bool,
    pub code: String,
    pub message: String,
}

/// How many instances were refused.
pub(crate) fn failed(outcomes: &[Outcome]) -> usize {
    outcomes.iter().filter(|outcome| !outcome.success).count()
}

/// Runs a command for each instance. What is wrong with one does not keep it from the others; what is wrong with the call ends it.
pub(crate) async fn each<C: Command>(cx: &Cx<'_>, ids: JsonList<String>, command: impl Fn(InstanceId) -> C) -> Result<Vec<Outcome>, Fault> {
    let Json(ids) = ids;
    if ids.is_empty() {
        return Err(Fault::missing("InstanceIds"));
    }
    let mut outcomes = Vec::with_capacity(ids.len());
    for text in ids {
        let instance: InstanceId = filter::id(Noun::Instance, &text)?;
        let (code, message) = match cx.cloud.run(&cx.caller, command(instance), cx.options()?).await {
            Ok(_) => ("200".to_owned(), "success".to_owned()),
            Err(error) if is_of_the_instance(&error) => {
                let fault = Fault::from(error);
                (fault.code.to_string(), fault.message)
            }
            Err(error) => return Err(error.into()),
        };
        outcomes.push(Outcome { instance_id: text, success: code == "200", code, message });
    }
    Ok(outcomes)
}

fn is_of_the_instance(error: &Error) -> bool {
    matches!(
        error,
        Error::NotFound { noun: Noun::Instance | Noun::InstanceRole, .. }
            | Error::IncorrectState { noun: Noun::Instance, .. }
            | Error::InUse { .. }
    )
}
