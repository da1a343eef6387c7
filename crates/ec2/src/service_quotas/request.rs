//! Requests for higher quotas.

use control::RequestQuota;
use jiff::Timestamp;
use model::{Error, Noun, QuotaAnswer, QuotaRequest, QuotaRequestId};
use wire::{FromArg, Show};

use super::{Paging, arn, catalogue, check_service, entry, service_name};
use crate::Cx;
use crate::error::Refusal;

/// Largest whole number that a JSON number holds exactly.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// How far a request is, in Service Quotas' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg, Show)]
#[reply(rename = "UPPER_SNAKE_CASE")]
#[arg(rename = "UPPER_SNAKE_CASE")]
pub(crate) enum Status {
    Pending,
    CaseOpened,
    Approved,
    Denied,
    CaseClosed,
    NotApproved,
    InvalidRequest,
}

impl Status {
    const fn of(answer: QuotaAnswer) -> Status {
        match answer {
            QuotaAnswer::Open => Status::Pending,
            QuotaAnswer::Granted { .. } => Status::Approved,
            QuotaAnswer::Denied { .. } => Status::Denied,
        }
    }
}

/// The parameters of `RequestServiceQuotaIncrease`.
#[derive(FromArg)]
pub(crate) struct RequestIncrease {
    service_code: String,
    quota_code: String,
    desired_value: f64,
    /// Whether a support case may be opened; here every request goes to the operator.
    support_case_allowed: Option<bool>,
}

/// The reply of the calls on one request.
#[derive(Show)]
pub(crate) struct Requested {
    requested_quota: Change,
}

/// A request, as it is told.
#[derive(Show)]
pub(crate) struct Change {
    id: String,
    service_code: &'static str,
    service_name: &'static str,
    quota_code: &'static str,
    quota_name: &'static str,
    desired_value: f64,
    status: Status,
    created: Timestamp,
    last_updated: Timestamp,
    requester: String,
    quota_arn: String,
    global_quota: bool,
    unit: &'static str,
}

/// Asks the operator for a higher quota.
pub(crate) async fn request(cx: Cx, asked: RequestIncrease) -> Result<Requested, Refusal> {
    let entry = entry(&asked.service_code, &asked.quota_code)?;
    let _ = asked.support_case_allowed;
    let wanted = asked.desired_value;
    if wanted.fract() != 0.0 || !(0.0..=EXACT_MAX).contains(&wanted) {
        return Err(Error::invalid("DesiredValue", "must be a whole number").into());
    }
    let command = RequestQuota { name: entry.quota, wanted: wanted as u64, reason: String::new() };
    let made = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Requested { requested_quota: change(&cx, &made) })
}

/// The parameters of `GetRequestedServiceQuotaChange`.
#[derive(FromArg)]
pub(crate) struct GetRequestedChange {
    request_id: String,
}

/// Tells what became of a request.
pub(crate) async fn get_change(cx: Cx, asked: GetRequestedChange) -> Result<Requested, Refusal> {
    let absent = || Error::not_found(Noun::QuotaRequest, &asked.request_id);
    let id: QuotaRequestId = asked.request_id.parse().map_err(|_| absent())?;
    let found = cx.cloud.quota_requests(&cx.caller).await?.into_iter().find(|request| request.id == id);
    Ok(Requested { requested_quota: change(&cx, &found.ok_or_else(absent)?) })
}

/// The parameters of `ListRequestedServiceQuotaChangeHistory`.
#[derive(FromArg)]
pub(crate) struct ListRequestedChanges {
    service_code: Option<String>,
    status: Option<Status>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of the lists of requests.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Changes {
    requested_quotas: Vec<Change>,
    next_token: Option<String>,
}

/// Lists requests, the newest first.
pub(crate) async fn list_changes(cx: Cx, asked: ListRequestedChanges) -> Result<Changes, Refusal> {
    let ListRequestedChanges { service_code, status, paging } = asked;
    service_code.as_deref().map(check_service).transpose()?;
    let of_service = |entry: catalogue::Entry| service_code.as_deref().is_none_or(|code| code == entry.service);
    listed(&cx, paging, status, of_service).await
}

/// The parameters of `ListRequestedServiceQuotaChangeHistoryByQuota`.
#[derive(FromArg)]
pub(crate) struct ChangesOfQuota {
    service_code: String,
    quota_code: String,
    status: Option<Status>,
    #[arg(flatten)]
    paging: Paging,
}

/// Lists requests for one quota, the newest first.
pub(crate) async fn list_changes_of_quota(cx: Cx, asked: ChangesOfQuota) -> Result<Changes, Refusal> {
    let wanted = entry(&asked.service_code, &asked.quota_code)?.quota;
    listed(&cx, asked.paging, asked.status, |entry| entry.quota == wanted).await
}

async fn listed(cx: &Cx, paging: Paging, status: Option<Status>, which: impl Fn(catalogue::Entry) -> bool) -> Result<Changes, Refusal> {
    let mut found = cx.cloud.quota_requests(&cx.caller).await?;
    found.retain(|request| which(catalogue::of(request.name)) && status.is_none_or(|status| Status::of(request.answer) == status));
    let (page, next_token) = paging.page(found, |request| request.id.to_string())?;
    Ok(Changes { requested_quotas: page.iter().map(|request| change(cx, request)).collect(), next_token })
}

fn change(cx: &Cx, request: &QuotaRequest) -> Change {
    let entry = catalogue::of(request.name);
    let requester = serde_json::json!({ "accountId": request.account.to_string(), "callerArn": request.asked_by });
    Change {
        id: request.id.to_string(),
        service_code: entry.service,
        service_name: service_name(entry.service),
        quota_code: entry.code,
        quota_name: entry.title,
        desired_value: request.wanted as f64,
        status: Status::of(request.answer),
        created: request.asked_at.timestamp(),
        last_updated: request.changed_at().timestamp(),
        requester: requester.to_string(),
        quota_arn: arn(cx, &entry),
        global_quota: false,
        unit: "None",
    }
}
