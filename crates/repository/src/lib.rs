//! Images and snapshots of Pileus: manifests over checksummed chunks.
