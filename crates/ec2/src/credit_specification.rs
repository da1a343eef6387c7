//! What burstable instances may do when their processor credits are used up.
//!
//! This cloud holds no burstable guest below its processors, so each is `unlimited`, as EC2's newer types are unless asked otherwise.

use control::{Field, Filter, InstanceView, Query};
use model::instance_type::Category;
use model::{Catalogue, InstanceId, LaunchSettings, Noun, Tags};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, unsupported};
use crate::filter::AskedFilter;
use crate::page::{Paging, USUAL};
use crate::tag;

/// The one kind that there is.
const UNLIMITED: &str = "unlimited";

/// By what a launch template keeps that it was said.
const SAID: &str = "CpuCredits";

/// What a launch or a template asks for.
#[derive(FromArg)]
pub(crate) struct AskedLaunchCredits {
    cpu_credits: String,
}

impl AskedLaunchCredits {
    /// What is to be kept of it. Refuses what there is not.
    pub(crate) fn said(self) -> Result<Tags, Refusal> {
        match self.cpu_credits.as_str() {
            UNLIMITED => Ok(Tags::from([(SAID.to_owned(), self.cpu_credits)])),
            _ => Err(unsupported(format!("The credit option '{}'", self.cpu_credits))),
        }
    }
}

/// What a template says of credits.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct LaunchCredits {
    cpu_credits: String,
}

impl LaunchCredits {
    /// Credits, where a template says something of them.
    pub(crate) fn of(settings: &LaunchSettings) -> Option<LaunchCredits> {
        settings.plain.get(SAID).map(|said| LaunchCredits { cpu_credits: said.clone() })
    }
}

/// The parameters of `DescribeInstanceCreditSpecifications`.
#[derive(FromArg)]
pub(crate) struct DescribeCredits {
    #[arg(name = "InstanceId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeInstanceCreditSpecifications`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Credits {
    instance_credit_specification_set: Vec<CreditItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct CreditItem {
    instance_id: String,
    cpu_credits: &'static str,
}

/// Lists the burstable ones of the instances that are named, or all that are not terminated.
pub(crate) async fn describe(cx: Cx, asked: DescribeCredits) -> Result<Credits, Refusal> {
    asked.paging.not_with_ids(&asked.ids)?;
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    if let Some(filter) = asked.filters.iter().find(|filter| filter.name != "instance-id") {
        return Err(unsupported(format!("The filter '{}'", filter.name)));
    }
    let by_id = asked.filters.iter().map(|filter| Filter { field: Field::Id, values: filter.values.clone() }).collect();
    let query = Query { ids: tag::ids(Noun::Instance, &asked.ids)?, filters: by_id, page: pages.of_ids()? };
    let listed = cx.cloud.list_instances(&cx.caller, query).await?;
    let burstable = listed.rows.iter().filter(|view| view.instance.is_live() && is_burstable(view));
    let item = |view: &InstanceView| CreditItem { instance_id: view.instance.id.to_string(), cpu_credits: UNLIMITED };
    Ok(Credits { instance_credit_specification_set: burstable.map(item).collect(), next_token: pages.after(listed.next) })
}

/// The parameters of `ModifyInstanceCreditSpecification`.
#[derive(FromArg)]
pub(crate) struct ModifyCredits {
    #[arg(name = "InstanceCreditSpecification")]
    asked: Vec<AskedCredits>,
    #[expect(dead_code, reason = "what is asked for is so already")]
    client_token: Option<String>,
}

#[derive(FromArg)]
struct AskedCredits {
    instance_id: String,
    cpu_credits: Option<String>,
}

/// The reply of `ModifyInstanceCreditSpecification`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Modified {
    successful_instance_credit_specification_set: Vec<Done>,
    unsuccessful_instance_credit_specification_set: Vec<Failed>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Done {
    instance_id: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Failed {
    instance_id: String,
    error: Why,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Why {
    code: &'static str,
    message: String,
}

/// Takes `unlimited` for burstable instances, which they are; each of the others is told by itself, as in EC2.
pub(crate) async fn modify(cx: Cx, asked: ModifyCredits) -> Result<Modified, Refusal> {
    if asked.asked.is_empty() {
        return Err(model::Error::MissingParameter { name: "InstanceCreditSpecification" }.into());
    }
    if let Some(other) = asked.asked.iter().filter_map(|one| one.cpu_credits.as_deref()).find(|credits| *credits != UNLIMITED) {
        return Err(unsupported(format!("The credit option '{other}'")));
    }
    let mut reply =
        Modified { successful_instance_credit_specification_set: vec![], unsuccessful_instance_credit_specification_set: vec![] };
    for AskedCredits { instance_id, .. } in asked.asked {
        let fails = |code, message: &str| Failed {
            instance_id: instance_id.clone(),
            error: Why { code, message: format!("The instance '{instance_id}' {message}") },
        };
        let Ok(id) = instance_id.parse::<InstanceId>() else {
            let failed = fails("InvalidInstanceID.Malformed", "has an id that is none");
            reply.unsuccessful_instance_credit_specification_set.push(failed);
            continue;
        };
        match cx.cloud.instance_view(&cx.caller, id).await {
            Ok(view) if is_burstable(&view) => reply.successful_instance_credit_specification_set.push(Done { instance_id }),
            Ok(_) => {
                let failed = fails("InstanceCreditSpecification.NotSupported", "is not burstable");
                reply.unsuccessful_instance_credit_specification_set.push(failed);
            }
            Err(model::Error::NotFound { .. }) => {
                let failed = fails("InvalidInstanceID.NotFound", "does not exist");
                reply.unsuccessful_instance_credit_specification_set.push(failed);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(reply)
}

fn is_burstable(view: &InstanceView) -> bool {
    Catalogue::standard().by_name(&view.instance.instance_type).is_some_and(|kind| kind.category == Category::Burstable)
}
