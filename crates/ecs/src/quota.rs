//! The quota centre: what the account may have, and requests for more, which the operator answers.

use control::{QuotaView, RequestQuota};
use jiff::Timestamp;
use model::{Error, Noun, QUOTA_REASON_MAX, QuotaAnswer, QuotaName, QuotaRequest};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;

/// Rows of a page when none is asked for, and at most (the quota centre documents 30 and 100).
const PAGE: usize = 30;
const PAGE_MAX: usize = 100;
/// The products that have quotas.
const PRODUCTS: [(&str, &str); 2] = [("ecs", "Elastic Compute Service"), ("vpc", "Virtual Private Cloud")];
/// Largest whole number that a JSON number holds exactly.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The product that a quota belongs to.
const fn product(quota: QuotaName) -> &'static str {
    match quota {
        QuotaName::Instances
        | QuotaName::KeyPairs
        | QuotaName::SecurityGroups
        | QuotaName::Volumes
        | QuotaName::Snapshots
        | QuotaName::Images
        | QuotaName::Interfaces
        | QuotaName::LaunchTemplates
        | QuotaName::PlacementGroups
        | QuotaName::InstanceFleets
        | QuotaName::PrefixLists
        | QuotaName::ReadRequests
        | QuotaName::ChangeRequests
        | QuotaName::InstanceLaunches => "ecs",
        QuotaName::Addresses
        | QuotaName::Vpcs
        | QuotaName::VpcRanges
        | QuotaName::Subnets
        | QuotaName::InternetGateways
        | QuotaName::EgressOnlyGateways
        | QuotaName::NatGateways
        | QuotaName::NatAddresses
        | QuotaName::VpcPeerings
        | QuotaName::NatSources
        | QuotaName::NatForwards
        | QuotaName::RouteTables
        | QuotaName::Routes
        | QuotaName::NetworkAcls
        | QuotaName::NetworkPaths
        | QuotaName::PathAnalyses => "vpc",
    }
}

fn code(quota: QuotaName) -> String {
    format!("q_{quota}")
}

/// What a client says of pages.
#[derive(FromArg)]
pub(crate) struct Paging {
    #[arg(default = PAGE, range = 1..=PAGE_MAX)]
    max_results: usize,
    next_token: Option<String>,
}

impl Paging {
    /// Cuts the page out, which a token names by its first row; with the token of the next page.
    fn page<T>(&self, rows: Vec<T>) -> Result<(Vec<T>, Option<String>), Fault> {
        let token = self.next_token.as_deref().filter(|token| !token.is_empty());
        let from = token.map_or(Ok(0), str::parse::<usize>).map_err(|_| Fault::invalid("NextToken", "it is none of this list"))?;
        let next = from.saturating_add(self.max_results);
        let token = (rows.len() > next).then(|| next.to_string());
        Ok((rows.into_iter().skip(from).take(self.max_results).collect(), token))
    }
}

/// `ListProducts`.
#[derive(FromArg)]
pub(crate) struct ListProducts {
    #[arg(flatten)]
    paging: Paging,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Products {
    product_info: Vec<ProductInfo>,
    total_count: usize,
    max_results: usize,
    next_token: Option<String>,
}

#[derive(Show)]
struct ProductInfo {
    product_code: &'static str,
    product_name: &'static str,
    product_name_en: &'static str,
    common_quota_support: &'static str,
}

/// Lists the products that have quotas.
pub(crate) async fn products(cx: &Cx<'_>, asked: ListProducts) -> Result<Products, Fault> {
    cx.cloud.quotas(&cx.caller).await?;
    let info =
        |(code, name)| ProductInfo { product_code: code, product_name: name, product_name_en: name, common_quota_support: "support" };
    let (page, next_token) = asked.paging.page(PRODUCTS.map(info).into())?;
    Ok(Products { product_info: page, total_count: PRODUCTS.len(), max_results: asked.paging.max_results, next_token })
}

/// `ListProductQuotas`.
#[derive(FromArg)]
pub(crate) struct ListProductQuotas {
    product_code: String,
    quota_action_code: Option<String>,
    key_word: Option<String>,
    quota_category: Option<Category>,
    #[arg(flatten)]
    paging: Paging,
}

/// What kind of quota is meant; this cloud has the one.
#[derive(Debug, Clone, Copy, FromArg)]
enum Category {
    CommonQuota,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Quotas {
    quotas: Vec<QuotaItem>,
    total_count: usize,
    max_results: usize,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(list = "")]
struct QuotaItem {
    product_code: &'static str,
    quota_action_code: String,
    quota_name: String,
    quota_description: String,
    quota_arn: String,
    quota_type: &'static str,
    quota_unit: &'static str,
    total_quota: u64,
    total_usage: Option<u64>,
    adjustable: bool,
    consumable: bool,
    apply_reason_tips: &'static str,
    applicable_type: &'static str,
    applicable_range: Vec<u64>,
    period: Option<Period>,
}

#[derive(Show)]
struct Period {
    period_value: u32,
    period_unit: &'static str,
}

/// Lists the quotas of a product.
pub(crate) async fn list(cx: &Cx<'_>, asked: ListProductQuotas) -> Result<Quotas, Fault> {
    let ListProductQuotas { product_code, quota_action_code, key_word, quota_category: Some(Category::CommonQuota) | None, paging } = asked;
    check_product(&product_code)?;
    let mut found = cx.cloud.quotas(&cx.caller).await?;
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (wanted, word) = (given(&quota_action_code), given(&key_word));
    found.retain(|view| {
        let has_word = word.as_deref().is_none_or(|word| code(view.name).contains(word));
        product(view.name) == product_code && has_word && wanted.as_ref().is_none_or(|wanted| *wanted == code(view.name))
    });
    let total_count = found.len();
    let (page, next_token) = paging.page(found)?;
    let quotas = page.iter().map(|view| item(cx, view)).collect();
    Ok(Quotas { quotas, total_count, max_results: paging.max_results, next_token })
}

/// `GetProductQuota`.
#[derive(FromArg)]
pub(crate) struct GetProductQuota {
    product_code: String,
    quota_action_code: String,
}

#[derive(Show)]
pub(crate) struct TheQuota {
    quota: QuotaItem,
}

/// Tells one quota.
pub(crate) async fn get(cx: &Cx<'_>, asked: GetProductQuota) -> Result<TheQuota, Fault> {
    let name = named(&asked.product_code, &asked.quota_action_code)?;
    let found = cx.cloud.quotas(&cx.caller).await?;
    let view = found.iter().find(|view| view.name == name).ok_or(Error::Internal)?;
    Ok(TheQuota { quota: item(cx, view) })
}

fn item(cx: &Cx<'_>, view: &QuotaView) -> QuotaItem {
    QuotaItem {
        product_code: product(view.name),
        quota_action_code: code(view.name),
        quota_name: words(view.name),
        quota_description: words(view.name),
        quota_arn: arn(cx, view.name),
        quota_type: "normal",
        quota_unit: "Count",
        total_quota: view.limit,
        total_usage: view.used,
        adjustable: true,
        consumable: view.used.is_some(),
        apply_reason_tips: "Tell the operator of this cloud what it is for.",
        applicable_type: "continuous",
        applicable_range: vec![view.limit.saturating_add(1), EXACT_MAX as u64],
        period: view.name.is_rate().then_some(Period { period_value: 1, period_unit: "second" }),
    }
}

fn words(quota: QuotaName) -> String {
    quota.as_str().replace('-', " ")
}

fn arn(cx: &Cx<'_>, quota: QuotaName) -> String {
    format!("acs:quotas:{}:{}:quota/{}/{}", cx.region(), cx.caller.account(), product(quota), code(quota))
}

fn check_product(code: &str) -> Result<(), Fault> {
    match PRODUCTS.iter().any(|(known, _)| *known == code) {
        true => Ok(()),
        false => Err(Fault::new(404, "PRODUCT.NOT.FOUND", "The specified product does not exist.")),
    }
}

fn named(product_code: &str, quota_code: &str) -> Result<QuotaName, Fault> {
    check_product(product_code)?;
    let found = QuotaName::ALL.into_iter().find(|quota| product(*quota) == product_code && code(*quota) == quota_code);
    found.ok_or_else(|| Fault::new(404, "QUOTA.NOT.FOUND", "The specified quota does not exist."))
}

/// `CreateQuotaApplication`.
#[derive(FromArg)]
pub(crate) struct CreateQuotaApplication {
    product_code: String,
    quota_action_code: String,
    desire_value: f64,
    #[arg(max_len = QUOTA_REASON_MAX)]
    reason: String,
}

/// A request, as it is told.
#[derive(Show)]
pub(crate) struct Application {
    application_id: String,
    product_code: &'static str,
    quota_action_code: String,
    quota_name: String,
    quota_description: String,
    quota_arn: String,
    quota_unit: &'static str,
    desire_value: u64,
    approve_value: Option<u64>,
    reason: String,
    status: &'static str,
    apply_time: Timestamp,
    effective_time: Option<Timestamp>,
    notice_type: u32,
}

/// Asks the operator for a higher quota.
pub(crate) async fn apply(cx: &Cx<'_>, asked: CreateQuotaApplication) -> Result<Application, Fault> {
    let name = named(&asked.product_code, &asked.quota_action_code)?;
    let wanted = asked.desire_value;
    if wanted.fract() != 0.0 || !(0.0..=EXACT_MAX).contains(&wanted) {
        return Err(Fault::invalid("DesireValue", "it is no whole number"));
    }
    let command = RequestQuota { name, wanted: wanted as u64, reason: asked.reason };
    Ok(application(cx, &cx.cloud.run(&cx.caller, command, cx.options()?).await?))
}

/// `GetQuotaApplication`.
#[derive(FromArg)]
pub(crate) struct GetQuotaApplication {
    application_id: String,
}

#[derive(Show)]
pub(crate) struct TheApplication {
    quota_application: Application,
}

/// Tells what became of a request.
pub(crate) async fn get_application(cx: &Cx<'_>, asked: GetQuotaApplication) -> Result<TheApplication, Fault> {
    let found = cx.cloud.quota_requests(&cx.caller).await?;
    let one = found.iter().find(|request| request.id.to_string() == asked.application_id);
    let one = one.ok_or_else(|| Error::not_found(Noun::QuotaRequest, &asked.application_id))?;
    Ok(TheApplication { quota_application: application(cx, one) })
}

/// `ListQuotaApplications`.
#[derive(FromArg)]
pub(crate) struct ListQuotaApplications {
    product_code: String,
    quota_action_code: Option<String>,
    status: Option<Status>,
    #[arg(flatten)]
    paging: Paging,
}

/// How far a request is.
#[derive(Debug, Clone, Copy, FromArg)]
enum Status {
    Process,
    Agree,
    Disagree,
    Cancel,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Applications {
    quota_applications: Vec<Application>,
    total_count: usize,
    max_results: usize,
    next_token: Option<String>,
}

/// Lists requests, the newest first.
pub(crate) async fn list_applications(cx: &Cx<'_>, asked: ListQuotaApplications) -> Result<Applications, Fault> {
    check_product(&asked.product_code)?;
    let wanted = asked.quota_action_code.filter(|text| !text.is_empty());
    let mut found = cx.cloud.quota_requests(&cx.caller).await?;
    found.retain(|request| {
        let is_so = asked.status.is_none_or(|status| format!("{status:?}") == status_of(request));
        product(request.name) == asked.product_code && is_so && wanted.as_ref().is_none_or(|wanted| *wanted == code(request.name))
    });
    let total_count = found.len();
    let (page, next_token) = asked.paging.page(found)?;
    let quota_applications = page.iter().map(|request| application(cx, request)).collect();
    Ok(Applications { quota_applications, total_count, max_results: asked.paging.max_results, next_token })
}

const fn status_of(request: &QuotaRequest) -> &'static str {
    match request.answer {
        QuotaAnswer::Open => "Process",
        QuotaAnswer::Granted { .. } => "Agree",
        QuotaAnswer::Denied { .. } => "Disagree",
    }
}

fn application(cx: &Cx<'_>, request: &QuotaRequest) -> Application {
    let granted = match request.answer {
        QuotaAnswer::Granted { at } => Some(at),
        QuotaAnswer::Open | QuotaAnswer::Denied { .. } => None,
    };
    Application {
        application_id: request.id.to_string(),
        product_code: product(request.name),
        quota_action_code: code(request.name),
        quota_name: words(request.name),
        quota_description: words(request.name),
        quota_arn: arn(cx, request.name),
        quota_unit: "Count",
        desire_value: request.wanted,
        approve_value: granted.map(|_| request.wanted),
        reason: request.reason.clone(),
        status: status_of(request),
        apply_time: request.asked_at.timestamp(),
        effective_time: granted.map(|at| at.timestamp()),
        notice_type: 0,
    }
}
