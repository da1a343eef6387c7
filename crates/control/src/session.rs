//! Sessions: connections to ports of guests that need no public address and no rule of a group.
//!
//! Opening one is a call like any other: policies are asked and the trail keeps it. The bytes go another way.

use std::net::SocketAddrV4;

use model::{Error, HostId, Instance, InstanceId, Interface, Noun, Phase, Tags, VpcId};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::instance::instance_of;
use crate::run::{Command, Cx};

/// Opens a session to a port of an instance.
#[derive(Debug, Clone, Serialize)]
pub struct OpenSession {
    /// The instance, which has to run.
    pub instance: InstanceId,
    /// TCP port, 1 to 65535.
    pub port: u16,
}

/// Where the bytes of a session go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionTarget {
    /// The host that the instance is on.
    pub host: HostId,
    /// The VPC of its primary interface.
    pub vpc: VpcId,
    /// The primary private address, and the port.
    pub to: SocketAddrV4,
}

impl Command for OpenSession {
    type Reply = SessionTarget;
    const NAME: &'static str = "OpenSession";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let own = tx.get::<Instance>(self.instance)?.filter(|row| row.account == cx.caller.account());
        let tags = own.map_or_else(Tags::new, |row| row.tags);
        Ok(vec![Target::of("instance", self.instance, &tags)])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<SessionTarget, Failure> {
        if self.port == 0 {
            return Err(Error::invalid("remotePort", "must be 1 to 65535").into());
        }
        let instance = instance_of(tx, cx.caller.account(), self.instance)?;
        if instance.phase != Phase::Running {
            let (noun, id, state) = (Noun::Instance, instance.id.to_string(), instance.phase.word());
            return Err(Error::IncorrectState { noun, id, state, wanted: "running" }.into());
        }
        let interface = tx.get::<Interface>(instance.interface)?.ok_or(Error::Internal)?;
        Ok(SessionTarget { host: instance.host, vpc: interface.vpc, to: SocketAddrV4::new(interface.ip, self.port) })
    }
}
