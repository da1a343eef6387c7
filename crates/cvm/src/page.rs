//! How Tencent cuts lists: `Offset` and `Limit`. Some actions of VPC have them as texts, which reads the same.

use control::{Filter, InstanceView, Listed, Listing, PAGE_MAX, Page, Query};
use model::Error;
use wire::FromArg;

use crate::Cx;

/// Rows when no limit is given.
pub(crate) const LIMIT: usize = 20;
/// Most rows of one reply.
pub(crate) const LIMIT_MAX: usize = 100;

/// The page after another one that says how to go on.
const fn after(last: u64) -> Page {
    Page::After { last, size: PAGE_MAX }
}

/// All rows that pass filters, for conditions that the control plane has no field for.
pub(crate) async fn all<T: Listing>(cx: &Cx<'_>, filters: &[Filter]) -> Result<Vec<T>, Error> {
    let query = |page| Query { ids: vec![], filters: filters.to_vec(), page };
    let Listed { mut rows, mut next, .. } = cx.cloud.list::<T>(&cx.caller, query(Page::First(PAGE_MAX))).await?;
    while let Some(last) = next {
        let more = cx.cloud.list::<T>(&cx.caller, query(after(last))).await?;
        rows.extend(more.rows);
        next = more.next;
    }
    Ok(rows)
}

/// The same for instances.
pub(crate) async fn all_instances(cx: &Cx<'_>, filters: &[Filter]) -> Result<Vec<InstanceView>, Error> {
    let query = |page| Query { ids: vec![], filters: filters.to_vec(), page };
    let Listed { mut rows, mut next, .. } = cx.cloud.list_instances(&cx.caller, query(Page::First(PAGE_MAX))).await?;
    while let Some(last) = next {
        let more = cx.cloud.list_instances(&cx.caller, query(after(last))).await?;
        rows.extend(more.rows);
        next = more.next;
    }
    Ok(rows)
}

/// The part of a list that is asked for.
#[derive(Debug, Clone, Copy, FromArg)]
pub(crate) struct Cut {
    #[arg(default)]
    offset: usize,
    #[arg(default = LIMIT, range = 1..=LIMIT_MAX)]
    limit: usize,
}

impl Cut {
    pub(crate) fn page(self) -> Page {
        Page::From { skip: self.offset, size: self.limit }
    }

    /// Cuts the part out of a whole list; how many rows that has, and the part.
    pub(crate) fn of<T>(self, mut rows: Vec<T>) -> (usize, Vec<T>) {
        let total = rows.len();
        rows.drain(..self.offset.min(total));
        rows.truncate(self.limit);
        (total, rows)
    }
}
