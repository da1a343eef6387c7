//! What the account may have and has: CVM's and VPC's lists of quotas.

use control::QuotaView;
use model::QuotaName;
use wire::{FromArg, Show};

use crate::Cx;
use crate::account::Nothing;
use crate::error::Fault;
use crate::filter::FilterArg;

/// `DescribeAccountQuota`.
#[derive(FromArg)]
pub(crate) struct DescribeAccountQuota {
    #[arg(max_items = crate::filter::FILTERS_MAX)]
    filters: Vec<FilterArg>,
}

#[derive(Show)]
pub(crate) struct AccountQuotaReply {
    app_id: u64,
    account_quota_overview: Overview,
}

#[derive(Show)]
struct Overview {
    region: String,
    account_quota: AccountQuota,
}

#[derive(Show)]
#[reply(list = "")]
struct AccountQuota {
    post_paid_quota_set: Vec<PostPaidQuota>,
    /// Nothing can be paid for beforehand, nor had from the spot market.
    pre_paid_quota_set: Vec<PostPaidQuota>,
    spot_paid_quota_set: Vec<PostPaidQuota>,
    image_quota_set: Vec<ImageQuota>,
    disaster_recover_group_quota_set: Vec<PostPaidQuota>,
}

#[derive(Show)]
struct PostPaidQuota {
    used_quota: u64,
    remaining_quota: u64,
    total_quota: u64,
    zone: String,
}

#[derive(Show)]
struct ImageQuota {
    used_quota: u64,
    total_quota: u64,
}

/// Tells how many instances and images the account has and may have. The quota holds for the region; each zone shows it whole.
pub(crate) async fn account_quota(cx: &Cx<'_>, asked: DescribeAccountQuota) -> Result<AccountQuotaReply, Fault> {
    let (mut zones, mut kinds) = (cx.cloud.region().zones.clone(), None);
    for filter in asked.filters {
        match filter.name.as_str() {
            "zone" => zones.retain(|zone| filter.values.contains(zone)),
            "quota-type" => kinds = Some(filter.values),
            name => return Err(Fault::unknown_filter(name)),
        }
    }
    let quotas = cx.cloud.quotas(&cx.caller).await?;
    let shown = |kind: &str| kinds.as_ref().is_none_or(|kinds: &Vec<String>| kinds.iter().any(|wanted| wanted == kind));
    let (instances, images) = (of(&quotas, QuotaName::Instances), of(&quotas, QuotaName::Images));
    let post_paid = |zone: String| PostPaidQuota {
        used_quota: instances.used,
        remaining_quota: instances.limit.saturating_sub(instances.used),
        total_quota: instances.limit,
        zone,
    };
    let account_quota = AccountQuota {
        post_paid_quota_set: if shown("PostPaidQuotaSet") { zones.into_iter().map(post_paid).collect() } else { vec![] },
        image_quota_set: match shown("ImageQuotaSet") {
            true => vec![ImageQuota { used_quota: images.used, total_quota: images.limit }],
            false => vec![],
        },
        pre_paid_quota_set: vec![],
        spot_paid_quota_set: vec![],
        disaster_recover_group_quota_set: vec![],
    };
    let account_quota_overview = Overview { region: cx.region(), account_quota };
    Ok(AccountQuotaReply { app_id: cx.caller.account().as_u64(), account_quota_overview })
}

/// The reply of `DescribeAddressQuota`.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct AddressQuota {
    quota_set: Vec<Quota>,
}

#[derive(Show)]
struct Quota {
    quota_id: &'static str,
    quota_current: u64,
    quota_limit: u64,
}

/// Tells how many elastic addresses the account has and may have.
pub(crate) async fn address_quota(cx: &Cx<'_>, _: Nothing) -> Result<AddressQuota, Fault> {
    let total = of(&cx.cloud.quotas(&cx.caller).await?, QuotaName::Addresses);
    let quota = Quota { quota_id: "TOTAL_EIP_QUOTA", quota_current: total.used, quota_limit: total.limit };
    Ok(AddressQuota { quota_set: vec![quota] })
}

/// The reply of `DescribeImageQuota`.
#[derive(Show)]
pub(crate) struct ImageCount {
    image_num_quota: u64,
}

/// Tells how many images an account may have.
pub(crate) async fn image_quota(cx: &Cx<'_>, _: Nothing) -> Result<ImageCount, Fault> {
    Ok(ImageCount { image_num_quota: cx.cloud.quota_limit(&cx.caller, QuotaName::Images).await? })
}

/// Limit and use of a quota that is counted.
struct Counted {
    limit: u64,
    used: u64,
}

fn of(quotas: &[QuotaView], name: QuotaName) -> Counted {
    let view = quotas.iter().find(|quota| quota.name == name);
    Counted { limit: view.map_or(0, |view| view.limit), used: view.and_then(|view| view.used).unwrap_or(0) }
}
