//! The control plane of one region: its database, time, ids and settings, and the bells that wake its workers.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use ipnet::{Ipv4Net, Ipv6Net};
use model::{AccountId, Error, HostId, SnapshotModes};
use store::{Store, StoreError};
use tokio::sync::Notify;

use crate::access_key_use::LastUses;
use crate::auth::Principals;
use crate::console::Consoles;
use crate::fleet::Fleet;
use crate::host::HostLinks;
use crate::image_task::Buckets;
use crate::report::Reports;
use crate::request_limit::RequestLimits;
use crate::upload::Blocks;
use crate::{Clock, Ids, MasterKey};

/// Settings of a region that never change while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Name of the region.
    pub name: String,
    /// Names of its zones, at least one.
    pub zones: Vec<String>,
    /// Range of every account's default VPC.
    pub default_vpc: Ipv4Net,
    /// Public addresses of the region.
    pub public_pool: Ipv4Net,
    /// Where VPCs get their IPv6 ranges; where the operator names none, a range of the installation's own.
    pub ipv6_pool: Option<Ipv6Net>,
    /// Whether an instance in a default subnet gets a public address unless it says no.
    pub public_on_launch: bool,
    /// Domain that private names end in.
    pub domain: String,
    /// Account that owns the public images.
    pub operator: AccountId,
    /// Virtual processors given out per processor of a host. Guests of a lab idle most of the time.
    pub cpu_overcommit: u32,
    /// Bytes of volumes promised per byte of a host's pool. Volumes are sparse and start as an image that all share.
    pub disk_overcommit: u32,
    /// How snapshots are taken of disks whose owners do not say it.
    pub snapshot_modes: SnapshotModes,
}

/// The control plane of one region. Cheap to clone.
#[derive(Clone)]
pub struct Cloud {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Clock,
    ids: Ids,
    master: MasterKey,
    region: Region,
    principals: Principals,
    request_limits: RequestLimits,
    last_uses: LastUses,
    fleet: Mutex<Fleet>,
    host_links: HostLinks,
    reports: Reports,
    consoles: Consoles,
    blocks: Blocks,
    buckets: Buckets,
    /// Hosts whose document changed since it was last rendered.
    dirty_hosts: Mutex<BTreeSet<HostId>>,
    render: Notify,
}

impl Cloud {
    /// Puts the parts together. Nothing runs yet: see [`crate::work`] and [`crate::host`].
    pub fn new(store: Store, clock: Clock, ids: Ids, master: MasterKey, region: Region) -> Cloud {
        let fleet = Mutex::new(Fleet::new(&store, region.disk_overcommit));
        let inner = Inner {
            store,
            clock,
            ids,
            master,
            region,
            principals: Principals::default(),
            request_limits: RequestLimits::default(),
            last_uses: LastUses::default(),
            fleet,
            host_links: HostLinks::default(),
            reports: Reports::default(),
            consoles: Consoles::default(),
            blocks: Blocks::default(),
            buckets: Buckets::default(),
            dirty_hosts: Mutex::default(),
            render: Notify::new(),
        };
        Cloud { inner: Arc::new(inner) }
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The source of new ids.
    pub fn ids(&self) -> &Ids {
        &self.inner.ids
    }

    /// The region's settings.
    pub fn region(&self) -> &Region {
        &self.inner.region
    }

    pub(crate) fn master(&self) -> &MasterKey {
        &self.inner.master
    }

    pub(crate) fn principals(&self) -> &Principals {
        &self.inner.principals
    }

    pub(crate) fn request_limits(&self) -> &RequestLimits {
        &self.inner.request_limits
    }

    pub(crate) fn last_uses(&self) -> &LastUses {
        &self.inner.last_uses
    }

    /// The placement index; locked for as long as one placement takes.
    pub(crate) fn fleet(&self) -> MutexGuard<'_, Fleet> {
        self.inner.fleet.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn blocks(&self) -> &Blocks {
        &self.inner.blocks
    }

    pub(crate) fn buckets(&self) -> &Buckets {
        &self.inner.buckets
    }

    pub(crate) fn consoles(&self) -> &Consoles {
        &self.inner.consoles
    }

    pub(crate) fn reports(&self) -> &Reports {
        &self.inner.reports
    }

    pub(crate) fn host_links(&self) -> &HostLinks {
        &self.inner.host_links
    }

    /// Remembers that a host's document changed, and rings for the renderer.
    pub(crate) fn host_changed(&self, host: HostId) {
        self.dirty().insert(host);
        self.inner.render.notify_one();
    }

    /// Takes one host whose document is to be rendered.
    pub(crate) async fn next_dirty_host(&self) -> HostId {
        loop {
            if let Some(host) = self.dirty_host() {
                return host;
            }
            self.inner.render.notified().await;
        }
    }

    /// Takes one host whose document is to be rendered, if there is one.
    pub(crate) fn dirty_host(&self) -> Option<HostId> {
        self.dirty().pop_first()
    }

    fn dirty(&self) -> MutexGuard<'_, BTreeSet<HostId>> {
        self.inner.dirty_hosts.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Why a transaction of the control plane ends without effect.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The caller is told.
    #[error(transparent)]
    Refused(#[from] Error),
    /// The database could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}
