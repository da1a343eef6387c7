//! The temporary key of an instance's role, as each cloud's SDKs read it.
//!
//! The document of the host has the key, so a guest is answered while the control plane is away; a new one comes with a newer
//! document, long before this one ends.

use hostspec::{GuestMetadata, GuestRole};
use serde_json::json;

use super::tree::Node;

/// EC2's `iam`: which profile it is, and the key under the role's name.
pub fn iam(told: &GuestMetadata) -> Option<Node> {
    let role = told.role.as_ref()?;
    let body = json!({
        "Code": "Success",
        "LastUpdated": role.made_at,
        "Type": "AWS-HMAC",
        "AccessKeyId": role.key,
        "SecretAccessKey": role.secret,
        "Token": role.token,
        "Expiration": role.expires_at,
    });
    let dir = match &role.profile {
        Some((name, id)) => {
            let arn = format!("arn:aws:iam::{}:instance-profile/{name}", told.account);
            let info = json!({"Code": "Success", "LastUpdated": role.made_at, "InstanceProfileArn": arn, "InstanceProfileId": id});
            Node::dir().with("info", Node::text(format!("{info:#}")))
        }
        None => Node::dir(),
    };
    Some(dir.with("security-credentials", under_name(role, &body)))
}

/// Alibaba Cloud's `ram`.
pub fn ram(told: &GuestMetadata) -> Option<Node> {
    let role = told.role.as_ref()?;
    let body = json!({
        "AccessKeyId": role.key,
        "AccessKeySecret": role.secret,
        "Expiration": role.expires_at,
        "SecurityToken": role.token,
        "LastUpdated": role.made_at,
        "Code": "Success",
    });
    Some(Node::dir().with("security-credentials", under_name(role, &body)))
}

/// Tencent Cloud's `cam`.
pub fn cam(told: &GuestMetadata) -> Option<Node> {
    let role = told.role.as_ref()?;
    let body = json!({
        "TmpSecretId": role.key,
        "TmpSecretKey": role.secret,
        "ExpiredTime": role.expires_unix,
        "Expiration": role.expires_at,
        "Token": role.token,
        "Code": "Success",
    });
    Some(Node::dir().with("security-credentials", under_name(role, &body)))
}

fn under_name(role: &GuestRole, body: &serde_json::Value) -> Node {
    Node::dir().with(&role.name, Node::text(format!("{body:#}")))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::super::fixture;
    use super::super::tree::Found;
    use super::*;

    fn told(role: Option<GuestRole>) -> GuestMetadata {
        let nic = fixture::nic(1, 5, fixture::IP);
        GuestMetadata { role, ..fixture::metadata(&nic) }
    }

    fn text(node: &Node, path: &str) -> String {
        match node.find(path) {
            Some(Found::Text(bytes)) => String::from_utf8(Bytes::into(bytes)).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_cloud_names_the_role_and_gives_its_key_in_its_own_words() {
        let role = GuestRole {
            name: "reader".to_owned(),
            profile: Some(("web".to_owned(), "iprof-1".to_owned())),
            key: "ASIA1".to_owned(),
            secret: "s3cret".to_owned(),
            token: "t0ken".to_owned(),
            made_at: "2026-11-20T10:00:00Z".to_owned(),
            expires_at: "2026-11-20T16:00:00Z".to_owned(),
            expires_unix: 1_795_190_400,
        };
        assert!(!format!("{role:?}").contains("s3cret") && !format!("{role:?}").contains("t0ken"));
        let told = told(Some(role));
        for (tree, secret) in [(iam(&told), "SecretAccessKey"), (ram(&told), "AccessKeySecret"), (cam(&told), "TmpSecretKey")] {
            let tree = tree.unwrap();
            assert_eq!(text(&tree, "security-credentials/"), "reader");
            let key: serde_json::Value = serde_json::from_str(&text(&tree, "security-credentials/reader")).unwrap();
            assert_eq!((&key["Code"], &key[secret]), (&json!("Success"), &json!("s3cret")));
        }
        let info: serde_json::Value = serde_json::from_str(&text(&iam(&told).unwrap(), "info")).unwrap();
        assert_eq!(info["InstanceProfileArn"], "arn:aws:iam::000000000042:instance-profile/web");
    }

    #[test]
    fn a_guest_without_a_role_finds_nothing() {
        let told = told(None);
        assert_eq!((iam(&told), ram(&told), cam(&told)), (None, None, None));
    }
}
