//! The order of a list. CBS calls its parameters `OrderField` and `Order`, VPC `OrderField` and `OrderDirection`; without them a list is
//! in the order of making.

use control::{Listed, Listing, Order, OrderKey, Query};
use wire::FromArg;

use crate::Cx;
use crate::error::Fault;

/// The direction of an order; it rises by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromArg)]
#[arg(rename = "UPPER_SNAKE_CASE")]
pub(crate) enum OrderDirection {
    /// The least first.
    #[default]
    Asc,
    /// The greatest first.
    Desc,
}

/// What disks, snapshots and their policies are put in order by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "UPPER_SNAKE_CASE")]
pub(crate) enum DiskOrder {
    /// When they were made.
    CreateTime,
    /// When they end, which nothing does that is paid for by the hour.
    Deadline,
}

/// Lists rows: by what is asked for, or by `otherwise` where a direction alone is asked for.
pub(crate) async fn list<T: Listing>(
    cx: &Cx<'_>,
    query: Query<T::Id>,
    by: Option<fn(&T) -> OrderKey>,
    direction: Option<OrderDirection>,
    otherwise: fn(&T) -> OrderKey,
) -> Result<Listed<T>, Fault> {
    if by.is_none() && direction.is_none() {
        return Ok(cx.cloud.list::<T>(&cx.caller, query).await?);
    }
    let order = Order { by: by.unwrap_or(otherwise), falls: direction == Some(OrderDirection::Desc) };
    Ok(cx.cloud.list_in_order(&cx.caller, query, order).await?)
}
