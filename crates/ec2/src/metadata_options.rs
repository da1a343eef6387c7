//! Options of the metadata service, as launches and changes name them.

use model::{AttributeSettings, MetadataOptions};
use wire::{FromArg, Show};

use crate::error::{Refusal, unsupported};

/// What a client says of them; what it does not say stays.
#[derive(Debug, Clone, Default, FromArg)]
pub(crate) struct AskedMetadata {
    http_tokens: Option<Tokens>,
    #[arg(range = 1..=64)]
    http_put_response_hop_limit: Option<u8>,
    http_endpoint: Option<Switch>,
    http_protocol_ipv6: Option<Switch>,
    instance_metadata_tags: Option<Switch>,
}

/// Whether a session token is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum Tokens {
    Optional,
    Required,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum Switch {
    Enabled,
    Disabled,
}

impl AskedMetadata {
    /// What is said, as a launch takes it.
    pub fn settings(&self) -> Result<AttributeSettings, Refusal> {
        self.refuse_ipv6()?;
        Ok(AttributeSettings {
            metadata_enabled: self.http_endpoint.map(|switch| switch == Switch::Enabled),
            token_required: self.http_tokens.map(|tokens| tokens == Tokens::Required),
            hop_limit: self.http_put_response_hop_limit,
            show_tags: self.instance_metadata_tags.map(|switch| switch == Switch::Enabled),
            ..AttributeSettings::default()
        })
    }

    fn refuse_ipv6(&self) -> Result<(), Refusal> {
        match self.http_protocol_ipv6 {
            Some(Switch::Enabled) => Err(unsupported("The metadata service over IPv6")),
            Some(Switch::Disabled) | None => Ok(()),
        }
    }

    /// The options after what is asked for.
    pub fn over(&self, before: &MetadataOptions) -> Result<MetadataOptions, Refusal> {
        self.refuse_ipv6()?;
        Ok(MetadataOptions {
            enabled: self.http_endpoint.map_or(before.enabled, |switch| switch == Switch::Enabled),
            token_required: self.http_tokens.map_or(before.token_required, |tokens| tokens == Tokens::Required),
            hop_limit: self.http_put_response_hop_limit.unwrap_or(before.hop_limit),
            show_tags: self.instance_metadata_tags.map_or(before.show_tags, |switch| switch == Switch::Enabled),
        })
    }
}

/// The options in replies.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct MetadataItem {
    state: &'static str,
    http_tokens: &'static str,
    http_put_response_hop_limit: u8,
    http_endpoint: &'static str,
    http_protocol_ipv6: &'static str,
    instance_metadata_tags: &'static str,
}

impl MetadataItem {
    /// Options that hold.
    pub fn applied(options: &MetadataOptions) -> MetadataItem {
        let switch = |on: bool| if on { "enabled" } else { "disabled" };
        MetadataItem {
            state: "applied",
            http_tokens: if options.token_required { "required" } else { "optional" },
            http_put_response_hop_limit: options.hop_limit,
            http_endpoint: switch(options.enabled),
            http_protocol_ipv6: "disabled",
            instance_metadata_tags: switch(options.show_tags),
        }
    }
}
