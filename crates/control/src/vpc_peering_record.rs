//! Peerings as EC2 shows them: those that are there, and for some hours those that were deleted. What came to nothing goes when its time
//! has come.

use model::{AccountId, DeletedVpcPeering, Millis, Noun, PeeringState, VpcPeering, VpcPeeringId};
use store::Tx;

use crate::describe::{Field, Listing};
use crate::{Cloud, Failure};

/// Kind of wakes for peerings.
pub(crate) const VPC_PEERING: &str = "vpc_peering";

/// A peering that is there, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VpcPeeringRecord {
    /// The peering.
    pub peering: VpcPeering,
    /// Who deleted it.
    pub deleted_by: Option<AccountId>,
}

impl Listing for VpcPeeringRecord {
    type Id = VpcPeeringId;
    const NOUN: Noun = Noun::VpcPeering;

    fn id(&self) -> VpcPeeringId {
        self.peering.id
    }

    fn id_value(id: VpcPeeringId) -> (u64, String) {
        VpcPeering::id_value(id)
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<VpcPeeringRecord>, Failure> {
        let there = VpcPeering::all(tx, account)?.into_iter().map(|peering| VpcPeeringRecord { peering, deleted_by: None });
        let gone = tx.vpc_peering_deleted_list(account)?.into_iter();
        let gone = gone.map(|gone| VpcPeeringRecord { peering: gone.peering, deleted_by: Some(gone.by) });
        let mut all: Vec<VpcPeeringRecord> = there.chain(gone).collect();
        all.sort_by_key(Listing::id);
        Ok(all)
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match (field, self.deleted_by) {
            (Field::State, Some(_)) => vec!["deleted".to_owned()],
            _ => self.peering.values(field),
        }
    }
}

/// Has a peering that time alone will change looked at then.
pub(crate) fn wake(tx: &mut Tx<'_>, peering: &VpcPeering) -> Result<(), Failure> {
    match peering.due() {
        Some(due) => Ok(tx.wake(VPC_PEERING, peering.id, due)?),
        None => Ok(()),
    }
}

/// Deletes a peering. One that was active, or might have become so, is shown for some hours.
pub(crate) fn bury(tx: &mut Tx<'_>, peering: VpcPeering, by: AccountId, now: Millis) -> Result<(), Failure> {
    tx.delete::<VpcPeering>(peering.id)?;
    if !peering.state_at(now).is_alive() {
        return Ok(());
    }
    let gone = DeletedVpcPeering { peering, by, deleted_at: now, is_past: false };
    tx.wake(VPC_PEERING, gone.peering.id, gone.due())?;
    Ok(tx.insert(&gone)?)
}

impl Cloud {
    /// Has a peering expire, or forgets one, when its time has come; says when it is to be looked at again.
    pub(crate) fn advance_vpc_peering(&self, tx: &mut Tx<'_>, id: VpcPeeringId, now: Millis) -> Result<Option<Millis>, Failure> {
        if let Some(mut row) = tx.get::<VpcPeering>(id)? {
            if row.is_forgotten(now) {
                tx.delete::<VpcPeering>(id)?;
                return Ok(None);
            }
            if row.state != row.state_at(now) {
                row.state = PeeringState::Expired;
                tx.update(&row)?;
            }
            return Ok(row.due());
        }
        let Some(gone) = tx.get::<DeletedVpcPeering>(id)? else { return Ok(None) };
        if now < gone.due() {
            return Ok(Some(gone.due()));
        }
        match gone.later() {
            Some(later) => {
                tx.update(&later)?;
                Ok(Some(later.due()))
            }
            None => {
                tx.delete::<DeletedVpcPeering>(id)?;
                Ok(None)
            }
        }
    }
}
