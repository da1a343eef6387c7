//! NAT gateways as EC2 shows them: those that are there, and for an hour those that were deleted.

use model::{AccountId, DeletedNatGateway, Millis, NAT_GATEWAY_DELETED_KEPT, NatGatewayId, Noun};
use store::Tx;

use crate::describe::{Field, Listing};
use crate::nat_gateway::NatGatewayView;
use crate::{Cloud, Failure};

/// Kind of wakes for NAT gateways.
pub(crate) const NAT_GATEWAY: &str = "nat_gateway";

/// A NAT gateway that is there, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatGatewayRecord {
    /// The gateway.
    pub view: NatGatewayView,
    /// When it was deleted.
    pub deleted_at: Option<Millis>,
}

impl Listing for NatGatewayRecord {
    type Id = NatGatewayId;
    const NOUN: Noun = Noun::NatGateway;

    fn id(&self) -> NatGatewayId {
        self.view.gateway.id
    }

    fn id_value(id: NatGatewayId) -> (u64, String) {
        NatGatewayView::id_value(id)
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<NatGatewayRecord>, Failure> {
        let there = NatGatewayView::all(tx, account)?.into_iter().map(|view| NatGatewayRecord { view, deleted_at: None });
        let gone = tx.nat_gateway_deleted_list(account)?.into_iter().map(|gone| NatGatewayRecord {
            view: NatGatewayView { gateway: gone.gateway, addresses: gone.addresses, zone: gone.zone },
            deleted_at: Some(gone.deleted_at),
        });
        let mut all: Vec<NatGatewayRecord> = there.chain(gone).collect();
        all.sort_by_key(Listing::id);
        Ok(all)
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match (field, self.deleted_at) {
            (Field::State, Some(_)) => vec!["deleted".to_owned()],
            _ => self.view.values(field),
        }
    }
}

/// Keeps what is shown of a gateway that is deleted.
pub(crate) fn bury(tx: &mut Tx<'_>, view: NatGatewayView, now: Millis) -> Result<(), Failure> {
    let NatGatewayView { gateway, addresses, zone } = view;
    tx.wake(NAT_GATEWAY, gateway.id, now.after(NAT_GATEWAY_DELETED_KEPT))?;
    Ok(tx.insert(&DeletedNatGateway { gateway, addresses, zone, deleted_at: now })?)
}

impl Cloud {
    /// Forgets a deleted gateway when its time has come, and says when that is.
    pub(crate) fn advance_nat_gateway(&self, tx: &mut Tx<'_>, id: NatGatewayId, now: Millis) -> Result<Option<Millis>, Failure> {
        let due = tx.get::<DeletedNatGateway>(id)?.map(|gone| gone.deleted_at.after(NAT_GATEWAY_DELETED_KEPT));
        if due.is_some_and(|due| now >= due) {
            tx.delete::<DeletedNatGateway>(id)?;
        }
        Ok(due.filter(|due| now < *due))
    }
}
