//! Flow logs, from what hosts tell to what is read: once however often it is told, to the owner alone, for as long as it is to be kept.

use control::{
    Caller, CreateFlowLogs, DeleteFlowLogs, DeleteLogGroup, DisableFlowLogs, EnableFlowLogs, Field, Filter, LogPage, LogQuestion,
    ModifyFlowLog, Options, Query, SetLogRetention,
};
use hostspec::FlowReport;
use model::{
    Direction, Error, FlowBatch, FlowFormat, FlowLog, FlowLogId, FlowLogResource, FlowRecord, FlowRefusal, FlowTraffic, HostId, LogPattern,
    Millis, Noun, Tags,
};

use crate::security_groups::{document, networked};
use crate::world::{START, World, launch};

const DAY: i64 = 24 * 3_600_000;

fn create(resource: FlowLogResource, traffic: FlowTraffic, group: &str) -> CreateFlowLogs {
    CreateFlowLogs {
        resources: vec![resource],
        within: None,
        name: String::new(),
        description: String::new(),
        traffic,
        group: group.to_owned(),
        format: FlowFormat::default(),
        interval_seconds: 60,
        delivery_role: None,
        tags: Tags::new(),
    }
}

fn record(port: u16, refused: Option<FlowRefusal>) -> FlowRecord {
    FlowRecord {
        source: "10.0.0.5".parse().unwrap(),
        destination: "10.0.0.6".parse().unwrap(),
        protocol: 6,
        source_port: 40_000,
        destination_port: port,
        packets: 2,
        bytes: 120,
        direction: Direction::Ingress,
        refused,
    }
}

fn all_of(group: &str) -> LogQuestion {
    LogQuestion {
        group: group.to_owned(),
        streams: vec![],
        stream_prefix: None,
        from: Millis(0),
        until: Millis(i64::MAX - 1),
        pattern: LogPattern::parse("").unwrap(),
        behind: None,
        is_backwards: false,
        size: 10_000,
    }
}

async fn read(world: &World, caller: &Caller, group: &str) -> Vec<String> {
    let LogPage { events, next } = world.cloud.log_events(caller, all_of(group)).await.unwrap();
    assert_eq!(next, None);
    events.into_iter().map(|event| event.message).collect()
}

/// A launched instance's interface as a batch of this time tells of it.
async fn scene(world: &mut World) -> (FlowBatch, FlowLogResource, HostId) {
    let root = world.root().await;
    let launched = world.cloud.run(&root, launch(world.image, 1, 1), Options::default()).await.unwrap();
    world.settle().await;
    let view = world.cloud.instance_view(&root, launched.instances[0]).await.unwrap();
    let nic = &view.interfaces[0].interface;
    let from = START.after(60_000);
    let batch = FlowBatch {
        interface: nic.id,
        subnet: nic.subnet,
        instance: view.instance.id,
        from,
        to: from.after(34_360),
        skipped: false,
        records: vec![record(22, None), record(23, Some(FlowRefusal::SecurityGroup))],
    };
    (batch, FlowLogResource::Vpc(nic.vpc), view.instance.host)
}

#[tokio::test]
async fn what_a_host_tells_is_written_once_for_each_flow_log_that_wants_it() {
    let mut world = World::new(2, 1).await;
    let (batch, vpc, home) = scene(&mut world).await;
    let root = world.root().await;
    world.cloud.run(&root, create(vpc, FlowTraffic::All, "all"), Options::default()).await.unwrap();
    let drops = create(FlowLogResource::Interface(batch.interface), FlowTraffic::Reject, "drops");
    let drops = world.cloud.run(&root, drops, Options::default()).await.unwrap();
    let away = *world.ids.iter().find(|id| **id != home).unwrap();
    let report = |number, batch: &FlowBatch| FlowReport { number, batches: vec![batch.clone()] };
    for _ in 0..3 {
        world.cloud.take_flows(home, report(7, &batch)).await.unwrap();
    }
    // What another host says of it is not believed.
    world.cloud.take_flows(away, report(8, &batch)).await.unwrap();
    let all = read(&world, &root, "all").await;
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all[0].ends_with("22 6 2 120 1800000060 1800000094 ACCEPT OK"), "{all:?}");
    let dropped = read(&world, &root, "drops").await;
    assert!(dropped.len() == 1 && dropped[0].contains(" 23 6 ") && dropped[0].ends_with("REJECT OK"), "{dropped:?}");
    // Without the log nothing more is written, and what was written stays.
    world.cloud.run(&root, DeleteFlowLogs { ids: drops, within: None }, Options::default()).await.unwrap();
    world.cloud.take_flows(home, report(9, &FlowBatch { records: vec![], ..batch.clone() })).await.unwrap();
    assert_eq!(read(&world, &root, "drops").await.len(), 1);
    let all = read(&world, &root, "all").await;
    assert!(all.len() == 3 && all.iter().any(|line| line.ends_with("- NODATA")), "{all:?}");
}

#[tokio::test]
async fn logs_are_their_owners_and_stay_as_long_as_they_are_to() {
    let mut world = World::new(1, 1).await;
    let (mut batch, vpc, _) = scene(&mut world).await;
    let root = world.root().await;
    let made = world.cloud.run(&root, create(vpc, FlowTraffic::All, "mine"), Options::default()).await.unwrap();
    for day in 0..3 {
        batch.from = START.after(60_000 + day * DAY);
        batch.to = batch.from.after(34_360);
        let report = FlowReport { number: day.unsigned_abs(), batches: vec![batch.clone()] };
        world.cloud.take_flows(world.ids[0], report).await.unwrap();
    }
    assert_eq!(read(&world, &root, "mine").await.len(), 6);
    let other = world.cloud.account_create("other").await.unwrap();
    let stranger = world.caller(&other.id).await;
    assert!(matches!(world.cloud.log_events(&stranger, all_of("mine")).await, Err(Error::NotFound { noun: Noun::LogGroup, .. })));
    assert!(world.cloud.log_groups(&stranger).await.unwrap().is_empty());
    let stolen = world.cloud.run(&stranger, DeleteFlowLogs { ids: made.clone(), within: None }, Options::default()).await;
    assert!(matches!(stolen, Err(Error::NotFound { noun: Noun::FlowLog, .. })), "{stolen:?}");
    let foreign = world.cloud.run(&stranger, create(vpc, FlowTraffic::All, "mine"), Options::default()).await;
    assert!(matches!(foreign, Err(Error::NotFound { noun: Noun::Vpc, .. })), "{foreign:?}");
    // Days that are over.
    let keep = |days| SetLogRetention { group: "mine".to_owned(), days };
    assert!(world.cloud.run(&root, keep(Some(2)), Options::default()).await.is_err());
    world.cloud.run(&root, keep(Some(1)), Options::default()).await.unwrap();
    world.clock.set(START.after(2 * DAY + 120_000));
    world.cloud.log_forget_old().await.unwrap();
    assert_eq!(read(&world, &root, "mine").await.len(), 2, "those of the last day");
    // Room: the oldest give way.
    world.cloud.log_make_room(world.account, 10).await.unwrap();
    assert!(read(&world, &root, "mine").await.is_empty());
    world.cloud.run(&root, DeleteLogGroup { group: "mine".to_owned() }, Options::default()).await.unwrap();
    assert!(world.cloud.log_groups(&root).await.unwrap().is_empty());
    assert_eq!(world.cloud.list::<FlowLog>(&root, Query::default()).await.unwrap().rows[0].id, made[0]);
}

#[tokio::test]
async fn a_log_that_is_turned_off_tells_no_host_and_writes_nothing_until_it_is_on_again() {
    let (mut world, _) = networked().await;
    let (mut batch, vpc, home) = scene(&mut world).await;
    let root = world.root().await;
    let ids = world.cloud.run(&root, create(vpc, FlowTraffic::All, "g"), Options::default()).await.unwrap();
    let subnet = create(FlowLogResource::Subnet(batch.subnet), FlowTraffic::Reject, "other");
    world.cloud.run(&root, subnet, Options::default()).await.unwrap();
    let told = async |world: &World| {
        let document = document(world, home).await;
        let [network] = &document.networks[..] else { panic!("one VPC has members") };
        assert_eq!(FlowLogResource::Vpc(network.id), vpc);
        network.logged.iter().map(|nic| (nic.nic, nic.accepted, nic.refused)).collect::<Vec<_>>()
    };
    assert_eq!(told(&world).await, [(batch.interface, true, true)]);
    world.cloud.run(&root, DisableFlowLogs { ids: ids.clone() }, Options::default()).await.unwrap();
    assert_eq!(told(&world).await, [(batch.interface, false, true)], "the subnet's goes on");
    let report = |number, batch: &FlowBatch| FlowReport { number, batches: vec![batch.clone()] };
    world.cloud.take_flows(home, report(1, &batch)).await.unwrap();
    assert_eq!((read(&world, &root, "g").await.len(), read(&world, &root, "other").await.len()), (0, 1));
    world.clock.set(batch.to);
    for _ in 0..2 {
        world.cloud.run(&root, EnableFlowLogs { ids: ids.clone() }, Options::default()).await.unwrap();
        world.clock.set(batch.to.after(1_000));
    }
    assert_eq!(told(&world).await, [(batch.interface, true, true)]);
    world.cloud.take_flows(home, report(2, &batch)).await.unwrap();
    assert!(read(&world, &root, "g").await.is_empty(), "the span was over when it was turned on");
    (batch.from, batch.to) = (batch.to, batch.to.after(500));
    world.cloud.take_flows(home, report(3, &batch)).await.unwrap();
    assert_eq!(read(&world, &root, "g").await.len(), 2, "to turn it on twice changes nothing");
    let other = world.cloud.account_create("other").await.unwrap();
    let stranger = world.caller(&other.id).await;
    for refused in [
        world.cloud.run(&stranger, EnableFlowLogs { ids: ids.clone() }, Options::default()).await,
        world.cloud.run(&stranger, DisableFlowLogs { ids: ids.clone() }, Options::default()).await,
        world.cloud.run(&stranger, rename(ids[0], "theirs"), Options::default()).await,
    ] {
        assert!(matches!(refused, Err(Error::NotFound { noun: Noun::FlowLog, .. })), "{refused:?}");
    }
    world.cloud.run(&root, rename(ids[0], "mine"), Options::default()).await.unwrap();
    let wrong = ModifyFlowLog { interval_seconds: Some(61), ..rename(ids[0], "wrong") };
    assert!(matches!(world.cloud.run(&root, wrong, Options::default()).await, Err(Error::InvalidParameter { .. })));
    let filters = vec![Filter { field: Field::Name, values: vec!["mine".to_owned()] }];
    assert_eq!(world.cloud.list::<FlowLog>(&root, Query { filters, ..Query::default() }).await.unwrap().rows[0].id, ids[0]);
}

fn rename(log: FlowLogId, name: &str) -> ModifyFlowLog {
    ModifyFlowLog { log, within: None, name: Some(name.to_owned()), description: None, interval_seconds: None }
}

#[tokio::test]
async fn pages_meet_and_do_not_overlap_in_both_directions() {
    let mut world = World::new(1, 1).await;
    let (mut batch, vpc, _) = scene(&mut world).await;
    let root = world.root().await;
    world.cloud.run(&root, create(vpc, FlowTraffic::All, "g"), Options::default()).await.unwrap();
    for number in 0..5 {
        batch.from = START.after(60_000 + number / 2 * 34_360);
        batch.to = batch.from.after(34_360);
        batch.records = (0..3).map(|port| record(port, None)).collect();
        let report = FlowReport { number: number.unsigned_abs(), batches: vec![batch.clone()] };
        world.cloud.take_flows(world.ids[0], report).await.unwrap();
    }
    let whole = world.cloud.log_events(&root, all_of("g")).await.unwrap().events;
    assert_eq!(whole.len(), 15);
    assert!(whole.is_sorted_by_key(|event| event.at));
    for is_backwards in [false, true] {
        for size in [1, 2, 4, 7] {
            let mut question = LogQuestion { size, is_backwards, ..all_of("g") };
            let mut found = Vec::new();
            loop {
                let page = world.cloud.log_events(&root, question.clone()).await.unwrap();
                assert!(page.events.len() <= size);
                found.extend(page.events);
                question.behind = page.next;
                if page.next.is_none() {
                    break;
                }
            }
            if is_backwards {
                found.reverse();
            }
            assert_eq!(found, whole, "{is_backwards} {size}");
        }
    }
    let stream = format!("{}-all", batch.interface);
    let narrow = LogQuestion {
        streams: vec![stream.clone()],
        from: START.after(60_000 + 34_360),
        until: START.after(60_000 + 34_360),
        pattern: LogPattern::parse("[..., dport = 1, proto, packets, bytes, start, end, action, status]").unwrap(),
        ..all_of("g")
    };
    assert_eq!(world.cloud.log_events(&root, narrow).await.unwrap().events.len(), 2);
    let absent = LogQuestion { streams: vec!["none".to_owned()], ..all_of("g") };
    assert!(matches!(world.cloud.log_events(&root, absent).await, Err(Error::NotFound { noun: Noun::LogStream, .. })));
    let streams = world.cloud.log_streams(&root, "g".to_owned()).await.unwrap();
    assert_eq!(streams.iter().map(|stream| stream.name.as_str()).collect::<Vec<_>>(), [stream.as_str()]);
}

#[tokio::test]
async fn a_thing_has_two_flow_logs_and_no_two_alike() {
    let mut world = World::new(1, 1).await;
    let (batch, vpc, _) = scene(&mut world).await;
    let root = world.root().await;
    let make = |group: &str| world.cloud.run(&root, create(vpc, FlowTraffic::All, group), Options::default());
    make("a").await.unwrap();
    assert!(matches!(make("a").await, Err(Error::Duplicate { noun: Noun::FlowLog, .. })));
    make("b").await.unwrap();
    assert!(matches!(make("c").await, Err(Error::LimitReached { name: "FlowLog", limit: 2, .. })));
    assert!(matches!(make("no colon: please").await, Err(Error::InvalidParameter { name: "LogGroupName", .. })));
    let of_subnet = create(FlowLogResource::Subnet(batch.subnet), FlowTraffic::All, "a");
    world.cloud.run(&root, of_subnet, Options::default()).await.unwrap();
}
