//! Disks.

/// The category of every disk of this cloud.
pub(crate) const CATEGORY: &str = "cloud_essd";
