//! Volumes as they are shown: with the policy that has snapshots of them taken.

use std::collections::HashMap;

use model::{AccountId, SnapshotPolicyId, Volume, VolumeId};
use store::Tx;

use crate::Failure;
use crate::describe::{Field, Listing};

/// A volume with what it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeView {
    /// The volume.
    pub volume: Volume,
    /// The policy that has snapshots of it taken.
    pub policy: Option<SnapshotPolicyId>,
}

impl Listing for VolumeView {
    type Id = VolumeId;
    const NOUN: model::Noun = model::Noun::Volume;

    fn id(&self) -> VolumeId {
        self.volume.id
    }

    fn id_value(id: VolumeId) -> (u64, String) {
        Volume::id_value(id)
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<VolumeView>, Failure> {
        let mut policies: HashMap<VolumeId, SnapshotPolicyId> = HashMap::new();
        for policy in tx.snapshot_policy_list(account)? {
            policies.extend(policy.volumes.iter().map(|volume| (*volume, policy.id)));
        }
        let view = |volume: Volume| VolumeView { policy: policies.get(&volume.id).copied(), volume };
        Ok(Volume::all(tx, account)?.into_iter().map(view).collect())
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match field {
            Field::SnapshotPolicy => self.policy.iter().map(ToString::to_string).collect(),
            Field::HasSnapshotPolicy => vec![self.policy.is_some().to_string()],
            _ => self.volume.values(field),
        }
    }
}
