//! How Tencent cuts lists: `Offset` and `Limit`. Some actions of VPC have them as texts, which reads the same.

use control::Page;
use wire::FromArg;

/// Rows when no limit is given.
pub(crate) const LIMIT: usize = 20;
/// Most rows of one reply.
pub(crate) const LIMIT_MAX: usize = 100;

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
