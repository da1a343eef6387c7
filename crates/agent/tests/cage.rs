//! What a caged QEMU can and cannot do, read from the kernel, and what the doctor finds.

mod common;

use common::*;
use hostspec::VmState;
use pileus_agent::doctor::{self, Orphan};
use pileus_agent::net;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

fn status(pid: i32) -> HashMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    text.lines().filter_map(|l| l.split_once(':')).map(|(k, v)| (k.to_owned(), v.trim().to_owned())).collect()
}

fn names(path: PathBuf) -> Vec<String> {
    let mut out: Vec<String> = fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    out.sort();
    out
}

#[tokio::test]
async fn a_caged_machine_has_an_own_user_no_capabilities_no_network_and_no_files() {
    let mut cloud = Cloud::new().await;
    let (first, second) = (cloud.launch(1, Guest::Stubborn).await, cloud.launch(2, Guest::Stubborn).await);
    let (one, two) = (status(cloud.pid(first)), status(cloud.pid(second)));
    let uid: u32 = one["Uid"].split_whitespace().next().unwrap().parse().unwrap();
    assert!(uid >= 700_000, "{uid}");
    assert_eq!(one["Uid"], format!("{uid}\t{uid}\t{uid}\t{uid}"));
    assert_eq!(one["Gid"], one["Uid"]);
    assert_ne!(one["Uid"], two["Uid"]);
    assert_eq!(one["Groups"], "");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(one[set], "0000000000000000", "{set}");
    }
    assert_eq!((one["NoNewPrivs"].as_str(), one["Seccomp"].as_str()), ("1", "2"));
    assert_eq!(one["NSpid"].split_whitespace().last(), Some("1"));
    let proc = |file: &str| PathBuf::from(format!("/proc/{}/{file}", cloud.pid(first)));
    for space in ["mnt", "pid", "net", "ipc", "uts"] {
        let other = fs::read_link(format!("/proc/{}/ns/{space}", cloud.pid(second))).unwrap();
        let theirs = fs::read_link(proc(&format!("ns/{space}"))).unwrap();
        assert_ne!(theirs, fs::read_link(format!("/proc/self/ns/{space}")).unwrap(), "{space}");
        assert_ne!(theirs, other, "{space}");
    }
    let devices = fs::read_to_string(proc("net/dev")).unwrap();
    assert_eq!(devices.lines().skip(2).filter(|l| !l.trim().starts_with("lo:")).count(), 0, "{devices}");
    let root = names(proc("root"));
    assert!(root.iter().all(|n| ["dev", "etc", "images", "lib", "lib64", "usr"].contains(&n.as_str())), "{root:?}");
    assert_eq!(names(proc("root/etc")), ["ld.so.cache"]);
    assert_eq!(names(proc("root/dev")), ["null", "urandom", "zero"]);
    let mounts = fs::read_to_string(proc("mounts")).unwrap();
    assert!(mounts.lines().all(|line| line.split(' ').nth(3).unwrap().split(',').any(|o| o == "ro")), "{mounts}");
    assert!(!mounts.contains(&*cloud.config.repository.to_string_lossy()), "{mounts}");
    let limits = fs::read_to_string(proc("limits")).unwrap();
    assert!(limits.lines().any(|l| l.starts_with("Max core file size") && l.contains(" 0 ")), "{limits}");
    cloud.finish().await;
}

#[tokio::test]
async fn a_caged_machine_is_bounded_by_its_control_groups() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Stubborn).await;
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", cloud.pid(id))).unwrap();
    let ours = format!("pileus-{}/{id}", cloud.agent().cloud());
    let bounded = groups.lines().filter(|l| l.ends_with(&ours)).count();
    assert!(bounded == 3 || groups.lines().count() == 1 && bounded == 1, "{groups}");
    cloud.finish().await;
}

#[tokio::test]
async fn the_doctor_finds_what_no_document_knows_and_repairs_it() {
    let mut cloud = Cloud::new().await;
    let (kept, lost) = (cloud.launch(1, Guest::Stubborn).await, cloud.launch(2, Guest::Stubborn).await);
    assert_eq!(doctor::find(&cloud.config).unwrap(), []);
    cloud.agent.take().unwrap().shutdown().await;
    // A document from before the second machine: its process, folder, groups and volume belong to nobody now.
    cloud.spec.vms.truncate(1);
    cloud.spec.volumes.truncate(1);
    fs::write(cloud.config.state.join("spec.json"), serde_json::to_vec(&cloud.spec).unwrap()).unwrap();
    let pid = cloud.pid(lost);
    let found = doctor::find(&cloud.config).unwrap();
    assert!(found.contains(&Orphan::Process { pid, instance: lost }), "{found:?}");
    assert!(found.contains(&Orphan::Folder { instance: lost }) && found.contains(&Orphan::Groups { instance: lost }), "{found:?}");
    assert!(found.iter().any(|o| matches!(o, Orphan::Volume { .. })), "{found:?}");
    assert_eq!(found.len(), 4, "{found:?}");
    for orphan in &found {
        doctor::repair(&cloud.config, orphan).unwrap();
    }
    let left = doctor::find(&cloud.config).unwrap();
    assert!(matches!(left[..], [Orphan::Volume { .. }]), "{left:?}");
    cloud.start_agent().await;
    let report = cloud.until_state(kept, VmState::Running, 1).await;
    assert_eq!(report.vms.len(), 1);
    cloud.finish().await;
}

#[tokio::test]
async fn the_doctor_beside_an_agent_clears_the_network_and_touches_nothing_that_is_wanted() {
    let mut cloud = Cloud::new().await;
    let id = cloud.add(1, Guest::Stubborn);
    cloud.plug(id);
    cloud.send();
    cloud.until_state(id, VmState::Running, 1).await;
    assert_eq!(cloud.agent().orphans().await.unwrap(), []);
    let prefix = cloud.config.network.cloud.clone();
    let wanted = format!("{prefix}-{}", model::VpcId::from_u64(1));
    let stray = format!("{prefix}-{}", model::VpcId::from_u64(99));
    for line in [
        format!("ip netns add {stray}"),
        format!("ip -n {wanted} tuntap add tzz mode tap"),
        format!("ip link add {prefix}-0000ff type veth peer name {prefix}-0000fe"),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(std::process::Command::new(words[0]).args(&words[1..]).status().unwrap().success(), "{line}");
    }
    let found = cloud.agent().orphans().await.unwrap();
    assert_eq!(
        found,
        [
            Orphan::Network(net::Orphan::Namespace(stray)),
            Orphan::Network(net::Orphan::Link(format!("{prefix}-0000fe"))),
            Orphan::Network(net::Orphan::Link(format!("{prefix}-0000ff"))),
            Orphan::Network(net::Orphan::Tap { namespace: wanted, tap: "tzz".to_owned() }),
        ]
    );
    assert_eq!(cloud.agent().remove_orphans(found).await.unwrap(), []);
    assert_eq!(cloud.agent().orphans().await.unwrap(), []);
    assert_eq!(cloud.agent().running(), [id]);
    cloud.finish().await;
}

#[tokio::test]
async fn two_agents_do_not_share_a_state_folder() {
    let cloud = Cloud::new().await;
    let (_documents, receiver) = tokio::sync::watch::channel(std::sync::Arc::new(cloud.spec.clone()));
    let (sender, _reports) = tokio::sync::mpsc::channel(1);
    let refused = pileus_agent::Agent::start(cloud.config.clone(), receiver, sender).await;
    assert!(matches!(refused, Err(pileus_agent::AgentError::Running(_))));
    cloud.finish().await;
}

#[tokio::test]
async fn a_cloud_without_an_agent_is_purged_too() {
    let mut cloud = Cloud::new().await;
    cloud.launch(1, Guest::Stubborn).await;
    cloud.agent.take().unwrap().shutdown().await;
    assert_ne!(cloud.left(), Vec::<String>::new());
    pileus_agent::Agent::purge_of(cloud.config.clone()).await.unwrap();
    assert_eq!(cloud.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_purge_that_meets_a_starting_image_server_leaves_none() {
    for _ in 0..3 {
        let mut cloud = Cloud::new().await;
        cloud.launch(1, Guest::Stubborn).await;
        cloud.agent.take().unwrap().shutdown().await;
        // With its server gone, the agent that purges begins by starting another.
        let server = processes_of(cloud.folder.path()).into_iter().find(|line| line.contains("image-server"));
        let pid = server.as_deref().and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("a server runs");
        signal(pid, "KILL");
        pileus_agent::Agent::purge_of(cloud.config.clone()).await.unwrap();
        assert_eq!(cloud.left(), Vec::<String>::new());
    }
}
