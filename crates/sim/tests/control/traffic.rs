//! What public addresses carried, from hosts' reports to those who ask.

use std::net::Ipv4Addr;
use std::sync::Arc;

use control::{AddressRef, AllocateAddress, Options, TRAFFIC_PERIODS_MAX, TrafficQuestion};
use hostspec::{AddressTraffic, HostSpec, TrafficReport};
use model::{Error, Millis, Traffic};

use crate::world::World;

const MINUTE: i64 = 60_000;

fn counted(public: Ipv4Addr, since_ms: i64, bytes: u64) -> AddressTraffic {
    let total = Traffic { in_bytes: bytes, in_packets: bytes / 100, out_bytes: 2 * bytes, out_packets: bytes / 100 };
    AddressTraffic { public, since_ms, total }
}

/// Has a host tell what it counted at a time.
async fn tell(world: &mut World, at: Millis, addresses: Vec<AddressTraffic>) {
    let document = Arc::new(HostSpec::empty(world.ids[0]));
    let mut report = world.hosts[0].obey(&document);
    report.traffic = Some(TrafficReport { at_ms: at.0, addresses });
    world.cloud.report(report).await.unwrap();
}

#[tokio::test]
async fn what_a_host_counts_is_shown_by_periods_once_however_often_it_is_told() {
    let mut world = World::new(1, 1).await;
    let root = world.root().await;
    let address = world.cloud.run(&root, AllocateAddress::default(), Options::default()).await.unwrap();
    // Over the end of an hour: what is told at its last instant belongs to it.
    let hour = Millis((world.clock.now().0 / (60 * MINUTE) + 1) * 60 * MINUTE);
    let at = |minute: i64| hour.after(minute * MINUTE);
    world.clock.set(hour);
    for (told, since, bytes) in [(at(0), 1, 1_000), (at(0), 1, 1_000), (at(1), 1, 1_500), (at(1), 7, 300)] {
        tell(&mut world, told, vec![counted(address.ip, since, bytes), counted(Ipv4Addr::BROADCAST, 1, 5)]).await;
    }
    let question = |from, to, minutes| TrafficQuestion { address: AddressRef::Id(address.id), from, to, minutes };
    let periods = world.cloud.address_traffic(&root, question(at(-2), at(1), 1)).await.unwrap();
    let shown: Vec<(Millis, u64, u64)> = periods.iter().map(|p| (p.at, p.traffic.in_bytes, p.traffic.out_bytes)).collect();
    assert_eq!(shown, [(at(-2), 0, 0), (at(-1), 1_000, 2_000), (at(0), 800, 1_600)]);
    let whole = world.cloud.address_traffic(&root, question(at(-4), at(1), 5)).await.unwrap();
    assert_eq!(whole.iter().map(|p| p.traffic.in_packets).collect::<Vec<_>>(), [18]);
    // Times in between count from the next minute.
    let late = world.cloud.address_traffic(&root, question(Millis(at(-1).0 + 1), Millis(at(0).0 + 1), 1)).await.unwrap();
    assert_eq!(late.iter().map(|p| (p.at, p.traffic.in_bytes)).collect::<Vec<_>>(), [(at(0), 800)]);
    for (from, to) in [(at(1), at(1)), (at(-31 * 24 * 60), at(0)), (at(-TRAFFIC_PERIODS_MAX - 1), at(0))] {
        let refused = world.cloud.address_traffic(&root, question(from, to, 1)).await;
        assert!(matches!(refused, Err(Error::InvalidParameter { .. })), "{refused:?}");
    }
    let absent = TrafficQuestion { address: AddressRef::Ip(Ipv4Addr::BROADCAST), ..question(at(-1), at(0), 1) };
    assert!(matches!(world.cloud.address_traffic(&root, absent).await, Err(Error::NotFound { .. })));
}
