//! Hosts that come and go: the operator invites, a machine joins with the secret, the operator removes.
//!
//! ```text
//!   host add ─▶ row, Invitation{digest, until} ── join: right secret, in time ─▶ certificate ── remove, when empty ─▶ no row
//! ```
//!
//! This file knows neither keys nor connections: a secret and a certificate are digests here.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use model::{Error, Host, HostId, HostState, INVITED_FOR_MS, Invitation, NUMBERED_HOSTS_MAX, Noun};
use store::Tx;

use crate::account::taken;
use crate::nat_home::leave;
use crate::network::touch_vpc;
use crate::{Cloud, Failure};

/// Longest name of a host or a rack, in bytes.
const NAME_MAX: usize = 63;

/// What the operator says of a host that is to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteHost {
    /// Name, unique in the installation: 1 to 63 of a-z, 0-9, dot and dash.
    pub name: String,
    /// The zone that it is in.
    pub zone: String,
    /// The rack that it stands in.
    pub rack: Option<String>,
    /// Its address for traffic between hosts; when none is given, the one from which it joins.
    pub underlay: Option<Ipv4Addr>,
    /// Digest of the secret that lets a machine become it.
    pub digest: String,
}

/// A host that a machine may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invited {
    /// The host.
    pub host: HostId,
    /// Until when.
    pub until: model::Millis,
}

/// Why a machine did not become a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinRefusal {
    /// The secret is not that of an invitation.
    Secret,
    /// The invitation is too old.
    Expired,
    /// Another host has its address.
    Underlay,
}

impl Cloud {
    /// Invites a machine to become a new host, or to take the place of the one that is this host now. An older invitation of the
    /// same host is void.
    pub async fn host_invite(&self, invite: InviteHost) -> Result<Invited, Error> {
        if !self.region().zones.contains(&invite.zone) {
            return Err(Error::not_found(Noun::Zone, &invite.zone));
        }
        for name in [Some(&invite.name), invite.rack.as_ref()].into_iter().flatten() {
            check_name(name)?;
        }
        let cloud = self.clone();
        let done = self.store().write(move |tx| invited(tx, &cloud, &invite)).await;
        done.map_err(|error| self.write_refusal("invite a host", error))
    }

    /// Makes a machine the host that it was invited to be. The invitation is used up, and an older machine in that place is no
    /// host any more.
    pub async fn host_joins(
        &self,
        id: HostId,
        digest: String,
        from: Ipv4Addr,
        certificate: String,
    ) -> Result<Result<Host, JoinRefusal>, Error> {
        let cloud = self.clone();
        let done = self.store().write(move |tx| joins(tx, &cloud, id, &digest, from, &certificate)).await;
        done.map_err(|error| self.write_refusal("let a host join", error))
    }

    /// The host of a certificate; notes which version of the program speaks for it.
    pub async fn host_of_certificate(&self, digest: String, build: String) -> Result<Option<Host>, Error> {
        let find = move |tx: &mut Tx<'_>| {
            let Some(mut host) = tx.host_of_certificate(&digest)? else { return Ok(None) };
            if host.build.as_deref() != Some(build.as_str()) {
                host.build = Some(build.clone());
                tx.update(&host)?;
            }
            Ok::<_, Failure>(Some(host))
        };
        self.store().write(find).await.map_err(|error| self.write_refusal("find a host", error))
    }

    /// Removes a host on which nothing is. Its certificate is worth nothing from then on.
    pub async fn host_remove(&self, name: String) -> Result<HostId, Error> {
        let done = self.store().write(move |tx| {
            let host = tx.host_named(&name)?.ok_or_else(|| Error::not_found(Noun::Host, &name))?;
            if tx.host_is_used(host.id)? {
                let by = vec!["instances, volumes or reserved capacity on it".to_owned()];
                return Err(Error::InUse { noun: Noun::Host, id: name.clone(), by }.into());
            }
            tx.delete::<Host>(host.id)?;
            for vpc in leave(tx, host.id)? {
                touch_vpc(tx, vpc)?;
            }
            Ok::<_, Failure>(host.id)
        });
        let id = done.await.map_err(|error| self.write_refusal("remove a host", error))?;
        self.host_links().forget(id);
        Ok(id)
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(plain) {
        return Err(Error::invalid("Name", format!("must be 1 to {NAME_MAX} of a-z, 0-9, dot and dash")));
    }
    Ok(())
}

fn invited(tx: &mut Tx<'_>, cloud: &Cloud, invite: &InviteHost) -> Result<Invited, Failure> {
    let now = cloud.clock().now();
    let until = now.after(INVITED_FOR_MS);
    let invitation = Some(Invitation { digest: invite.digest.clone(), until });
    if let Some(mut host) = tx.host_named(&invite.name)? {
        host.zones = vec![invite.zone.clone()];
        host.rack.clone_from(&invite.rack);
        host.underlay = invite.underlay.unwrap_or(host.underlay);
        host.invitation = invitation;
        tx.update(&host)?;
        return Ok(Invited { host: host.id, until });
    }
    let host = Host {
        id: HostId::from_u64(cloud.ids().next(now)),
        name: invite.name.clone(),
        zones: vec![invite.zone.clone()],
        underlay: invite.underlay.unwrap_or(Ipv4Addr::UNSPECIFIED),
        state: HostState::Up,
        capacity: None,
        generation: 1,
        applied: 0,
        incarnation: 0,
        sequence: 0,
        seen_at: now,
        rack: invite.rack.clone(),
        number: free_number(tx)?,
        invitation,
        certificate: None,
        faults: vec![],
        build: None,
    };
    tx.insert(&host).map_err(|error| taken(error, Noun::Host, &invite.name))?;
    Ok(Invited { host: host.id, until })
}

/// The lowest number that no host has; 0 is the server's own machine.
fn free_number(tx: &Tx<'_>) -> Result<u32, Failure> {
    let taken: BTreeSet<u32> = tx.host_list()?.into_iter().map(|host| host.number).collect();
    let free = (1..NUMBERED_HOSTS_MAX).find(|number| !taken.contains(number));
    Ok(free.ok_or_else(|| Error::invalid("Name", format!("an installation has at most {NUMBERED_HOSTS_MAX} hosts")))?)
}

fn joins(
    tx: &mut Tx<'_>,
    cloud: &Cloud,
    id: HostId,
    digest: &str,
    from: Ipv4Addr,
    certificate: &str,
) -> Result<Result<Host, JoinRefusal>, Failure> {
    let Some(mut host) = tx.get::<Host>(id)? else { return Ok(Err(JoinRefusal::Secret)) };
    let Some(invitation) = host.invitation.take().filter(|invitation| invitation.digest == digest) else {
        return Ok(Err(JoinRefusal::Secret));
    };
    if invitation.until < cloud.clock().now() {
        return Ok(Err(JoinRefusal::Expired));
    }
    if host.underlay.is_unspecified() {
        host.underlay = from;
    }
    if tx.host_list()?.iter().any(|other| other.id != host.id && other.is_networked() && other.underlay == host.underlay) {
        return Ok(Err(JoinRefusal::Underlay));
    }
    host.certificate = Some(certificate.to_owned());
    tx.update(&host)?;
    Ok(Ok(host))
}
