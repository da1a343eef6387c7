//! The monitor client against a monitor that misbehaves as real ones do.

use super::*;
use std::path::PathBuf;
use tokio::net::UnixListener;

const LIMIT: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(50);

struct Monitor {
    _folder: tempfile::TempDir,
    path: PathBuf,
    listener: UnixListener,
}

impl Monitor {
    fn new() -> Monitor {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("qmp");
        let listener = UnixListener::bind(&path).unwrap();
        Monitor { _folder: folder, path, listener }
    }

    async fn accept(&self) -> (tokio::io::Lines<BufReader<OwnedReadHalf>>, OwnedWriteHalf) {
        let (read, write) = self.listener.accept().await.unwrap().0.into_split();
        (BufReader::new(read).lines(), write)
    }

    /// Accepts, sends events around the greeting, and answers the negotiation.
    async fn greet(&self) -> (tokio::io::Lines<BufReader<OwnedReadHalf>>, OwnedWriteHalf) {
        let (mut lines, mut write) = self.accept().await;
        write
            .write_all(
                b"{\"event\":\"RESUME\",\"data\":{}}\n{\"QMP\":{\"version\":{},\"capabilities\":[]}}\n{\"event\":\"NEVER_HEARD_OF\"}\n",
            )
            .await
            .unwrap();
        let id = id_of(&lines.next_line().await.unwrap().unwrap());
        write.write_all(format!("{{\"return\":{{}},\"id\":{id}}}\n").as_bytes()).await.unwrap();
        (lines, write)
    }
}

fn id_of(line: &str) -> u64 {
    serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().unwrap()
}

const STATUS: &str = "{\"status\":\"running\",\"running\":true,\"singlestep\":false}";

#[tokio::test]
async fn events_before_the_first_answer_and_unknown_events_are_kept() {
    let monitor = Monitor::new();
    let (server, client) = tokio::join!(monitor.greet(), Qmp::connect(&monitor.path, LIMIT));
    let (_qmp, mut events) = client.unwrap();
    assert_eq!(events.recv().await.unwrap().name, "RESUME");
    assert_eq!(events.recv().await.unwrap().name, "NEVER_HEARD_OF");
    drop(server);
    assert_eq!(events.recv().await, None);
}

#[tokio::test]
async fn a_late_answer_does_not_reach_the_next_caller() {
    let monitor = Monitor::new();
    let ((mut lines, mut write), client) = tokio::join!(monitor.greet(), Qmp::connect(&monitor.path, LIMIT));
    let (qmp, _events) = client.unwrap();
    assert!(matches!(qmp.execute(qapi_qmp::query_status {}, SHORT).await, Err(QmpError::Timeout(_))));
    let late = id_of(&lines.next_line().await.unwrap().unwrap());
    let answer = async {
        let id = id_of(&lines.next_line().await.unwrap().unwrap());
        let text = format!("{{\"return\":{{\"garbage\":1}},\"id\":{late}}}\nnot json\n{{\"return\":{STATUS},\"id\":{id}}}\n");
        write.write_all(text.as_bytes()).await.unwrap();
    };
    let (status, ()) = tokio::join!(qmp.execute(qapi_qmp::query_status {}, LIMIT), answer);
    assert!(status.unwrap().running);
}

#[tokio::test]
async fn a_refusal_has_words_and_a_closed_monitor_is_told_at_once() {
    let monitor = Monitor::new();
    let ((mut lines, mut write), client) = tokio::join!(monitor.greet(), Qmp::connect(&monitor.path, LIMIT));
    let (qmp, _events) = client.unwrap();
    let refuse = async {
        let id = id_of(&lines.next_line().await.unwrap().unwrap());
        let text = format!("{{\"error\":{{\"class\":\"GenericError\",\"desc\":\"no\"}},\"id\":{id}}}\n");
        write.write_all(text.as_bytes()).await.unwrap();
    };
    let (result, ()) = tokio::join!(qmp.execute(qapi_qmp::cont {}, LIMIT), refuse);
    assert!(matches!(result, Err(QmpError::Refused { description, .. }) if description == "no"));
    let hang_up = async { drop((lines.next_line().await, lines, write)) };
    let (result, ()) = tokio::join!(qmp.execute(qapi_qmp::cont {}, LIMIT), hang_up);
    assert!(matches!(result, Err(QmpError::Closed)));
    assert!(matches!(qmp.execute(qapi_qmp::cont {}, LIMIT).await, Err(QmpError::Closed)));
}

#[tokio::test]
async fn a_monitor_that_says_nothing_is_given_up_in_time() {
    let monitor = Monitor::new();
    assert!(matches!(Qmp::connect(&monitor.path, SHORT).await, Err(QmpError::Timeout(_))));
}

#[tokio::test]
async fn dropping_the_client_closes_the_socket() {
    let monitor = Monitor::new();
    let ((mut lines, _write), client) = tokio::join!(monitor.greet(), Qmp::connect(&monitor.path, LIMIT));
    drop(client.unwrap());
    assert_eq!(timeout(LIMIT, lines.next_line()).await.unwrap().unwrap(), None);
}
