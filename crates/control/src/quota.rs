//! Quotas as their accounts see them, requests for higher ones, and the operator's answer.
//!
//! ```text
//!   asked ─▶ open ─▶ granted    the operator set the quota to what was wanted, or more
//!                └─▶ denied     the operator said no
//! ```
//!
//! Nothing is granted by itself: what a machine can bear is the operator's to know.

use model::{
    AccountId, Error, Noun, QUOTA_REASON_MAX, QUOTA_REQUESTS_KEPT_MAX, QUOTA_REQUESTS_OPEN_MAX, Quota, QuotaAnswer, QuotaName,
    QuotaRequest, QuotaRequestId,
};
use serde::Serialize;
use store::Tx;

use crate::auth::{Caller, Target};
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// A quota of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuotaView {
    /// What is limited.
    pub name: QuotaName,
    /// The limit.
    pub limit: u64,
    /// The limit of an account that has none of its own.
    pub default: u64,
    /// How much is in use; none for rates and for what is counted in each VPC or table.
    pub used: Option<u64>,
}

/// Asks the operator for a higher limit.
#[derive(Debug, Clone, Serialize)]
pub struct RequestQuota {
    /// What is limited.
    pub name: QuotaName,
    /// The limit wanted, above the present one.
    pub wanted: u64,
    /// Why.
    pub reason: String,
}

impl Command for RequestQuota {
    type Reply = QuotaRequest;
    const NAME: &'static str = "RequestQuota";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target::any()])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<QuotaRequest, Failure> {
        let account = cx.caller.account();
        if self.reason.chars().count() > QUOTA_REASON_MAX {
            return Err(Error::invalid("Reason", format!("may have {QUOTA_REASON_MAX} characters")).into());
        }
        if self.wanted <= tx.quota_limit(account, self.name)? {
            return Err(Error::invalid("DesiredValue", "must be above the present quota").into());
        }
        let mut kept = tx.quota_request_list(account)?;
        let open = kept.iter().filter(|request| request.answer == QuotaAnswer::Open);
        if open.clone().any(|request| request.name == self.name) {
            return Err(Error::Duplicate { noun: Noun::QuotaRequest, name: self.name.to_string() }.into());
        }
        if open.count() >= QUOTA_REQUESTS_OPEN_MAX {
            let limit = QUOTA_REQUESTS_OPEN_MAX as u64;
            return Err(Error::LimitReached { name: "QuotaRequest", what: "open requests for quotas".to_owned(), limit }.into());
        }
        if kept.len() >= QUOTA_REQUESTS_KEPT_MAX
            && let Some(oldest) = kept.iter().position(|request| request.answer != QuotaAnswer::Open)
        {
            tx.delete::<QuotaRequest>(kept.remove(oldest).id)?;
        }
        let request = QuotaRequest {
            id: QuotaRequestId::from_u64(cx.new_id()),
            account,
            name: self.name,
            wanted: self.wanted,
            reason: self.reason.clone(),
            asked_by: cx.caller.principal.name(),
            asked_at: cx.now,
            answer: QuotaAnswer::Open,
        };
        tx.insert(&request)?;
        Ok(request)
    }
}

impl Cloud {
    /// Sets a limit of an account. Requests for it that are thereby fulfilled are granted.
    pub async fn quota_set(&self, account: AccountId, name: QuotaName, limit: u64) -> Result<(), Error> {
        let clock = self.clock().clone();
        let done = self.store().write(move |tx| {
            tx.put(&Quota { account, name, limit })?;
            let granted = QuotaAnswer::Granted { at: clock.now() };
            let fulfilled = |request: &QuotaRequest| request.name == name && request.wanted <= limit;
            answer(tx, account, granted, fulfilled).map(drop)
        });
        done.await.map_err(|error| self.write_refusal("set a quota", error))?;
        // Rates of requests are remembered with the principal.
        self.principals().clear();
        Ok(())
    }

    /// Denies what an account has asked for of one quota; says whether there was anything to deny.
    pub async fn quota_deny(&self, account: AccountId, name: QuotaName) -> Result<bool, Error> {
        let clock = self.clock().clone();
        let done = self.store().write(move |tx| {
            let denied = QuotaAnswer::Denied { at: clock.now() };
            answer(tx, account, denied, |request: &QuotaRequest| request.name == name)
        });
        done.await.map_err(|error| self.write_refusal("deny a quota", error))
    }

    /// A limit of the caller's account.
    pub async fn quota_limit(&self, caller: &Caller, name: QuotaName) -> Result<u64, Error> {
        self.read(caller, vec![Target::any()], move |tx, cx| Ok::<_, Failure>(tx.quota_limit(cx.caller.account(), name)?)).await
    }

    /// Every quota of the caller's account.
    pub async fn quotas(&self, caller: &Caller) -> Result<Vec<QuotaView>, Error> {
        self.read(caller, vec![Target::any()], |tx, cx| views(tx, cx.caller.account())).await
    }

    /// Every quota of an account, for the operator.
    pub async fn quotas_of(&self, account: AccountId) -> Result<Vec<QuotaView>, Error> {
        self.store().read(move |tx| views(tx, account)).await.map_err(|failure| self.refusal("read quotas", failure))
    }

    /// Requests of the caller's account for quotas, the newest first.
    pub async fn quota_requests(&self, caller: &Caller) -> Result<Vec<QuotaRequest>, Error> {
        let mut found =
            self.read(caller, vec![Target::any()], |tx, cx| Ok::<_, Failure>(tx.quota_request_list(cx.caller.account())?)).await?;
        found.reverse();
        Ok(found)
    }

    /// Requests of all accounts that wait for the operator's answer.
    pub async fn quota_requests_open(&self) -> Result<Vec<QuotaRequest>, Error> {
        let all = self.store().read(|tx| tx.list::<QuotaRequest>(store::By::all())).await;
        let mut all = all.map_err(|error| self.store_refusal("read requests for quotas", &error))?;
        all.retain(|request| request.answer == QuotaAnswer::Open);
        Ok(all)
    }
}

/// Answers those open requests of an account; says whether there were any.
fn answer(tx: &mut Tx<'_>, account: AccountId, answer: QuotaAnswer, which: impl Fn(&QuotaRequest) -> bool) -> Result<bool, Failure> {
    let open = |request: &QuotaRequest| request.answer == QuotaAnswer::Open && which(request);
    let mut any = false;
    for request in tx.quota_request_list(account)?.into_iter().filter(open) {
        tx.update(&QuotaRequest { answer, ..request })?;
        any = true;
    }
    Ok(any)
}

fn views(tx: &Tx<'_>, account: AccountId) -> Result<Vec<QuotaView>, Failure> {
    let view = |name: QuotaName| {
        let limit = tx.quota_limit(account, name)?;
        Ok(QuotaView { name, limit, default: name.default_limit(), used: used(tx, account, name)? })
    };
    QuotaName::ALL.into_iter().map(view).collect()
}

/// How much of a quota an account uses, where that is one number.
fn used(tx: &Tx<'_>, account: AccountId, name: QuotaName) -> Result<Option<u64>, Failure> {
    let all = u64::MAX;
    Ok(match name {
        QuotaName::Instances => Some(tx.instance_count_live(account, all)?.saturating_add(tx.capacity_slot_count_free(account, all)?)),
        QuotaName::KeyPairs => Some(tx.key_pair_count(account, all)?),
        QuotaName::Addresses => Some(tx.address_count_elastic(account, all)?),
        QuotaName::SecurityGroups => Some(tx.security_group_count(account, all)?),
        QuotaName::Volumes => Some(tx.volume_count(account, all)?),
        QuotaName::Snapshots => Some(tx.snapshot_count(account, all)?),
        QuotaName::Images => {
            let live = |image: &&model::Image| image.phase != model::ImagePhase::Deregistered;
            Some(tx.image_list_of(account)?.iter().filter(live).count() as u64)
        }
        QuotaName::Vpcs => Some(tx.vpc_count(account, all)?),
        QuotaName::InternetGateways => Some(tx.internet_gateway_count(account, all)?),
        QuotaName::EgressOnlyGateways => Some(tx.egress_only_gateway_count(account, all)?),
        QuotaName::NatGateways => Some(tx.nat_gateway_count(account, all)?),
        QuotaName::NetworkPaths => Some(tx.network_path_count(account, all)?),
        QuotaName::PathAnalyses => Some(tx.path_analysis_count(account, all)?),
        QuotaName::Interfaces => Some(tx.interface_count(account, all)?),
        QuotaName::LaunchTemplates => Some(tx.launch_template_count(account, all)?),
        QuotaName::PlacementGroups => Some(tx.placement_group_count(account, all)?),
        QuotaName::InstanceFleets => Some(tx.instance_fleet_count(account, all)?),
        QuotaName::PrefixLists => Some(tx.prefix_list_count(account, all)?),
        QuotaName::VpcRanges
        | QuotaName::Subnets
        | QuotaName::RouteTables
        | QuotaName::Routes
        | QuotaName::NatAddresses
        | QuotaName::VpcPeerings
        | QuotaName::NatSources
        | QuotaName::NatForwards
        | QuotaName::NetworkAcls
        | QuotaName::ReadRequests
        | QuotaName::ChangeRequests
        | QuotaName::InstanceLaunches => None,
    })
}
