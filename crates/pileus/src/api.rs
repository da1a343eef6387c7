//! From a request to a dialect: who signed it, is the signature good, which cloud's words are these.
//!
//! What is refused here is refused in the caller's dialect too, as far as the request tells which one it is.

use std::net::IpAddr;
use std::sync::Arc;

use control::{Caller, Cloud, OpenSession, Options, Principal, SessionTarget, TokenError};
use model::{Error, Noun};
use wire::{Args, ArgsError, Claim, Nonces, Novelty, Reply, Request, SignatureError, SigningKeys, guess_cloud, identify};

use crate::sessions::{Place, Sessions};

/// Nonces remembered: at Alibaba's 15 minutes of validity, more than a thousand calls a second.
const NONCES: usize = 1_000_000;
/// Derived signing keys kept: one for each key, day, region and service.
const SIGNING_KEYS: usize = 10_000;

/// The service that requests for sessions are signed for.
pub const SESSIONS: &str = "ec2-instance-connect";

/// Why a request is refused before a dialect sees its action.
enum Refused {
    Signature(SignatureError),
    UnknownKey,
    Replayed,
    SessionToken,
    SessionExpired,
    Arguments(ArgsError),
    Failed(Error),
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
    sessions: Sessions,
}

impl Api {
    /// Puts the API before a control plane.
    pub fn new(cloud: Cloud) -> Api {
        let (nonces, keys) = (Nonces::new(NONCES), SigningKeys::new(SIGNING_KEYS));
        Api { cloud, shared: Arc::new(Shared { nonces, keys, sessions: Sessions::default() }) }
    }

    /// Answers a request in its dialect.
    pub async fn answer(&self, request: &Request, source: IpAddr, request_id: &str) -> Reply {
        if console::asks_for_document(request) {
            return Reply::json(200, console::document().to_owned());
        }
        let claim = match identify(request) {
            Ok(claim) => claim,
            Err(error) => {
                let vendor = error.cloud().or_else(|| guess_cloud(request)).unwrap_or(wire::Cloud::Aws);
                return refuse(vendor, request, None, &Refused::Signature(error), request_id);
            }
        };
        match self.verified(&claim).await {
            Ok(principal) if is_native(&claim) => {
                console::answer(&self.cloud, console::Call { request, claim: &claim, principal, source, request_id }).await
            }
            verified => match verified.and_then(|principal| Ok((principal, arguments_of(request, &claim)?))) {
                Ok((principal, args)) => self.dispatch(request, &claim, &args, principal, (source, request_id)).await,
                Err(refused) => {
                    metrics::counter!("pileus_requests_refused").increment(1);
                    refuse(claim.scheme.cloud(), request, Some(&claim), &refused, request_id)
                }
            },
        }
    }

    /// Opens a session to a port of an instance for whoever signed this request; a refusal is in EC2's words.
    ///
    /// It is as EC2's instance connect endpoints have it: `/openTunnel`, signed in the query for `ec2-instance-connect`, with
    /// `remotePort`; of theirs `instanceId` takes the place of the endpoint's id and the private address.
    pub async fn open_session(&self, request: &Request, source: IpAddr, request_id: &str) -> Result<(SessionTarget, Place), Reply> {
        let claim = identify(request).map_err(|error| refuse(wire::Cloud::Aws, request, None, &Refused::Signature(error), request_id))?;
        let verified = self.verified(&claim).await.and_then(|principal| Ok((principal, arguments(request)?)));
        let (principal, args) = verified.map_err(|refused| refuse(claim.scheme.cloud(), request, Some(&claim), &refused, request_id))?;
        let refusal = |error: ec2::Refusal| ec2::refuse(&error, None, request_id);
        if claim.scope.as_ref().is_none_or(|scope| scope.service != SESSIONS) {
            let name = claim.scope.as_ref().map(|scope| scope.service.clone()).unwrap_or_default();
            return Err(refusal(ec2::Refusal::UnknownService { name }));
        }
        let asked = || Ok::<_, ArgsError>((args.get::<String>("instanceId")?, args.get::<u16>("remotePort")?));
        let (id, port) = asked().map_err(|error| refusal(ec2::Refusal::Args(error)))?;
        let opened = async {
            let instance = id.parse().map_err(|_| Error::not_found(Noun::Instance, &id))?;
            let caller = Caller { principal, source, request: request_id.to_owned(), action: "ec2-instance-connect:OpenTunnel" };
            self.cloud.admit(&caller)?;
            let place = self.shared.sessions.place(caller.account())?;
            Ok((self.cloud.run(&caller, OpenSession { instance, port }, Options::default()).await?, place))
        };
        opened.await.map_err(|error: Error| refusal(ec2::Refusal::Cloud(error)))
    }

    async fn verified(&self, claim: &Claim) -> Result<Arc<Principal>, Refused> {
        let now = self.cloud.clock().now().timestamp();
        let principal = match claim.session_token.as_deref().filter(|token| !token.is_empty()) {
            Some(token) => self.cloud.bearer(&claim.access_key, token).await.map_err(|error| match error {
                TokenError::Invalid => Refused::SessionToken,
                TokenError::Expired => Refused::SessionExpired,
                TokenError::Failed(error) => Refused::Failed(error),
            })?,
            None => self.cloud.principal(&claim.access_key).await.map_err(Refused::Failed)?.ok_or(Refused::UnknownKey)?,
        };
        claim.verify_with(principal.secret(), now, &self.shared.keys).map_err(Refused::Signature)?;
        match self.shared.nonces.use_once(claim, now) {
            Novelty::Fresh => Ok(principal),
            Novelty::Replayed => Err(Refused::Replayed),
        }
    }

    async fn dispatch(&self, request: &Request, claim: &Claim, args: &Args, principal: Arc<Principal>, from: (IpAddr, &str)) -> Reply {
        let (source, request_id) = from;
        match claim.scheme.cloud() {
            wire::Cloud::Aws => {
                let host = request.header("host").unwrap_or_default();
                let target = request.header("x-amz-target");
                let body = request.body();
                ec2::answer(&self.cloud, ec2::Call { args, claim, principal, source, request_id, host, body, target }).await
            }
            wire::Cloud::Alibaba => ecs::answer(&self.cloud, ecs::Call { args, claim, request, principal, source, request_id }).await,
            wire::Cloud::Tencent => cvm::answer(&self.cloud, cvm::Call { args, claim, request, principal, source, request_id }).await,
        }
    }
}

/// The arguments of a call; those of services that speak over paths are in the path, in headers, and in queries that repeat names.
fn arguments_of(request: &Request, claim: &Claim) -> Result<Args, Refused> {
    let service = claim.scope.as_ref().filter(|_| claim.scheme.cloud() == wire::Cloud::Aws).map(|scope| scope.service.as_str());
    let of_path = match service {
        Some("ebs") => ec2::block_arguments(request),
        Some("dlm") => ec2::lifecycle_arguments(request),
        Some(_) | None => None,
    };
    of_path.map_or_else(|| arguments(request), Ok)
}

fn arguments(request: &Request) -> Result<Args, Refused> {
    Args::from_request(request).map_err(Refused::Arguments)
}

/// Whether a request is for the native API: it is signed for it, as AWS' requests are for a service.
fn is_native(claim: &Claim) -> bool {
    claim.scheme.cloud() == wire::Cloud::Aws && claim.scope.as_ref().is_some_and(|scope| scope.service == console::SERVICE)
}

/// Refuses a request in its dialect's words; one of which it is not known what it was signed for, by its path.
fn refuse(vendor: wire::Cloud, request: &Request, claim: Option<&Claim>, why: &Refused, request_id: &str) -> Reply {
    match vendor {
        wire::Cloud::Aws if claim.map_or_else(|| console::is_native(request), is_native) => {
            let refusal = match why {
                Refused::Signature(error) => console::Refusal::Signature(error.clone()),
                Refused::UnknownKey => console::Refusal::UnknownKey,
                Refused::Replayed => console::Refusal::Replayed,
                Refused::SessionToken => console::Refusal::SessionToken,
                Refused::SessionExpired => console::Refusal::SessionExpired,
                Refused::Arguments(error) => console::Refusal::member(&error.path, error.kind.to_string()),
                Refused::Failed(error) => console::Refusal::Cloud(error.clone()),
            };
            console::refuse(&refusal, request_id)
        }
        wire::Cloud::Aws => {
            let service = claim.and_then(|claim| claim.scope.as_ref()).map(|scope| scope.service.as_str());
            let refusal = match why {
                Refused::Signature(error) => ec2::Refusal::Signature(error.clone()),
                Refused::UnknownKey => ec2::Refusal::UnknownKey,
                Refused::Replayed => ec2::Refusal::Signature(SignatureError::Missing),
                Refused::SessionToken => ec2::Refusal::SessionToken,
                Refused::SessionExpired => ec2::Refusal::SessionExpired,
                Refused::Arguments(error) => ec2::Refusal::Args(error.clone()),
                Refused::Failed(error) => ec2::Refusal::Cloud(error.clone()),
            };
            ec2::refuse(&refusal, service, request_id)
        }
        wire::Cloud::Alibaba => {
            let refused = match why {
                Refused::Signature(error) => ecs::Refused::Signature(error),
                Refused::UnknownKey => ecs::Refused::UnknownAccessKey,
                Refused::Replayed => ecs::Refused::NonceUsed,
                Refused::SessionToken => ecs::Refused::SessionToken,
                Refused::SessionExpired => ecs::Refused::SessionExpired,
                Refused::Arguments(error) => ecs::Refused::Args(error),
                Refused::Failed(error) => ecs::Refused::Error(error),
            };
            ecs::refuse(request, request_id, refused)
        }
        wire::Cloud::Tencent => {
            let refused = match why {
                Refused::Signature(error) => cvm::Refused::Signature(error),
                Refused::UnknownKey => cvm::Refused::UnknownSecretId,
                Refused::Replayed => cvm::Refused::Replayed,
                Refused::SessionToken => cvm::Refused::SessionToken,
                Refused::SessionExpired => cvm::Refused::SessionExpired,
                Refused::Arguments(error) => cvm::Refused::Args(error),
                Refused::Failed(error) => cvm::Refused::Error(error),
            };
            cvm::refuse(request_id, refused)
        }
    }
}
