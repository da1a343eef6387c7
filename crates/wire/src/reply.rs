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
    /// Further headers, and a body of bytes in place of the text, for calls that carry data.
    pub data: Option<Data>,
}

/// What calls answer that carry data.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Data {
    /// Headers, by name.
    pub headers: Vec<(&'static str, String)>,
    /// The body; the text counts where there is none.
    pub bytes: Option<Vec<u8>>,
}

impl Reply {
    /// XML as EC2 and Alibaba Cloud send it.
    pub fn xml(status: u16, body: String) -> Reply {
        Reply { status, content_type: "text/xml;charset=UTF-8", body, data: None }
    }

    /// JSON, with the type that Tencent's clients insist on: without a character set.
    pub fn json(status: u16, body: String) -> Reply {
        Reply { status, content_type: "application/json", body, data: None }
    }
}
