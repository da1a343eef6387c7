//! What a guest configures itself by at its first start: user data, and the password when one was chosen.
//!
//! cloud-init up to 24.1 reads no vendor data from its Ec2 and AliYun sources (`DataSourceEc2.crawl_metadata` fetches
//! user-data, meta-data and dynamic only), so for those the password travels in front of the user's own part, in one MIME
//! message. Only cloud-init gets it so, told by its `User-Agent`; everybody else reads user data exactly as it was given. With
//! headers of its own, such as EC2's token, cloud-init leaves the library's name there, so programs of the same library get
//! the message too, on machines with a password.
//! Newer versions find the same settings as vendor data, which does the same twice at most.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hostspec::GuestMetadata;

/// How cloud-init names itself (`url_helper.readurl`), without and with headers of a data source.
const CLOUD_INIT: [&str; 2] = ["Cloud-Init/", "python-requests/"];

/// The user data for a client; none when there is none.
pub fn user_data(told: &GuestMetadata, agent: &str) -> Option<Bytes> {
    let own = told.user_data_base64.as_ref().and_then(|text| BASE64_STANDARD.decode(text).ok()).filter(|own| !own.is_empty());
    match vendor_data(told).filter(|_| CLOUD_INIT.iter().any(|name| agent.starts_with(name))) {
        Some(ours) => Some(together(&ours, own.as_deref()).into()),
        None => own.map(Bytes::from),
    }
}

/// cloud-init configuration of ours; none when there is nothing to configure.
pub fn vendor_data(told: &GuestMetadata) -> Option<Bytes> {
    let hash = password_hash(told)?;
    // `password` is for the image's default user, whatever its name. Root's is set once, for the console.
    let text = format!(
        "#cloud-config\n\
         password: '{hash}'\n\
         chpasswd: {{expire: false}}\n\
         ssh_pwauth: true\n\
         bootcmd:\n\
         - [cloud-init-per, instance, pileus-root-password, sh, -c, \"echo 'root:{hash}' | chpasswd -e\"]\n"
    );
    Some(text.into())
}

/// The password's hash; none when there is none, or when it is not a crypt(3) text and could break out of its quotes.
pub fn password_hash(told: &GuestMetadata) -> Option<&str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"./$=,+-".contains(&b);
    told.password_hash.as_deref().filter(|hash| hash.starts_with('$') && hash.bytes().all(plain))
}

/// One MIME message: ours first, so that where both set the same the user's part wins.
fn together(ours: &[u8], own: Option<&[u8]>) -> Vec<u8> {
    // A line that is in neither part (RFC 2046 §5.1.1): a digest of both.
    let mut digest = crate::net::digest(ours);
    digest ^= crate::net::digest(own.unwrap_or_default()).rotate_left(1);
    let boundary = format!("==pileus-{digest:016x}==");
    let mut out = format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\n\n").into_bytes();
    let mut part = |headers: &str, body: &[u8]| {
        out.extend_from_slice(format!("--{boundary}\n{headers}").as_bytes());
        out.extend_from_slice(body);
        out.push(b'\n');
    };
    part("Content-Type: text/cloud-config; charset=\"us-ascii\"\n\n", ours);
    match own {
        // Already a MIME message: its own headers become the part's.
        Some(own) if starts_like_mime(own) => part("", own),
        Some(own) => {
            let kind = if own.starts_with(&[0x1f, 0x8b]) { "application/gzip" } else { "text/plain" };
            let headers = format!("Content-Type: {kind}\nContent-Transfer-Encoding: base64\n\n");
            part(&headers, wrapped(own).as_bytes());
        }
        None => {}
    }
    out.extend_from_slice(format!("--{boundary}--\n").as_bytes());
    out
}

fn starts_like_mime(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]).to_lowercase();
    head.starts_with("content-type:") || head.starts_with("mime-version:")
}

/// Base64 in lines of 76 (RFC 2045 §6.8).
fn wrapped(bytes: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(bytes);
    let lines: Vec<&str> = text.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture;
    use super::*;

    const HASH: &str = "$6$salt$hash./Az09";

    fn told(own: Option<&[u8]>, hash: Option<&str>) -> GuestMetadata {
        let mut told = fixture::metadata(&fixture::nic(1, 5, fixture::IP));
        told.user_data_base64 = own.map(|own| BASE64_STANDARD.encode(own));
        told.password_hash = hash.map(str::to_owned);
        told
    }

    fn text(bytes: Option<Bytes>) -> String {
        String::from_utf8(bytes.unwrap().to_vec()).unwrap()
    }

    #[test]
    fn without_a_password_user_data_is_untouched_for_everybody() {
        let told = told(Some(b"#!/bin/sh\n"), None);
        assert_eq!(user_data(&told, "Cloud-Init/22.4.2"), Some(Bytes::from("#!/bin/sh\n")));
        assert_eq!(vendor_data(&told), None);
    }

    #[test]
    fn cloud_init_gets_the_password_in_front_of_the_users_part() {
        let told = told(Some(b"#!/bin/sh\necho hi\n"), Some(HASH));
        let got = text(user_data(&told, "Cloud-Init/22.4.2"));
        let (ours, own) = (got.find("text/cloud-config").unwrap(), got.find("text/plain").unwrap());
        assert!(ours < own);
        assert!(got.contains(&format!("password: '{HASH}'")));
        assert!(got.contains(&BASE64_STANDARD.encode("#!/bin/sh\necho hi\n")));
        assert_eq!(user_data(&told, "python-requests/2.28.1").map(|bytes| bytes.len()), Some(got.len()));
        assert_eq!(user_data(&told, "curl/8.0"), Some(Bytes::from("#!/bin/sh\necho hi\n")));
    }

    #[test]
    fn a_mime_message_of_the_users_stays_one() {
        let own = b"Content-Type: multipart/mixed; boundary=\"x\"\n\n--x\n\nhello\n--x--\n";
        let got = text(user_data(&told(Some(own), Some(HASH)), "Cloud-Init/22.4.2"));
        assert!(got.contains(std::str::from_utf8(own).unwrap()));
    }

    #[test]
    fn a_hash_that_could_break_out_is_not_used() {
        for bad in ["x'; reboot", "$6$a\nb", "", "plain"] {
            assert_eq!(password_hash(&told(None, Some(bad))), None, "{bad:?}");
        }
        assert_eq!(user_data(&told(None, Some("x'")), "Cloud-Init/22"), None);
    }
}
