//! Service Quotas: what the account may have, and requests for more, which the operator answers.

pub(crate) mod catalogue;
pub(crate) mod error;
mod request;

use control::QuotaView;
use model::{Error, Noun, QuotaName};
use wire::{FromArg, Show};

pub(crate) use request::{
    ChangesOfQuota, GetRequestedChange, ListRequestedChanges, RequestIncrease, get_change, list_changes, list_changes_of_quota, request,
};

use crate::Cx;
use crate::error::Refusal;
use catalogue::{Entry, SERVICES};

/// What the header that names the action begins with.
pub(crate) const TARGET: &str = "ServiceQuotasV20190624.";
/// Rows of a page unless the client asks for fewer (Service Quotas documents 100).
const PAGE: u32 = 100;

/// What a client says of pages.
#[derive(FromArg)]
pub(crate) struct Paging {
    #[arg(default = PAGE, range = 1..=PAGE)]
    max_results: u32,
    next_token: Option<String>,
}

impl Paging {
    /// Cuts the page out of rows that are in the order of their keys; with the token of the next page.
    fn page<T>(self, rows: Vec<T>, key: impl Fn(&T) -> String) -> Result<(Vec<T>, Option<String>), Refusal> {
        let from = match self.next_token.filter(|token| !token.is_empty()) {
            Some(token) => 1 + rows.iter().position(|row| key(row) == token).ok_or(Refusal::NextToken)?,
            None => 0,
        };
        let size = self.max_results as usize;
        let next = (rows.len() > from + size).then(|| key(&rows[from + size - 1]));
        Ok((rows.into_iter().skip(from).take(size).collect(), next))
    }
}

/// The parameters of `ListServices`.
#[derive(FromArg)]
pub(crate) struct ListServices {
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `ListServices`.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Services {
    services: Vec<Service>,
    next_token: Option<String>,
}

#[derive(Show)]
struct Service {
    service_code: &'static str,
    service_name: &'static str,
}

/// Lists the services that have quotas.
pub(crate) async fn list_services(cx: Cx, asked: ListServices) -> Result<Services, Refusal> {
    cx.allowed().await?;
    let (page, next_token) = asked.paging.page(SERVICES.to_vec(), |(code, _)| (*code).to_owned())?;
    let services = page.into_iter().map(|(service_code, service_name)| Service { service_code, service_name }).collect();
    Ok(Services { services, next_token })
}

/// The parameters of the lists of quotas.
#[derive(FromArg)]
pub(crate) struct ListQuotas {
    service_code: String,
    quota_code: Option<String>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of the lists of quotas.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Quotas {
    quotas: Vec<Quota>,
    next_token: Option<String>,
}

#[derive(Show)]
struct Quota {
    service_code: &'static str,
    service_name: &'static str,
    quota_arn: String,
    quota_code: &'static str,
    quota_name: &'static str,
    value: f64,
    unit: &'static str,
    adjustable: bool,
    global_quota: bool,
    period: Option<Period>,
}

#[derive(Show)]
struct Period {
    period_value: u32,
    period_unit: &'static str,
}

/// Lists the quotas of a service.
pub(crate) async fn list(cx: Cx, asked: ListQuotas) -> Result<Quotas, Refusal> {
    listed(&cx, asked, |view| view.limit).await
}

/// Lists the quotas that an account has at first.
pub(crate) async fn list_defaults(cx: Cx, asked: ListQuotas) -> Result<Quotas, Refusal> {
    listed(&cx, asked, |view| view.default).await
}

async fn listed(cx: &Cx, asked: ListQuotas, value: fn(&QuotaView) -> u64) -> Result<Quotas, Refusal> {
    let ListQuotas { service_code, quota_code, paging } = asked;
    check_service(&service_code)?;
    let mut found = cx.cloud.quotas(&cx.caller).await?;
    let wanted = |entry: Entry| entry.service == service_code && quota_code.as_deref().is_none_or(|code| code == entry.code);
    found.retain(|view| wanted(catalogue::of(view.name)));
    found.sort_by_key(|view| catalogue::of(view.name).code);
    let (page, next_token) = paging.page(found, |view| catalogue::of(view.name).code.to_owned())?;
    Ok(Quotas { quotas: page.iter().map(|view| quota(cx, view.name, value(view))).collect(), next_token })
}

/// The parameters of the calls on one quota.
#[derive(FromArg)]
pub(crate) struct OneQuota {
    service_code: String,
    quota_code: String,
}

/// The reply of the calls on one quota.
#[derive(Show)]
pub(crate) struct TheQuota {
    quota: Quota,
}

/// Tells one quota.
pub(crate) async fn get(cx: Cx, asked: OneQuota) -> Result<TheQuota, Refusal> {
    let entry = entry(&asked.service_code, &asked.quota_code)?;
    let limit = cx.cloud.quota_limit(&cx.caller, entry.quota).await?;
    Ok(TheQuota { quota: quota(&cx, entry.quota, limit) })
}

/// Tells what one quota is at first.
pub(crate) async fn get_default(cx: Cx, asked: OneQuota) -> Result<TheQuota, Refusal> {
    let entry = entry(&asked.service_code, &asked.quota_code)?;
    cx.allowed().await?;
    Ok(TheQuota { quota: quota(&cx, entry.quota, entry.quota.default_limit()) })
}

fn quota(cx: &Cx, name: QuotaName, value: u64) -> Quota {
    let entry = catalogue::of(name);
    Quota {
        service_code: entry.service,
        service_name: service_name(entry.service),
        quota_arn: arn(cx, &entry),
        quota_code: entry.code,
        quota_name: entry.title,
        value: value as f64,
        unit: "None",
        adjustable: true,
        global_quota: false,
        period: name.is_rate().then_some(Period { period_value: 1, period_unit: "SECOND" }),
    }
}

fn arn(cx: &Cx, entry: &Entry) -> String {
    let (region, account) = (&cx.cloud.region().name, cx.caller.account());
    format!("arn:aws:servicequotas:{region}:{account}:{}/{}", entry.service, entry.code)
}

fn service_name(code: &str) -> &'static str {
    SERVICES.iter().find(|(known, _)| *known == code).map_or("", |(_, name)| name)
}

fn check_service(code: &str) -> Result<(), Refusal> {
    match SERVICES.iter().any(|(known, _)| *known == code) {
        true => Ok(()),
        false => Err(Error::not_found(Noun::QuotaRequest, code).into()),
    }
}

fn entry(service: &str, code: &str) -> Result<Entry, Refusal> {
    catalogue::named(service, code).ok_or_else(|| Error::not_found(Noun::QuotaRequest, format!("{service}/{code}")).into())
}
