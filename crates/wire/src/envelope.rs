//! What each vendor puts around a reply or an error: root elements, request ids, result wrappers.
//!
//! Only the bodies are made here; status codes and content types are the dialects'. Which code an
//! error has is theirs too.

use crate::json::{self, push_text, write_members_after};
use crate::show::Show;
use crate::xml::{self, Times, push_tag, write_text};

/// EC2's namespace. The slash at the end is EC2's own: libcloud finds nothing without it.
pub const EC2_NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

const XML_DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// Bytes that most replies fit into; a large one grows from here.
const USUAL_REPLY_BYTES: usize = 4 * 1024;

/// EC2's reply to an action; nothing at all becomes `<return>true</return>`.
pub fn ec2_xml(action: &str, request_id: &str, reply: &dyn Show) -> String {
    let mut out = begin_xml();
    open_response(&mut out, action, Some(EC2_NAMESPACE));
    write_text(&mut out, "requestId", request_id);
    if reply.is_null() {
        out.push_str("<return>true</return>");
    } else {
        xml::write_content(&mut out, reply, Times::Millisecond);
    }
    close_response(&mut out, action);
    out
}

/// EC2's error body.
pub fn ec2_error_xml(request_id: &str, code: &str, message: &str) -> String {
    let mut out = begin_xml();
    out.push_str("<Response><Errors><Error>");
    write_text(&mut out, "Code", code);
    write_text(&mut out, "Message", message);
    out.push_str("</Error></Errors>");
    write_text(&mut out, "RequestID", request_id);
    out.push_str("</Response>");
    out
}

/// A reply of AWS' query protocol (Auto Scaling, load balancing, STS): the result wrapped in
/// `<ActionResult>`, always, since boto3 fails without it.
pub fn query_xml(action: &str, namespace: &str, request_id: &str, reply: &dyn Show) -> String {
    let mut out = begin_xml();
    open_response(&mut out, action, Some(namespace));
    push_tag(&mut out, "<", action, "Result>");
    xml::write_content(&mut out, reply, Times::Millisecond);
    push_tag(&mut out, "</", action, "Result>");
    out.push_str("<ResponseMetadata>");
    write_text(&mut out, "RequestId", request_id);
    out.push_str("</ResponseMetadata>");
    close_response(&mut out, action);
    out
}

/// Whose fault an error is, in AWS' query protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The client's (4xx).
    Sender,
    /// The service's (5xx).
    Receiver,
}

/// An error body of AWS' query protocol.
pub fn query_error_xml(namespace: &str, request_id: &str, fault: Fault, (code, message): (&str, &str)) -> String {
    let mut out = begin_xml();
    push_tag(&mut out, "<ErrorResponse xmlns=\"", namespace, "\"><Error>");
    let kind = match fault {
        Fault::Sender => "Sender",
        Fault::Receiver => "Receiver",
    };
    write_text(&mut out, "Type", kind);
    write_text(&mut out, "Code", code);
    write_text(&mut out, "Message", message);
    out.push_str("</Error>");
    write_text(&mut out, "RequestId", request_id);
    out.push_str("</ErrorResponse>");
    out
}

/// A reply of AWS' JSON protocols; nothing at all becomes `{}`. The request id is a header there.
pub fn aws_json(reply: &dyn Show) -> String {
    let mut out = String::with_capacity(USUAL_REPLY_BYTES);
    if reply.is_null() {
        out.push_str("{}");
    } else {
        json::write(&mut out, reply, json::AWS);
    }
    out
}

/// An error body of AWS' JSON protocols.
pub fn aws_error_json(code: &str, message: &str) -> String {
    json_object(|out| {
        json_text_members(out, &[("__type", code), ("Message", message)]);
    })
}

/// Alibaba's reply in JSON: the request id beside the reply's members.
pub fn alibaba_json(request_id: &str, reply: &dyn Show) -> String {
    json_object(|out| {
        json_text_members(out, &[("RequestId", request_id)]);
        write_members_after(out, reply, json::ALIBABA);
    })
}

/// Alibaba's reply in XML (`Format=XML`): the same names, no namespace.
pub fn alibaba_xml(action: &str, request_id: &str, reply: &dyn Show) -> String {
    let mut out = begin_xml();
    open_response(&mut out, action, None);
    write_text(&mut out, "RequestId", request_id);
    xml::write_content(&mut out, reply, Times::Second);
    close_response(&mut out, action);
    out
}

/// What Alibaba's errors say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlibabaError<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// The host that was asked.
    pub host_id: &'a str,
    /// Such as `InvalidInstanceId.NotFound`.
    pub code: &'a str,
    /// The sentence for the user.
    pub message: &'a str,
    /// What to do about it; left out when empty.
    pub recommend: &'a str,
}

impl AlibabaError<'_> {
    /// The body in JSON.
    pub fn to_json(&self) -> String {
        json_object(|out| json_text_members(out, &self.members()))
    }

    /// The body in XML.
    pub fn to_xml(&self) -> String {
        let mut out = begin_xml();
        out.push_str("<Error>");
        for (name, text) in self.members() {
            write_text(&mut out, name, text);
        }
        out.push_str("</Error>");
        out
    }

    fn members(&self) -> Vec<(&'static str, &str)> {
        let mut members = vec![("RequestId", self.request_id), ("HostId", self.host_id), ("Code", self.code), ("Message", self.message)];
        if !self.recommend.is_empty() {
            members.push(("Recommend", self.recommend));
        }
        members
    }
}

/// Tencent's reply.
pub fn tencent_json(request_id: &str, reply: &dyn Show) -> String {
    json_object(|out| {
        out.push_str("\"Response\":{");
        json_text_members(out, &[("RequestId", request_id)]);
        write_members_after(out, reply, json::TENCENT);
        out.push('}');
    })
}

/// Tencent's error body, which goes with status 200.
pub fn tencent_error_json(request_id: &str, code: &str, message: &str) -> String {
    json_object(|out| {
        out.push_str("\"Response\":{\"Error\":{");
        json_text_members(out, &[("Code", code), ("Message", message)]);
        out.push_str("},");
        json_text_members(out, &[("RequestId", request_id)]);
        out.push('}');
    })
}

fn begin_xml() -> String {
    let mut out = String::with_capacity(USUAL_REPLY_BYTES);
    out.push_str(XML_DECLARATION);
    out
}

fn open_response(out: &mut String, action: &str, namespace: Option<&str>) {
    push_tag(out, "<", action, "Response");
    if let Some(namespace) = namespace {
        push_tag(out, " xmlns=\"", namespace, "\"");
    }
    out.push('>');
}

fn close_response(out: &mut String, action: &str) {
    push_tag(out, "</", action, "Response>");
}

fn json_object(fill: impl FnOnce(&mut String)) -> String {
    let mut out = String::with_capacity(USUAL_REPLY_BYTES);
    out.push('{');
    fill(&mut out);
    out.push('}');
    out
}

fn json_text_members(out: &mut String, members: &[(&str, &str)]) {
    for (at, (name, text)) in members.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_text(out, name);
        out.push(':');
        push_text(out, text);
    }
}
