//! What a column or an identifier looks like in the database: an integer or a text.
//!
//! Knows nothing of SQL or engines. Integer ids are stored as the 63 low values of their 64 bits: `i64::MAX` stands for every
//! greater id and is never stored, so order is kept, a bound taken from a stranger's text is harmless and such an id
//! finds nothing.

use std::fmt;
use std::sync::Arc;

/// Separates the elements of a set held in one column (U+001F, "unit separator").
const UNIT: char = '\u{1f}';

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Nothing; equal to itself here, and matched by `IS NULL` in a query.
    Null,
    /// A `BIGINT`: numbers, ids, milliseconds, micro-units of money, and booleans as 0 and 1.
    Int(i64),
    /// A `TEXT`.
    Text(Arc<str>),
}

impl Value {
    /// A set of texts in one column, in the given order; [`Value::Null`] when there are none.
    ///
    /// A projection takes the elements apart again (`Facet::many`). U+001F inside an element becomes a space.
    pub fn set<S: AsRef<str>>(elements: impl IntoIterator<Item = S>) -> Value {
        let mut joined = String::new();
        let mut any = false;
        for element in elements {
            if any {
                joined.push(UNIT);
            }
            any = true;
            joined.extend(element.as_ref().chars().map(|c| if c == UNIT { ' ' } else { c }));
        }
        if any { Value::Text(joined.into()) } else { Value::Null }
    }

    /// The elements of a set made by [`Value::set`]; an integer is a set of one.
    pub(crate) fn elements(&self) -> Vec<Value> {
        match self {
            Value::Null => Vec::new(),
            Value::Int(_) => vec![self.clone()],
            Value::Text(text) => text.split(UNIT).map(Value::from).collect(),
        }
    }

    /// Whether both engines can store it: PostgreSQL has no NUL in a text.
    pub(crate) fn is_storable(&self) -> bool {
        match self {
            Value::Null | Value::Int(_) => true,
            Value::Text(text) => !text.contains('\0'),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => Ok(()),
            Value::Int(number) => write!(f, "{number}"),
            Value::Text(text) => f.write_str(text),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.into())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Value {
        Value::Text(text.as_str().into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text.into())
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Value {
        Value::Int(yes.into())
    }
}

impl From<model::Millis> for Value {
    fn from(at: model::Millis) -> Value {
        Value::Int(at.0)
    }
}

impl<V: Into<Value>> From<Option<V>> for Value {
    fn from(value: Option<V>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

macro_rules! integers {
    ($($number:ty),*) => {$(
        impl From<$number> for Value {
            fn from(number: $number) -> Value {
                Value::Int(number.into())
            }
        }
    )*};
}

integers!(i64, u32, i32, u16, u8);

/// A type with a text of its own whose values lie in a column as one value: above all the ids of rows.
pub trait Key: Clone + Send + Sync + 'static {
    /// What the database holds for this id.
    fn to_value(&self) -> Value;
    /// The id that the database holds so; none when no such id can have been stored.
    fn from_value(value: &Value) -> Option<Self>;
}

/// The greatest integer key, which stands for all ids beyond it and is never stored.
pub(crate) const BEYOND: i64 = i64::MAX;

/// Maps the 64 bits of an id into a `BIGINT`, keeping the order.
pub fn bigint(id: u64) -> Value {
    Value::Int(i64::try_from(id).unwrap_or(BEYOND))
}

macro_rules! ids {
    ($($id:ident),* $(,)?) => {$(
        impl Key for model::$id {
            fn to_value(&self) -> Value {
                bigint(self.as_u64())
            }

            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    Value::Int(number) => u64::try_from(*number).ok().map(model::$id::from_u64),
                    Value::Null | Value::Text(_) => None,
                }
            }
        }

        impl From<model::$id> for Value {
            fn from(id: model::$id) -> Value {
                id.to_value()
            }
        }
    )*};
}

ids!(
    AddressId,
    AssociationId,
    EventId,
    FlowLogId,
    HostId,
    ImageId,
    InstanceId,
    InterfaceId,
    InternetGatewayId,
    EgressOnlyGatewayId,
    EgressOnlyRuleId,
    Ipv6BandwidthId,
    InstanceProfileId,
    InstanceRoleId,
    KeyPairId,
    NatGatewayId,
    VpcPeeringId,
    NetworkAclId,
    NetworkAclAssociationId,
    NetworkPathId,
    PathAnalysisId,
    CapacityReservationId,
    CapacitySlotId,
    InstanceFleetId,
    PlacementGroupId,
    PrefixListId,
    QuotaRequestId,
    LaunchTemplateId,
    LaunchTemplateVersionId,
    ReservationId,
    RouteTableAssociationId,
    RouteTableId,
    RuleId,
    SecurityGroupId,
    SnapshotId,
    SnapshotPolicyId,
    SnapshotGroupId,
    ImageTaskId,
    InstanceEventId,
    BandwidthPackageId,
    DhcpOptionsId,
    KmsKeyId,
    SubnetId,
    UserId,
    UserGroupId,
    RoleId,
    PolicyId,
    MfaDeviceId,
    VolumeId,
    VpcId,
);

impl Key for model::AccountId {
    fn to_value(&self) -> Value {
        bigint(self.as_u64())
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Int(number) => u64::try_from(*number).ok().and_then(model::AccountId::from_u64),
            Value::Null | Value::Text(_) => None,
        }
    }
}

impl From<model::AccountId> for Value {
    fn from(id: model::AccountId) -> Value {
        id.to_value()
    }
}

impl Key for std::net::Ipv4Addr {
    fn to_value(&self) -> Value {
        Value::Int(self.to_bits().into())
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Int(number) => u32::try_from(*number).ok().map(std::net::Ipv4Addr::from_bits),
            Value::Null | Value::Text(_) => None,
        }
    }
}

/// A number that counts from 1, such as that of a seal.
impl Key for u64 {
    fn to_value(&self) -> Value {
        bigint(*self)
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Int(number) => u64::try_from(*number).ok(),
            Value::Null | Value::Text(_) => None,
        }
    }
}

impl Key for String {
    fn to_value(&self) -> Value {
        Value::from(self)
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.as_ref().to_owned()),
            Value::Null | Value::Int(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_order_and_those_beyond_the_end_share_one_place() {
        let values = [0, 1, 7 << 40, i64::MAX as u64 - 1, i64::MAX as u64, u64::MAX].map(bigint);
        assert!(values.is_sorted());
        assert_eq!(values[4], values[5]);
        assert_ne!(values[3], values[4]);
    }

    #[test]
    fn a_set_comes_apart_as_it_was_put_together() {
        assert_eq!(Value::set(["a", "", "b c"]).elements(), ["a", "", "b c"].map(Value::from));
        assert_eq!(Value::set([""]).elements(), [Value::from("")]);
        assert_eq!(Value::set::<&str>([]), Value::Null);
        assert_eq!(Value::set(["a\u{1f}b"]).elements(), [Value::from("a b")]);
    }
}
