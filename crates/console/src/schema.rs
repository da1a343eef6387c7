//! How values of the model look in JSON, for the document: ids, words and times.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use model::{Millis, Tags};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! ids {
    ($($name:ident)*) => {$(
        #[doc = concat!("The text of a [`model::", stringify!($name), "`].")]
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": format!("^{}0[0-9a-f]{{16}}$", model::$name::PREFIX)})
            }
        }
    )*};
}

ids! {
    CapacityReservationId ImageId InstanceFleetId InstanceId InterfaceId KeyPairId LaunchTemplateId PlacementGroupId ReservationId RuleId SecurityGroupId
    SnapshotId SubnetId VolumeId VpcId
}

macro_rules! words {
    ($($(#[$about:meta])* $name:ident: $($word:literal)*;)*) => {$(
        $(#[$about])*
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "enum": [$($word),*]})
            }
        }

        impl $name {
            /// The words.
            #[cfg(test)]
            pub const WORDS: &[&str] = &[$($word),*];
        }
    )*};
}

words! {
    /// How far an instance is ([`model::Phase::word`]).
    InstanceState: "launching" "running" "stopping" "stopped" "starting" "terminating" "terminated";
    /// Why an instance is as it is ([`model::ReasonKind`]).
    ReasonKind: "user_request" "guest_shutdown" "no_capacity" "image_fault" "internal_fault" "maintenance";
    /// What a shutdown inside the guest does ([`model::OnShutdown`]).
    OnShutdown: "stop" "terminate";
    /// What a volume is sold as ([`model::VolumeKind`]).
    VolumeKind: "magnetic" "cold" "streaming" "efficient" "premium" "entry" "balanced" "solid" "general" "second" "fast" "level0" "level1"
        "level2" "level3" "auto" "enhanced" "extreme" "provisioned" "provisioned_plus";
    /// How far a volume is attached ([`model::Volume::attachment_word`]).
    AttachmentState: "attaching" "attached" "detaching" "busy";
    /// The instruction set ([`model::Architecture`]).
    Architecture: "x86_64" "arm64";
    /// Whether an image can be launched ([`model::Image::word`]).
    ImageState: "pending" "available" "disabled" "failed" "deregistered";
    /// How far a snapshot is ([`model::Snapshot::word`]).
    SnapshotState: "pending" "completed" "error";
    /// What file systems are like on a disk that is made of a snapshot ([`model::Consistency`]): as after a power cut, or whole and clean.
    Consistency: "crash" "file_system";
    /// How what a volume held is kept while its guest writes on ([`model::SnapshotMode`]): new blocks go elsewhere, or old ones.
    SnapshotMode: "redirect" "copy";
    /// What an instance type is made for ([`model::instance_type::Category`]).
    TypeCategory: "general" "compute" "memory" "burstable" "shared";
    /// Kind of a key ([`model::KeyKind`]).
    KeyKind: "rsa" "ed25519";
    /// What the owner of a security group may do with it ([`model::GroupKind::word`]).
    GroupKind: "normal" "enterprise";
}

/// A moment in RFC 3339, such as `2026-11-20T12:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time(pub Millis);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.timestamp())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let moment: Timestamp = text.parse().map_err(|_| serde::de::Error::custom("it is not a moment in RFC 3339"))?;
        Ok(Time(Millis(moment.as_millisecond())))
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

/// Reads tags; a key that is given twice is refused, where a map would keep the last.
pub(crate) fn tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tags, D::Error> {
    struct Pairs;

    impl<'de> Visitor<'de> for Pairs {
        type Value = Tags;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Tags, A::Error> {
            let mut tags = Tags::new();
            while let Some((key, value)) = pairs.next_entry::<String, String>()? {
                if tags.insert(key, value).is_some() {
                    return Err(serde::de::Error::custom("a key is given twice"));
                }
            }
            Ok(tags)
        }
    }

    deserializer.deserialize_map(Pairs)
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;

    /// Checks that the words are those that serde knows for a type of the model: its refusal of another lists them.
    fn check<T: DeserializeOwned>(unknown: &str, words: &[&str]) {
        let refused = serde_json::from_str::<T>(unknown).err().expect("it is no word").to_string();
        let mut known: Vec<&str> = refused.split('`').skip(3).step_by(2).collect();
        let mut words = words.to_vec();
        known.sort_unstable();
        words.sort_unstable();
        assert_eq!(known, words, "{refused}");
    }

    #[test]
    fn words_are_those_of_the_model() {
        let unknown = "\"no such word\"";
        check::<model::ReasonKind>(unknown, ReasonKind::WORDS);
        check::<model::OnShutdown>(unknown, OnShutdown::WORDS);
        check::<model::VolumeKind>(unknown, VolumeKind::WORDS);
        check::<model::KeyKind>(unknown, KeyKind::WORDS);
        check::<model::Consistency>(unknown, Consistency::WORDS);
        check::<model::SnapshotMode>(unknown, SnapshotMode::WORDS);
        check::<model::ImagePhase>(unknown, ImageState::WORDS);
        check::<model::Attachment>(r#"{"phase": "no such word"}"#, AttachmentState::WORDS);
        let categories = model::instance_type::Category::ALL.map(|category| category.as_str());
        assert_eq!(categories, TypeCategory::WORDS);
        let kinds = [model::GroupKind::Basic, model::GroupKind::Enterprise].map(model::GroupKind::word);
        assert_eq!(kinds, GroupKind::WORDS);
        let architectures = [model::Architecture::X86_64, model::Architecture::Arm64].map(model::Architecture::as_str);
        assert_eq!(architectures, Architecture::WORDS);
    }

    #[test]
    fn every_phase_has_its_word_in_the_document() {
        use model::Phase::{Launching, Running, Starting, Stopped, Stopping, Terminated, Terminating};
        let until = Millis(0);
        let phases = [Launching { until }, Running, Stopping { until }, Stopped, Starting { until }, Terminating { until }, Terminated];
        assert_eq!(phases.map(|phase| phase.word()), InstanceState::WORDS);
        let phases = [model::SnapshotPhase::Pending { percent: 0, until }, model::SnapshotPhase::Completed, model::SnapshotPhase::Failed];
        assert_eq!(phases.map(model::SnapshotPhase::word), SnapshotState::WORDS);
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        let time: Time = serde_json::from_str("\"2026-11-20T13:00:00+01:00\"").unwrap();
        assert_eq!(serde_json::to_string(&time).unwrap(), "\"2026-11-20T12:00:00Z\"");
        assert!(serde_json::from_str::<Time>("\"tomorrow\"").is_err());
    }
}
