//! What goes back to a client, before HTTP.

/// An answer in a vendor's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, to the letter as the vendor's clients want it.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Reply {
    /// XML as EC2 and Alibaba Cloud send it.
    pub fn xml(status: u16, body: String) -> Reply {
        Reply { status, content_type: "text/xml;charset=UTF-8", body }
    }

    /// JSON, with the type that Tencent's clients insist on: without a character set.
    pub fn json(status: u16, body: String) -> Reply {
        Reply { status, content_type: "application/json", body }
    }
}
