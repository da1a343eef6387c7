//! Snapshots written and read block by block: EBS's direct APIs, which are a service of their own and speak JSON over paths.
//!
//! ```text
//!   PUT /snapshots/ID/blocks/7   headers, bytes  ──arguments──▶ "PutSnapshotBlock" and its parameters ─▶ the table, like any action
//! ```
//!
//! What a client may read or write is the control plane's to say; a block's token only says that a client has seen the list.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{PutBlock, SealUpload, StartUpload};
use jiff::{SignedDuration, Timestamp};
use model::{BLOCK_BYTES, Error, Gib, Noun, SnapshotId, Tags, UPLOAD_TIMEOUT_USUAL, add_tags};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use wire::{Args, Base64, Data, FromArg, Reply, Request, Show, envelope};

use crate::error::{Refusal, Wording, say_with, unsupported};
use crate::tag;
use crate::{Cx, disk_encryption, kms};

/// Most blocks of one list, also when nothing is said (EBS: 10,000).
const LISTED_MAX: u32 = 10_000;
/// How long block tokens are said to be good (EBS: seven days). These do not end.
const TOKENS_LAST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The one kind of checksum.
const ALGORITHM: &str = "SHA256";
/// Parameters that come as headers.
const HEADERS: [(&str, &str); 7] = [
    ("x-amz-data-length", "DataLength"),
    ("x-amz-progress", "Progress"),
    ("x-amz-checksum", "Checksum"),
    ("x-amz-checksum-algorithm", "ChecksumAlgorithm"),
    ("x-amz-changedblockscount", "ChangedBlocksCount"),
    ("x-amz-checksum-aggregation-method", "ChecksumAggregationMethod"),
    ("x-amz-client-token", "ClientToken"),
];
/// Parameters of queries, whose names differ from the model's.
const QUERY: [(&str, &str); 5] = [
    ("pageToken", "NextToken"),
    ("maxResults", "MaxResults"),
    ("startingBlockIndex", "StartingBlockIndex"),
    ("blockToken", "BlockToken"),
    ("firstSnapshotId", "FirstSnapshotId"),
];

/// The arguments of a request to this service, with the action that its method and path say; none where they say none.
pub fn arguments(request: &Request) -> Option<Args> {
    let steps: Vec<&str> = request.path().split('/').filter(|step| !step.is_empty()).collect();
    let (action, of_path): (&str, &[(&str, &str)]) = match (request.method(), steps.as_slice()) {
        ("POST", ["snapshots"]) => ("StartSnapshot", &[]),
        ("POST", ["snapshots", "completion", id]) => ("CompleteSnapshot", &[("SnapshotId", id)]),
        ("PUT", ["snapshots", id, "blocks", index]) => ("PutSnapshotBlock", &[("SnapshotId", id), ("BlockIndex", index)]),
        ("GET", ["snapshots", id, "blocks", index]) => ("GetSnapshotBlock", &[("SnapshotId", id), ("BlockIndex", index)]),
        ("GET", ["snapshots", id, "blocks"]) => ("ListSnapshotBlocks", &[("SnapshotId", id)]),
        ("GET", ["snapshots", id, "changedblocks"]) => ("ListChangedBlocks", &[("SecondSnapshotId", id)]),
        _ => return None,
    };
    let body = (action == "StartSnapshot").then(|| serde_json::from_slice::<Map<String, Value>>(request.body()).ok()).flatten();
    let mut all = body.unwrap_or_default();
    let mut put = |name: &str, value: &str| drop(all.insert(name.to_owned(), Value::from(value)));
    put("Action", action);
    of_path.iter().for_each(|(name, value)| put(name, value));
    for (header, name) in HEADERS {
        request.header(header).into_iter().for_each(|value| put(name, value));
    }
    for (key, name) in QUERY {
        request.parameter(key).into_iter().for_each(|value| put(name, &value));
    }
    Args::from_json(&serde_json::to_vec(&all).ok()?).ok()
}

/// The answer of an action: some is in headers, and a block is the body.
pub(crate) fn reply(action: &str, shown: &dyn Show) -> Reply {
    let text = envelope::aws_json(shown);
    let is_data = matches!(action, "PutSnapshotBlock" | "GetSnapshotBlock");
    let status = match action {
        "StartSnapshot" | "PutSnapshotBlock" => 201,
        "CompleteSnapshot" => 202,
        _ => 200,
    };
    if !is_data {
        return Reply::json(status, text);
    }
    let members: Map<String, Value> = serde_json::from_str(&text).unwrap_or_default();
    let header = |name: &'static str, member: &str| Some((name, members.get(member)?.as_str()?.to_owned()));
    let names = [("x-amz-Checksum", "Checksum"), ("x-amz-Checksum-Algorithm", "ChecksumAlgorithm"), ("x-amz-Data-Length", "DataLength")];
    let headers = names.into_iter().filter_map(|(name, member)| header(name, member)).collect();
    let bytes = members.get("BlockData").and_then(Value::as_str).and_then(|data| STANDARD.decode(data).ok());
    Reply { status, content_type: "application/octet-stream", body: String::new(), data: Some(Data { headers, bytes }) }
}

/// The code of a refusal in this service's words.
pub(crate) fn wording(error: &Error) -> Wording {
    let message = error.to_string();
    match error {
        Error::NotFound { .. } | Error::MalformedId { .. } => say_with(404, "ResourceNotFoundException", message),
        Error::Unauthorized { .. } => say_with(403, "AccessDeniedException", "You are not authorized to perform this operation."),
        Error::TooManyRequests { .. } => say_with(400, "RequestThrottledException", "Rate exceeded"),
        Error::QuotaExceeded { .. } => say_with(402, "ServiceQuotaExceededException", message),
        Error::LimitReached { .. } => say_with(400, "ConcurrentLimitExceededException", message),
        Error::ClientTokenReused => say_with(409, "ConflictException", message),
        Error::Internal | Error::Unavailable | Error::NoDiskRoom { .. } => {
            say_with(500, "InternalServerException", "An internal error has occurred")
        }
        Error::Duplicate { .. }
        | Error::IncorrectState { .. }
        | Error::InUse { .. }
        | Error::Protected { .. }
        | Error::NoCapacity { .. }
        | Error::NoPlaceInGroup { .. }
        | Error::NoReservedCapacity { .. }
        | Error::ZoneMismatch { .. }
        | Error::TooManyVolumes { .. }
        | Error::NoFreeAddress { .. }
        | Error::MissingParameter { .. }
        | Error::InvalidParameter { .. }
        | Error::InvalidCombination { .. }
        | Error::InvalidMfaCode
        | Error::DryRun
        | Error::Unsupported { .. } => say_with(400, "ValidationException", message),
    }
}

/// The parameters of `StartSnapshot`.
#[derive(FromArg)]
pub(crate) struct StartSnapshot {
    volume_size: u32,
    parent_snapshot_id: Option<String>,
    #[arg(max_items = 50)]
    tags: Vec<StartTag>,
    description: Option<String>,
    client_token: Option<String>,
    encrypted: Option<bool>,
    kms_key_arn: Option<String>,
    timeout: Option<u32>,
}

#[derive(FromArg)]
struct StartTag {
    key: String,
    #[arg(default)]
    value: String,
}

/// The reply of `StartSnapshot`.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Started {
    description: Option<String>,
    snapshot_id: String,
    owner_id: String,
    status: &'static str,
    start_time: Timestamp,
    volume_size: u32,
    block_size: u32,
    tags: Vec<StartedTag>,
    parent_snapshot_id: Option<String>,
    kms_key_arn: Option<String>,
    sse_type: Option<&'static str>,
}

#[derive(Show)]
struct StartedTag {
    key: String,
    value: String,
}

/// Starts a snapshot that the caller writes.
pub(crate) async fn start(cx: Cx, asked: StartSnapshot) -> Result<Started, Refusal> {
    let mut tags = Tags::new();
    add_tags(&mut tags, &asked.tags.into_iter().map(|tag| (tag.key, tag.value)).collect())?;
    let parent = asked.parent_snapshot_id.filter(|id| !id.is_empty());
    let command = StartUpload {
        size: Gib(asked.volume_size),
        parent: tag::optional_id(Noun::Snapshot, parent.as_deref())?,
        description: asked.description.clone().unwrap_or_default(),
        encryption: disk_encryption::choice(&cx, asked.encrypted, asked.kms_key_arn.as_deref())?,
        timeout_minutes: asked.timeout.unwrap_or(UPLOAD_TIMEOUT_USUAL),
        tags,
    };
    let token = asked.client_token.filter(|token| !token.is_empty());
    let row = cx.cloud.run(&cx.caller, command, cx.options(token)).await?;
    Ok(Started {
        description: asked.description,
        snapshot_id: row.id.to_string(),
        owner_id: row.account.to_string(),
        status: row.word(),
        start_time: row.created_at.timestamp(),
        volume_size: row.size.0,
        block_size: BLOCK_BYTES,
        tags: row.tags.into_iter().map(|(key, value)| StartedTag { key, value }).collect(),
        parent_snapshot_id: parent,
        kms_key_arn: kms::arn_of(&cx, row.encryption.as_ref()),
        sse_type: row.encryption.as_ref().map(|_| "sse-kms"),
    })
}

/// Kinds of checksums.
#[derive(Clone, Copy, FromArg)]
pub(crate) enum Algorithm {
    #[arg(name = "SHA256")]
    Sha256,
}

/// The parameters of `PutSnapshotBlock`.
#[derive(FromArg)]
pub(crate) struct PutSnapshotBlock {
    snapshot_id: String,
    block_index: u32,
    data_length: u32,
    #[expect(dead_code, reason = "how far a client says it is changes nothing")]
    progress: Option<u32>,
    checksum: Base64,
    #[expect(dead_code, reason = "there is one")]
    checksum_algorithm: Algorithm,
}

/// The reply of `PutSnapshotBlock`.
#[derive(Show)]
pub(crate) struct Put {
    checksum: String,
    checksum_algorithm: &'static str,
}

/// Writes a block.
pub(crate) async fn put(cx: Cx, asked: PutSnapshotBlock) -> Result<Put, Refusal> {
    let upload = tag::id(Noun::Snapshot, &asked.snapshot_id)?;
    let checksum = STANDARD.encode(&asked.checksum.0);
    let block = PutBlock { upload, index: asked.block_index, length: asked.data_length, bytes: cx.body, sha256: asked.checksum.0.to_vec() };
    cx.cloud.block_put(&cx.caller, block).await?;
    Ok(Put { checksum, checksum_algorithm: ALGORITHM })
}

/// The parameters of `CompleteSnapshot`.
#[derive(FromArg)]
pub(crate) struct CompleteSnapshot {
    snapshot_id: String,
    changed_blocks_count: u32,
    checksum: Option<Base64>,
    #[expect(dead_code, reason = "there is one")]
    checksum_algorithm: Option<Algorithm>,
    #[expect(dead_code, reason = "there is one")]
    checksum_aggregation_method: Option<Aggregation>,
}

/// Ways to make one checksum of those of all blocks.
#[derive(Clone, Copy, FromArg)]
pub(crate) enum Aggregation {
    #[arg(name = "LINEAR")]
    Linear,
}

/// The reply of `CompleteSnapshot`.
#[derive(Show)]
pub(crate) struct Completed {
    status: &'static str,
}

/// Ends the writing of a snapshot, which is stored then.
pub(crate) async fn complete(cx: Cx, asked: CompleteSnapshot) -> Result<Completed, Refusal> {
    if asked.checksum.is_some() {
        return Err(unsupported("A checksum of all blocks".to_owned()));
    }
    let seal = SealUpload { snapshot: tag::id(Noun::Snapshot, &asked.snapshot_id)?, blocks: asked.changed_blocks_count };
    let row = cx.cloud.upload_seal(&cx.caller, seal, cx.options(None)).await?;
    Ok(Completed { status: row.word() })
}

/// The parameters of `GetSnapshotBlock`.
#[derive(FromArg)]
pub(crate) struct GetSnapshotBlock {
    snapshot_id: String,
    block_index: u32,
    block_token: String,
}

/// The reply of `GetSnapshotBlock`.
#[derive(Show)]
pub(crate) struct Got {
    data_length: String,
    block_data: String,
    checksum: String,
    checksum_algorithm: &'static str,
}

/// Reads a block.
pub(crate) async fn get(cx: Cx, asked: GetSnapshotBlock) -> Result<Got, Refusal> {
    let snapshot = tag::id(Noun::Snapshot, &asked.snapshot_id)?;
    let bytes = cx.cloud.block_get(&cx.caller, snapshot, asked.block_index).await?;
    if asked.block_token != token(snapshot, asked.block_index) {
        return Err(Error::invalid("BlockToken", "is not that of this block").into());
    }
    let checksum = STANDARD.encode(Sha256::digest(&bytes));
    Ok(Got { data_length: bytes.len().to_string(), block_data: STANDARD.encode(&bytes), checksum, checksum_algorithm: ALGORITHM })
}

/// Which part of a list.
#[derive(FromArg)]
pub(crate) struct Part {
    next_token: Option<String>,
    #[arg(range = 100..=10_000)]
    max_results: Option<u32>,
    starting_block_index: Option<u32>,
}

impl Part {
    fn from(&self) -> Result<u32, Refusal> {
        match self.next_token.as_deref().filter(|token| !token.is_empty()) {
            Some(token) => token.strip_prefix("from-").and_then(|index| index.parse().ok()).ok_or(Refusal::NextToken),
            None => Ok(self.starting_block_index.unwrap_or(0)),
        }
    }
}

/// The parameters of `ListSnapshotBlocks`.
#[derive(FromArg)]
pub(crate) struct ListSnapshotBlocks {
    snapshot_id: String,
    #[arg(flatten)]
    part: Part,
}

/// The reply of `ListSnapshotBlocks`.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Listed {
    blocks: Vec<Block>,
    expiry_time: Timestamp,
    volume_size: u32,
    block_size: u32,
    next_token: Option<String>,
}

#[derive(Show)]
struct Block {
    block_index: u32,
    block_token: String,
}

/// Lists the blocks of a snapshot that hold something.
pub(crate) async fn list(cx: Cx, asked: ListSnapshotBlocks) -> Result<Listed, Refusal> {
    let snapshot = tag::id(Noun::Snapshot, &asked.snapshot_id)?;
    let most = asked.part.max_results.unwrap_or(LISTED_MAX);
    let (row, found, more) = cx.cloud.block_list(&cx.caller, (None, snapshot), asked.part.from()?, most).await?;
    let next = found.last().filter(|_| more).map(|last| format!("from-{}", last.index.saturating_add(1)));
    let blocks = found.iter().map(|block| Block { block_index: block.index, block_token: token(snapshot, block.index) });
    Ok(Listed { blocks: blocks.collect(), expiry_time: expiry(&cx), volume_size: row.size.0, block_size: BLOCK_BYTES, next_token: next })
}

/// The parameters of `ListChangedBlocks`.
#[derive(FromArg)]
pub(crate) struct ListChangedBlocks {
    first_snapshot_id: Option<String>,
    second_snapshot_id: String,
    #[arg(flatten)]
    part: Part,
}

/// The reply of `ListChangedBlocks`.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Changed {
    changed_blocks: Vec<ChangedBlock>,
    expiry_time: Timestamp,
    volume_size: u32,
    block_size: u32,
    next_token: Option<String>,
}

#[derive(Show)]
struct ChangedBlock {
    block_index: u32,
    first_block_token: Option<String>,
    second_block_token: Option<String>,
}

/// Lists the blocks in which a snapshot differs from another one.
pub(crate) async fn changed(cx: Cx, asked: ListChangedBlocks) -> Result<Changed, Refusal> {
    let second = tag::id(Noun::Snapshot, &asked.second_snapshot_id)?;
    let first = asked.first_snapshot_id.filter(|id| !id.is_empty());
    let first: Option<SnapshotId> = first.map(|id| tag::id(Noun::Snapshot, &id)).transpose()?;
    let most = asked.part.max_results.unwrap_or(LISTED_MAX);
    let (row, found, more) = cx.cloud.block_list(&cx.caller, (first, second), asked.part.from()?, most).await?;
    let next = found.last().filter(|_| more).map(|last| format!("from-{}", last.index.saturating_add(1)));
    let changed_blocks = found.iter().map(|block| ChangedBlock {
        block_index: block.index,
        first_block_token: first.filter(|_| block.in_first).map(|first| token(first, block.index)),
        second_block_token: block.in_second.then(|| token(second, block.index)),
    });
    let changed_blocks = changed_blocks.collect();
    Ok(Changed { changed_blocks, expiry_time: expiry(&cx), volume_size: row.size.0, block_size: BLOCK_BYTES, next_token: next })
}

fn expiry(cx: &Cx) -> Timestamp {
    let now = cx.cloud.clock().now().timestamp();
    now.checked_add(TOKENS_LAST).unwrap_or(now)
}

/// The token of a block: it is no secret, and the same each time.
fn token(snapshot: SnapshotId, index: u32) -> String {
    STANDARD.encode(&Sha256::digest(format!("block {index} of {snapshot}"))[..24])
}
