//! Network paths and their analyses. An analysis is done when the call returns: it asks rows, not hosts.

use model::{
    AccountId, Error, NetworkPath, NetworkPathId, Noun, PathAnalysis, PathAnalysisId, PathEnd, Question, QuotaName, Tags, add_tags,
};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::describe::{Field, Listing, tag_values};
use crate::network::DEPENDENTS_NAMED;
use crate::reachability::{View, judge};
use crate::run::{Command, Cx};

/// Keeps a question.
#[derive(Debug, Clone, Serialize)]
pub struct CreateNetworkPath {
    /// The question.
    pub question: Question,
    /// Tags.
    pub tags: Tags,
}

/// Forgets a question of which no analysis is left.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteNetworkPath {
    /// Which one.
    pub path: NetworkPathId,
}

/// Answers a question, and keeps the answer.
#[derive(Debug, Clone, Serialize)]
pub struct AnalyzeNetworkPath {
    /// Which one.
    pub path: NetworkPathId,
    /// Tags of the answer.
    pub tags: Tags,
}

/// Forgets an answer.
#[derive(Debug, Clone, Serialize)]
pub struct DeletePathAnalysis {
    /// Which one.
    pub analysis: PathAnalysisId,
}

impl Command for CreateNetworkPath {
    type Reply = NetworkPath;
    const NAME: &'static str = "CreateNetworkPath";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target { path: Some("network-insights-path/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() }])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<NetworkPath, Failure> {
        let account = cx.caller.account();
        let limit = tx.quota_limit(account, QuotaName::NetworkPaths)?;
        QuotaName::NetworkPaths.check(limit, tx.network_path_count(account, limit)?, 1)?;
        // A question about what is not there is refused now, not when it is asked.
        judge(tx, View::of(cx), &self.question, &[])?;
        let id = NetworkPathId::from_u64(cx.new_id());
        let mut path = NetworkPath { id, account, question: self.question.clone(), created_at: cx.now, tags: Tags::new() };
        add_tags(&mut path.tags, &self.tags)?;
        tx.insert(&path)?;
        Ok(path)
    }
}

impl Command for DeleteNetworkPath {
    type Reply = ();
    const NAME: &'static str = "DeleteNetworkPath";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.path)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let path = path_of(tx, cx.caller.account(), self.path)?;
        let analyses = tx.path_analysis_list_of_path(path.id, DEPENDENTS_NAMED as u32)?;
        if !analyses.is_empty() {
            let by = analyses.iter().map(|analysis| analysis.id.to_string()).collect();
            return Err(Error::InUse { noun: Noun::NetworkPath, id: path.id.to_string(), by }.into());
        }
        tx.delete::<NetworkPath>(path.id)?;
        Ok(())
    }
}

impl Command for AnalyzeNetworkPath {
    type Reply = PathAnalysis;
    const NAME: &'static str = "AnalyzeNetworkPath";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = target(tx, cx, self.path)?;
        let new = Target { path: Some("network-insights-analysis/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() };
        targets.push(new);
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<PathAnalysis, Failure> {
        let account = cx.caller.account();
        let path = path_of(tx, account, self.path)?;
        let limit = tx.quota_limit(account, QuotaName::PathAnalyses)?;
        QuotaName::PathAnalyses.check(limit, tx.path_analysis_count(account, limit)?, 1)?;
        let way = judge(tx, View::of(cx), &path.question, &[])?;
        let id = PathAnalysisId::from_u64(cx.new_id());
        let mut analysis = PathAnalysis { id, account, path: path.id, way, created_at: cx.now, tags: Tags::new() };
        add_tags(&mut analysis.tags, &self.tags)?;
        tx.insert(&analysis)?;
        Ok(analysis)
    }
}

impl Command for DeletePathAnalysis {
    type Reply = ();
    const NAME: &'static str = "DeletePathAnalysis";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let row = tx.get::<PathAnalysis>(self.analysis)?.filter(|row| row.account == cx.caller.account());
        Ok(vec![Target::of("network-insights-analysis", self.analysis, &row.map(|row| row.tags).unwrap_or_default())])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let found = tx.get::<PathAnalysis>(self.analysis)?.filter(|row| row.account == cx.caller.account());
        found.ok_or_else(|| Error::not_found(Noun::PathAnalysis, self.analysis))?;
        tx.delete::<PathAnalysis>(self.analysis)?;
        Ok(())
    }
}

fn path_of(tx: &Tx<'_>, account: AccountId, id: NetworkPathId) -> Result<NetworkPath, Failure> {
    let path = tx.get::<NetworkPath>(id)?.filter(|path| path.account == account);
    Ok(path.ok_or_else(|| Error::not_found(Noun::NetworkPath, id))?)
}

fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: NetworkPathId) -> Result<Vec<Target>, Failure> {
    let row = tx.get::<NetworkPath>(id)?.filter(|row| row.account == cx.caller.account());
    Ok(vec![Target::of("network-insights-path", id, &row.map(|row| row.tags).unwrap_or_default())])
}

/// The id of an end, as a filter sees it.
fn end_text(end: PathEnd) -> String {
    match end {
        PathEnd::Instance(id) => id.to_string(),
        PathEnd::Interface(id) => id.to_string(),
        PathEnd::Gateway(id) => id.to_string(),
    }
}

impl Listing for NetworkPath {
    type Id = NetworkPathId;
    const NOUN: Noun = Noun::NetworkPath;

    fn id(&self) -> NetworkPathId {
        self.id
    }

    fn id_value(id: NetworkPathId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<NetworkPath>, Failure> {
        Ok(tx.network_path_list(account)?)
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match field {
            Field::Id => vec![self.id.to_string()],
            Field::Owner => vec![self.account.to_string()],
            Field::Source => vec![end_text(self.question.from)],
            Field::Destination => self.question.to.map(end_text).into_iter().collect(),
            Field::Port => self.question.port.iter().map(ToString::to_string).collect(),
            _ => tag_values(&self.tags, field),
        }
    }
}

impl Listing for PathAnalysis {
    type Id = PathAnalysisId;
    const NOUN: Noun = Noun::PathAnalysis;

    fn id(&self) -> PathAnalysisId {
        self.id
    }

    fn id_value(id: PathAnalysisId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<PathAnalysis>, Failure> {
        Ok(tx.path_analysis_list(account)?)
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match field {
            Field::Id => vec![self.id.to_string()],
            Field::Owner => vec![self.account.to_string()],
            Field::Path => vec![self.path.to_string()],
            Field::IsReached => vec![self.way.obstacle.is_none().to_string()],
            _ => tag_values(&self.tags, field),
        }
    }
}
