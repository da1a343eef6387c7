//! The native API: JSON both ways, typed, described by an OpenAPI document that is made of the same types.
//!
//! ```text
//! method, path -> table of routes -> Asked (query), #[derive(Deserialize)] body -> handler -> control -> #[derive(Serialize)] -> JSON
//!                                                                                    \-> Refusal -> one table of codes -> problem
//! ```
//!
//! Its words are the model's own: names of phases, of kinds of volumes, of nouns. Actions have the names of EC2's, so that one policy
//! holds whichever way a call comes. What it does not know: HTTP connections, how signatures are verified, how anything is done; it asks
//! [`control::Cloud`].

mod error;
mod image;
mod instance;
mod instance_change;
mod instance_launch;
mod instance_list;
mod instance_nics;
mod instance_tag;
mod instance_type;
mod key_pair;
mod openapi;
mod page;
mod problem;
mod query;
mod routes;
mod schema;
mod security_group;
mod snapshot;
mod subnet;
mod zone;

use std::net::IpAddr;
use std::sync::Arc;

use control::{Caller, Cloud, Command, Options, Principal, Target};
use model::Error;
use wire::{Claim, Reply, Request};

use crate::query::Asked;
use crate::routes::Written;

pub use error::{Refusal, refuse};
pub use openapi::document;
pub use routes::{Method, RouteInfo, routes};

/// The service that signatures of native requests name.
pub const SERVICE: &str = "pileus";

/// Where every path begins.
const ROOT: &str = "/v1/";
/// The path of the document, which is told without a signature: it says nothing of anybody.
const DOCUMENT: &str = "/v1/openapi.json";
/// The header that makes a repeated call answer as the first did.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// One call of which the signature was verified.
pub struct Call<'a> {
    /// The request.
    pub request: &'a Request,
    /// Who signed it, and how.
    pub claim: &'a Claim,
    /// Whom the access key acts for.
    pub principal: Arc<Principal>,
    /// Where it came from.
    pub source: IpAddr,
    /// The request's id, as the reply has it.
    pub request_id: &'a str,
}

/// Whether a request is for the native API, as far as its path tells.
pub fn is_native(request: &Request) -> bool {
    request.path().starts_with(ROOT)
}

/// Whether a request asks for the OpenAPI document, which takes no signature.
pub fn asks_for_document(request: &Request) -> bool {
    request.method() == "GET" && request.path() == DOCUMENT
}

/// Answers a call.
pub async fn answer(cloud: &Cloud, call: Call<'_>) -> Reply {
    match run(cloud, &call).await {
        Ok(Written { status, body }) => Reply::json(status, body),
        Err(refusal) => {
            tracing::debug!(request = call.request_id, ?refusal, "refused");
            refuse(&refusal, call.request_id)
        }
    }
}

/// What a handler knows beside its body.
pub(crate) struct Cx {
    pub cloud: Cloud,
    pub caller: Caller,
    /// What stands for `{id}` in the path; empty where the route has none.
    pub id: String,
    /// The query.
    pub asked: Asked,
    idempotency_key: Option<String>,
}

impl Cx {
    /// Runs a command, with the client's key for repeats and its wish for a dry run.
    pub async fn run<C: Command>(&self, command: C) -> Result<C::Reply, Refusal> {
        let options = Options { client_token: self.idempotency_key.clone(), dry_run: self.asked.flag(routes::DRY_RUN) };
        Ok(self.cloud.run(&self.caller, command, options).await?)
    }

    /// Asks the policies, for actions that tell of settings and read no rows.
    pub async fn allowed(&self) -> Result<(), Error> {
        self.cloud.read(&self.caller, vec![Target::any()], |_, _| Ok(())).await
    }
}

async fn run(cloud: &Cloud, call: &Call<'_>) -> Result<Written, Refusal> {
    let request = call.request;
    let (route, id) = routes::find(request.method(), request.path())?;
    let caller =
        Caller { principal: call.principal.clone(), source: call.source, request: call.request_id.to_owned(), action: route.action };
    cloud.admit(&caller)?;
    let asked = Asked::read(request, call.claim.scheme.parameters(), route)?;
    let body = body(request, route.method)?;
    let idempotency_key = request.header(IDEMPOTENCY_KEY).filter(|_| route.method != Method::Get).map(str::to_owned);
    let cx = Cx { cloud: cloud.clone(), caller, id: id.to_owned(), asked, idempotency_key };
    match (route.run)(cx, body)?.await {
        Err(Refusal::Cloud(Error::DryRun)) => Ok(Written::nothing()),
        other => other,
    }
}

/// The body, which is JSON; nothing is an object without members.
fn body(request: &Request, method: Method) -> Result<&[u8], Refusal> {
    let body = request.body();
    if body.is_empty() {
        return Ok(b"{}");
    }
    if method == Method::Get {
        return Err(Refusal::Body { at: String::new(), reason: "a GET has none".to_owned() });
    }
    match request.media_type().as_str() {
        "application/json" => Ok(body),
        _ => Err(Refusal::MediaType),
    }
}
