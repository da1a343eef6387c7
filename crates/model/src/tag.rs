//! Tags: what tenants call their things.

use std::collections::BTreeMap;

use crate::{Error, OPEN_CONNECTIONS_TAG, OpenConnections, SNAPSHOT_MODE_TAG, SnapshotMode, TRIAL_TAG, check_trial_word};

/// Most tags on one resource (EC2 and CVM allow 50, ECS 20; the largest is taken).
pub const TAGS_MAX: usize = 50;
/// Longest key in characters.
pub const TAG_KEY_MAX: usize = 128;
/// Longest value in characters.
pub const TAG_VALUE_MAX: usize = 256;

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// Whether a key begins with a vendor's reserved prefix, so that only the cloud itself gives and takes such a tag. They do not count towards
/// [`TAGS_MAX`].
pub fn is_reserved(key: &str) -> bool {
    let lower = key.to_lowercase();
    ["aws:", "acs:", "aliyun", "qcs:", "pileus:"].iter().any(|prefix| lower.starts_with(prefix))
}

/// Checks one tag: key of 1 to [`TAG_KEY_MAX`] characters that takes no vendor's reserved prefix, value of at most [`TAG_VALUE_MAX`]; that
/// of [`OPEN_CONNECTIONS_TAG`], [`SNAPSHOT_MODE_TAG`] or [`TRIAL_TAG`] is one of its words.
pub fn check_tag(key: &str, value: &str) -> Result<(), Error> {
    if key.is_empty() || key.chars().count() > TAG_KEY_MAX || key.chars().any(char::is_control) {
        return Err(Error::invalid("Tag.Key", format!("must be 1 to {TAG_KEY_MAX} printable characters")));
    }
    if is_reserved(key) {
        return Err(Error::invalid("Tag.Key", "starts with a reserved prefix"));
    }
    if value.chars().count() > TAG_VALUE_MAX || value.chars().any(char::is_control) {
        return Err(Error::invalid("Tag.Value", format!("must be at most {TAG_VALUE_MAX} printable characters")));
    }
    if key == OPEN_CONNECTIONS_TAG {
        value.parse::<OpenConnections>()?;
    }
    if key == SNAPSHOT_MODE_TAG {
        value.parse::<SnapshotMode>()?;
    }
    if key == TRIAL_TAG {
        check_trial_word(value)?;
    }
    Ok(())
}

/// Adds tags to those of a resource; a key that is there already gets the new value.
pub fn add_tags(tags: &mut Tags, new: &Tags) -> Result<(), Error> {
    for (key, value) in new {
        check_tag(key, value)?;
    }
    let added = new.keys().filter(|key| !tags.contains_key(*key)).count();
    if tags.keys().filter(|key| !is_reserved(key)).count() + added > TAGS_MAX {
        return Err(Error::invalid("Tag", format!("more than {TAGS_MAX} tags on one resource")));
    }
    tags.extend(new.iter().map(|(key, value)| (key.clone(), value.clone())));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(n: usize) -> Tags {
        (0..n).map(|i| (format!("k{i}"), "v".to_owned())).collect()
    }

    #[test]
    fn a_resource_has_at_most_fifty_tags() {
        let mut full = tags(50);
        assert!(add_tags(&mut full, &tags(50)).is_ok(), "the same keys again add nothing");
        assert!(add_tags(&mut full, &tags(51)).is_err());
        assert_eq!(full.len(), 50, "a refused call changes nothing");
        full.insert("aws:ec2launchtemplate:id".to_owned(), "lt-1".to_owned());
        assert!(add_tags(&mut full, &tags(50)).is_ok(), "the cloud's own do not count");
    }

    #[test]
    fn vendors_prefixes_are_reserved() {
        for key in ["aws:x", "AWS:x", "acs:y", "pileus:z", ""] {
            assert!(check_tag(key, "v").is_err(), "{key}");
        }
    }
}
