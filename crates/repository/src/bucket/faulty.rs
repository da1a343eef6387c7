//! A store that fails as told: for tests.

use async_trait::async_trait;
use futures_util::stream::{BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is done.
    None,
    /// The connection ends before it is done.
    Lost,
    /// It is done, and the connection ends before the answer.
    Unanswered,
    /// The object comes with a bit flipped.
    Flipped,
    /// Half of the object comes.
    Torn,
    /// It takes a while.
    Slow,
}

type Plan = Box<dyn FnMut(u64, &str, &Path) -> Fault + Send>;

/// Objects in memory, and what goes wrong with them.
#[derive(Clone)]
pub(super) struct Faulty {
    pub(super) inside: Arc<InMemory>,
    plan: Arc<Mutex<Plan>>,
    /// Requests so far.
    pub(super) requests: Arc<AtomicU64>,
}

impl Faulty {
    /// Asks the plan about each request: its number, `put`, `get`, `list` or `delete`, and the name.
    pub(super) fn new(plan: impl FnMut(u64, &str, &Path) -> Fault + Send + 'static) -> Faulty {
        Faulty { inside: Arc::default(), plan: Arc::new(Mutex::new(Box::new(plan))), requests: Arc::default() }
    }

    pub(super) fn replan(&self, plan: impl FnMut(u64, &str, &Path) -> Fault + Send + 'static) {
        self.requests.store(0, Ordering::SeqCst);
        *self.plan.lock().unwrap() = Box::new(plan);
    }

    fn fate(&self, what: &str, path: &Path) -> Fault {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        (self.plan.lock().unwrap())(number, what, path)
    }
}

fn lost() -> Error {
    Error::Generic { store: "faulty", source: "the connection ended".into() }
}

impl std::fmt::Display for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Faulty")
    }
}

impl std::fmt::Debug for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fate = self.fate("put", location);
        match fate {
            Fault::Lost | Fault::Torn => return Err(lost()),
            Fault::Slow => tokio::time::sleep(Duration::from_millis(50)).await,
            Fault::None | Fault::Unanswered | Fault::Flipped => {}
        }
        let put = self.inside.put_opts(location, payload, options).await;
        if fate == Fault::Unanswered { Err(lost()) } else { put }
    }

    async fn put_multipart_opts(&self, location: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inside.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let fate = self.fate("get", location);
        match fate {
            Fault::Lost | Fault::Unanswered => return Err(lost()),
            Fault::Slow => tokio::time::sleep(Duration::from_millis(50)).await,
            Fault::None | Fault::Flipped | Fault::Torn => {}
        }
        let found = self.inside.get_opts(location, options).await?;
        if !matches!(fate, Fault::Flipped | Fault::Torn) {
            return Ok(found);
        }
        let (meta, range, attributes, extensions) =
            (found.meta.clone(), found.range.clone(), found.attributes.clone(), found.extensions.clone());
        let mut bytes = found.bytes().await?.to_vec();
        match fate {
            Fault::Flipped => *bytes.last_mut().unwrap() ^= 1,
            _ => bytes.truncate(bytes.len() / 2),
        }
        let payload = GetResultPayload::Stream(futures_util::stream::once(async move { Ok(bytes.into()) }).boxed());
        Ok(GetResult { payload, meta, range, attributes, extensions })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |location: Result<Path>| {
            let store = store.clone();
            async move {
                let location = location?;
                match store.fate("delete", &location) {
                    Fault::Lost => return Err(lost()),
                    Fault::Unanswered => {
                        store.inside.delete(&location).await?;
                        return Err(lost());
                    }
                    Fault::None | Fault::Flipped | Fault::Torn | Fault::Slow => {}
                }
                store.inside.delete(&location).await.map(|()| location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = self.inside.list(prefix);
        match self.fate("list", prefix.unwrap_or(&Path::default())) {
            // Half of what there is, and then the end without a word of it.
            Fault::Torn => {
                let every_second = listed.enumerate().filter_map(|(at, one)| async move { (at % 2 == 0).then_some(one) });
                every_second.boxed()
            }
            Fault::Lost | Fault::Unanswered => listed.take(1).chain(futures_util::stream::once(async { Err(lost()) })).boxed(),
            Fault::None | Fault::Flipped | Fault::Slow => listed,
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inside.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inside.copy_opts(from, to, options).await
    }
}
