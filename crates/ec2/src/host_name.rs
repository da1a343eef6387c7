//! How instances are named: by their private address, or by their id.

use control::ModifyInstance;
use model::{HostNameKind, HostNameOptions, HostNameSettings, Noun};
use wire::{FromArg, Show};

use crate::error::Refusal;
use crate::{Cx, tag};

/// What a host name is made of, in filters.
pub(crate) const KINDS: &[(&str, &[&str])] = &[("ip-name", &["address"]), ("resource-name", &["id"])];

/// What a host name is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "kebab-case")]
pub(crate) enum AskedKind {
    IpName,
    ResourceName,
}

impl AskedKind {
    pub const fn kind(self) -> HostNameKind {
        match self {
            AskedKind::IpName => HostNameKind::Address,
            AskedKind::ResourceName => HostNameKind::Id,
        }
    }
}

/// What a launch says of it.
#[derive(Debug, Clone, Copy, FromArg)]
pub(crate) struct AskedOptions {
    hostname_type: Option<AskedKind>,
    #[arg(name = "EnableResourceNameDnsARecord")]
    a_record: Option<bool>,
    #[arg(name = "EnableResourceNameDnsAAAARecord")]
    aaaa_record: Option<bool>,
}

impl AskedOptions {
    pub fn settings(self) -> HostNameSettings {
        HostNameSettings { kind: self.hostname_type.map(AskedKind::kind), a_record: self.a_record, aaaa_record: self.aaaa_record }
    }
}

/// The options in replies.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Options {
    hostname_type: Option<&'static str>,
    #[reply(name = "enableResourceNameDnsARecord")]
    a_record: Option<bool>,
    #[reply(name = "enableResourceNameDnsAAAARecord")]
    aaaa_record: Option<bool>,
}

impl Options {
    pub fn of(options: HostNameOptions) -> Options {
        let HostNameOptions { kind, a_record, aaaa_record } = options;
        Options { hostname_type: Some(word(kind)), a_record: Some(a_record), aaaa_record: Some(aaaa_record) }
    }

    /// What a launch template says.
    pub fn said(settings: &HostNameSettings) -> Option<Options> {
        let HostNameSettings { kind, a_record, aaaa_record } = *settings;
        (!settings.is_none()).then(|| Options { hostname_type: kind.map(word), a_record, aaaa_record })
    }
}

const fn word(kind: HostNameKind) -> &'static str {
    match kind {
        HostNameKind::Address => "ip-name",
        HostNameKind::Id => "resource-name",
    }
}

/// The parameters of `ModifyPrivateDnsNameOptions`.
#[derive(FromArg)]
pub(crate) struct ModifyPrivateDnsNameOptions {
    instance_id: String,
    private_dns_hostname_type: Option<AskedKind>,
    #[arg(name = "EnableResourceNameDnsARecord")]
    a_record: Option<bool>,
    #[arg(name = "EnableResourceNameDnsAAAARecord")]
    aaaa_record: Option<bool>,
}

/// Changes how an instance is named; what its host name is made of while it is stopped.
pub(crate) async fn modify(cx: Cx, asked: ModifyPrivateDnsNameOptions) -> Result<(), Refusal> {
    let host_names = HostNameSettings {
        kind: asked.private_dns_hostname_type.map(AskedKind::kind),
        a_record: asked.a_record,
        aaaa_record: asked.aaaa_record,
    };
    let id = Some(tag::id(Noun::Instance, &asked.instance_id)?);
    Ok(cx.cloud.run(&cx.caller, ModifyInstance { id, host_names, ..ModifyInstance::default() }, cx.options(None)).await?)
}
