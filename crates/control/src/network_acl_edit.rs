//! Single entries of network ACLs for clients that know places in a list instead of numbers: put in, changed, taken away, several in
//! one call and all of them or none.

use model::{AclEntry, Direction, EntryWords, Error, NetworkAcl, NetworkAclId, Noun, check_name};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::instance::check_description;
use crate::network::touch_vpc;
use crate::network_acl::{NUMBER_STEP, NewAclEntry, acl_by_id, check_count, target};
use crate::run::{Command, Cx};

/// Edits entries, one after the other; all of them or none.
#[derive(Debug, Clone, Serialize)]
pub struct EditAclEntries {
    /// Of which ACL.
    pub acl: NetworkAclId,
    /// How.
    pub edits: Vec<AclEdit>,
}

/// One edit. An entry is known by its direction and its number.
#[derive(Debug, Clone, Serialize)]
pub enum AclEdit {
    /// Puts one in.
    Insert {
        /// Its direction.
        direction: Direction,
        /// Its place among those of the direction, from 1; none is the last one, as is one beyond it.
        place: Option<usize>,
        /// The entry.
        entry: NewAclEntry,
    },
    /// Changes one, which keeps its number.
    Replace {
        /// Its direction.
        direction: Direction,
        /// Its number.
        number: u16,
        /// What it becomes.
        entry: NewAclEntry,
    },
    /// Takes one away.
    Remove {
        /// Its direction.
        direction: Direction,
        /// Its number.
        number: u16,
    },
}

impl Command for EditAclEntries {
    type Reply = ();
    const NAME: &'static str = "EditAclEntries";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.acl)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut acl = acl_by_id(tx, cx.caller.account(), self.acl)?;
        for edit in &self.edits {
            match edit {
                AclEdit::Insert { direction, place, entry } => {
                    let number = free_number(&mut acl, *direction, *place)?;
                    put(&mut acl, *direction, number, entry)?;
                }
                AclEdit::Replace { direction, number, entry } => {
                    remove(&mut acl, *direction, *number)?;
                    put(&mut acl, *direction, *number, entry)?;
                }
                AclEdit::Remove { direction, number } => remove(&mut acl, *direction, *number)?,
            }
        }
        acl.judges_v6 |= acl.entries.iter().any(AclEntry::is_v6);
        tx.update(&acl)?;
        touch_vpc(tx, acl.vpc)
    }
}

/// A free number for an entry at a place. Where its neighbours leave none, the entries of the direction get new ones.
fn free_number(acl: &mut NetworkAcl, direction: Direction, place: Option<usize>) -> Result<u16, Error> {
    check_count(acl.in_order(direction).len() + 1)?;
    if let Some(number) = acl.number_at(direction, place, NUMBER_STEP) {
        return Ok(number);
    }
    acl.renumber(direction, NUMBER_STEP);
    acl.number_at(direction, place, NUMBER_STEP).ok_or(Error::Internal)
}

fn put(acl: &mut NetworkAcl, direction: Direction, number: u16, new: &NewAclEntry) -> Result<(), Error> {
    let NewAclEntry { verdict, protocol, range, name, description } = new;
    let entry = AclEntry { number, direction, verdict: *verdict, protocol: *protocol, range: range.trunc() };
    entry.check()?;
    check_name("NetworkAclEntryName", name)?;
    check_description(description)?;
    acl.entries.push(entry);
    acl.entries.sort_by_key(|entry| (entry.direction, entry.number));
    if !name.is_empty() || !description.is_empty() {
        acl.words.push(EntryWords { direction, number, name: name.clone(), description: description.clone() });
    }
    Ok(())
}

fn remove(acl: &mut NetworkAcl, direction: Direction, number: u16) -> Result<(), Error> {
    let before = acl.entries.len();
    acl.entries.retain(|entry| (entry.direction, entry.number) != (direction, number));
    acl.words.retain(|words| (words.direction, words.number) != (direction, number));
    if acl.entries.len() == before { Err(Error::not_found(Noun::NetworkAclEntry, number)) } else { Ok(()) }
}
