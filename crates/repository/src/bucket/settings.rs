//! Which object store holds a repository's objects, and with whose keys: a JSON file that only its owner may read.

use crate::RepositoryError;
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Longest settings file that is read.
const FILE_MAX: u64 = 64 << 10;

/// Certificates of the authorities that a machine trusts, where Debian and its like keep them.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What the file says.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectStoreSettings {
    /// Where the store answers, as `https://s3.example.org`; plain `http` is for networks that are trusted.
    pub(crate) endpoint: String,
    /// The region that requests are signed for.
    #[serde(default = "usual_region")]
    pub(crate) region: String,
    /// The bucket, which is there already.
    pub(crate) bucket: String,
    /// What the names of all objects begin with; empty for the whole bucket.
    #[serde(default)]
    pub(crate) prefix: String,
    /// The access key.
    pub(crate) access_key_id: String,
    #[serde(deserialize_with = "kept_secret")]
    secret_access_key: Zeroizing<String>,
    /// Certificates in PEM of those who may vouch for the endpoint.
    #[serde(default = "usual_authorities")]
    pub(crate) authorities: PathBuf,
    /// How much of the chunks that are in the store is also kept here, in GiB; all that was ever written or read when absent.
    #[serde(default)]
    pub(crate) cache_gib: Option<u64>,
}

impl ObjectStoreSettings {
    /// Reads the file. Malformed if it makes no sense or somebody else than its owner may read it.
    pub(crate) fn read(path: &Path) -> Result<ObjectStoreSettings, RepositoryError> {
        let file = File::open(path).map_err(RepositoryError::io(path))?;
        let mode = file.metadata().map_err(RepositoryError::io(path))?.mode();
        if mode & 0o077 != 0 {
            return Err(RepositoryError::malformed(path.display(), "others than its owner may read it; it holds a secret key (chmod 600)"));
        }
        let mut text = Zeroizing::new(Vec::new());
        file.take(FILE_MAX).read_to_end(&mut text).map_err(RepositoryError::io(path))?;
        let settings: ObjectStoreSettings =
            serde_json::from_slice(&text).map_err(|error| RepositoryError::malformed(path.display(), error))?;
        settings.check().map_err(|reason| RepositoryError::malformed(path.display(), reason))?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        let uri: http::Uri = self.endpoint.parse().map_err(|_| format!("{:?} is no endpoint", self.endpoint))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.authority().is_none() || uri.query().is_some() {
            return Err(format!("the endpoint {:?} is not http:// or https:// and a name", self.endpoint));
        }
        if self.bucket.is_empty() || self.access_key_id.is_empty() || self.secret_access_key.is_empty() {
            return Err("the bucket, the access key and its secret must not be empty".to_owned());
        }
        Ok(())
    }

    /// The secret half of the access key.
    pub(crate) fn secret(&self) -> &str {
        &self.secret_access_key
    }
}

impl fmt::Debug for ObjectStoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.endpoint, self.bucket, self.prefix)
    }
}

fn kept_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

fn usual_region() -> String {
    "us-east-1".to_owned()
}

fn usual_authorities() -> PathBuf {
    PathBuf::from(AUTHORITIES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    const GOOD: &str = r#"{"endpoint":"http://127.0.0.1:1","bucket":"b","access_key_id":"k","secret_access_key":"hidden"}"#;

    fn read(text: &str, mode: u32) -> Result<ObjectStoreSettings, RepositoryError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
        ObjectStoreSettings::read(file.path())
    }

    #[test]
    fn settings_are_their_owners_alone_and_never_show_the_secret() {
        let settings = read(GOOD, 0o600).unwrap();
        assert_eq!((settings.region.as_str(), settings.secret()), ("us-east-1", "hidden"));
        assert!(!format!("{settings:?}").contains("hidden"));
        for mode in [0o640, 0o604] {
            assert!(matches!(read(GOOD, mode), Err(RepositoryError::Malformed { .. })), "{mode:o}");
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        for (from, to) in [("http://127.0.0.1:1", "ftp://x"), ("http://127.0.0.1:1", "x"), ("\"b\"", "\"\""), ("bucket", "buckett")] {
            let refused = read(&GOOD.replace(from, to), 0o600).unwrap_err();
            assert!(!refused.to_string().contains("hidden"), "{refused}");
        }
    }
}
