//! CAM: users, their keys, groups, policies and roles of the caller's account.
//!
//! CAM knows users, groups and policies by number, roles by id or name. The control plane knows each by its name, so a number is looked
//! up first.

pub(crate) mod access_key;
pub(crate) mod attached;
pub(crate) mod boundary;
pub(crate) mod entity;
pub(crate) mod group;
pub(crate) mod policy;
pub(crate) mod policy_version;
pub(crate) mod role;
pub(crate) mod user;

use model::{Millis, RoleId};
use wire::FromArg;

use crate::Cx;
use crate::error::Fault;
use crate::time::by_beijing;

/// Rows of a page when nothing is said (CAM documents 20), and at most (200).
const ROWS: usize = 20;
const ROWS_MAX: usize = 200;
/// Last page that may be asked for.
const PAGES_MAX: usize = 1_000_000;

/// The page of a list that is asked for, from 1.
#[derive(Debug, Clone, Copy, FromArg)]
pub(crate) struct Paging {
    #[arg(default = 1, range = 1..=PAGES_MAX)]
    page: usize,
    #[arg(default = ROWS, range = 1..=ROWS_MAX)]
    rp: usize,
}

impl Paging {
    /// Cuts the page out of a whole list; how many rows that has, and the page.
    fn of<T>(self, mut rows: Vec<T>) -> (usize, Vec<T>) {
        let total = rows.len();
        rows.drain(..((self.page - 1) * self.rp).min(total));
        rows.truncate(self.rp);
        (total, rows)
    }
}

/// Whether a name has a keyword in it; none and an empty one are in every name.
fn has_keyword(name: &str, keyword: Option<&str>) -> bool {
    keyword.is_none_or(|keyword| name.contains(keyword))
}

/// A moment as CAM writes it.
fn at(moment: Millis) -> String {
    by_beijing(moment.timestamp())
}

/// The name of the user that a number means.
async fn user(cx: &Cx<'_>, uin: u64) -> Result<String, Fault> {
    Ok(cx.cloud.user_numbered(&cx.caller, uin).await?)
}

/// The name of the group that a number means.
async fn group(cx: &Cx<'_>, id: u64) -> Result<String, Fault> {
    Ok(cx.cloud.user_group_numbered(&cx.caller, id).await?)
}

/// The name of the role that is given by id or by name; `parameter` is that of the name.
async fn role(cx: &Cx<'_>, parameter: &'static str, id: Option<&str>, name: Option<String>) -> Result<String, Fault> {
    let said = |text: &&str| !text.is_empty();
    match (id.filter(said), name.filter(|name| !name.is_empty())) {
        (None, Some(name)) => Ok(name),
        (Some(_), Some(_)) => Err(Fault::conflict("the role is named by its id and by its name")),
        (None, None) => Err(Fault::missing(parameter)),
        (Some(id), None) => {
            let id = id.parse().map_err(|_| role::absent(id))?;
            Ok(cx.cloud.role_numbered(&cx.caller, RoleId::from_u64(id)).await.map_err(role::refusal)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_counted_from_one() {
        let rows = || vec![1, 2, 3, 4, 5];
        assert_eq!(Paging { page: 1, rp: 2 }.of(rows()), (5, vec![1, 2]));
        assert_eq!(Paging { page: 3, rp: 2 }.of(rows()), (5, vec![5]));
        assert_eq!(Paging { page: 9, rp: 200 }.of(rows()), (5, vec![]));
    }
}
