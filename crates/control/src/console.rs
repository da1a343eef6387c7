//! What guests wrote to their serial consoles. The bytes stay on the hosts; an agent lends a way to read them.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{Error, HostId, InstanceId, Millis};

use crate::Cloud;
use crate::auth::{Caller, Target};
use crate::instance::instance_of;

/// How long a host may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The newest output of a console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleOutput {
    /// The bytes, oldest first; a guest may write anything.
    pub bytes: Vec<u8>,
    /// When the newest of them came.
    pub at: Millis,
}

/// A host's way to read a console; nothing when the instance has written nothing there.
pub type ReadConsole = Arc<dyn Fn(InstanceId) -> Pin<Box<dyn Future<Output = Option<ConsoleOutput>> + Send>> + Send + Sync>;

/// Hosts that lend their consoles.
#[derive(Default)]
pub(crate) struct Consoles {
    by_host: Mutex<HashMap<HostId, ReadConsole>>,
}

impl Consoles {
    fn of(&self, host: HostId) -> Option<ReadConsole> {
        self.by_host.lock().unwrap_or_else(PoisonError::into_inner).get(&host).cloned()
    }
}

impl Cloud {
    /// Lends the consoles of a host.
    pub fn console_lend(&self, host: HostId, read: ReadConsole) {
        self.consoles().by_host.lock().unwrap_or_else(PoisonError::into_inner).insert(host, read);
    }

    /// What the guest of an instance wrote last; empty when it wrote nothing yet. Refused as unavailable while its host is away.
    pub async fn console_output(&self, caller: &Caller, id: InstanceId) -> Result<ConsoleOutput, Error> {
        let target = Target::of("instance", id, &model::Tags::new());
        let instance = self.read(caller, vec![target], move |tx, cx| instance_of(tx, cx.caller.account(), id)).await?;
        let empty = ConsoleOutput { bytes: vec![], at: instance.changed_at };
        if !instance.is_live() {
            return Ok(empty);
        }
        let read = self.consoles().of(instance.host).ok_or(Error::Unavailable)?;
        let answer = tokio::time::timeout(ANSWER_WITHIN, read(id)).await.map_err(|_| Error::Unavailable)?;
        Ok(answer.unwrap_or(empty))
    }
}
