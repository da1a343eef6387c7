//! What hosts are told of each other: where they are, what is on them, and which of them translates for NAT gateways.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use model::{
    AccountId, Address, AddressId, AddressKind, Host, HostCapacity, HostId, HostState, InstanceId, Interface, InterfaceId, MacAddr, Mib,
    Millis, NatGateway, NatGatewayId, NatOutcome, NatServes, Plug, SecurityGroupId, SubnetId, Tags, VpcId,
};

use super::engines::check_place;
use crate::{HostPlace, Member, Store, StoreError, Tx};

const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

fn host(id: u64, accelerator: &str) -> Host {
    let accelerator = accelerator.to_owned();
    Host {
        id: HostId::from_u64(id),
        name: format!("h{id}"),
        zones: vec![],
        underlay: Ipv4Addr::new(192, 0, 2, id as u8),
        state: HostState::Up,
        capacity: Some(HostCapacity { vcpus: 1, memory: Mib(1), disk_gib: 1, accelerator }),
        generation: 1,
        applied: 0,
        incarnation: 0,
        sequence: 0,
        seen_at: Millis(0),
        rack: None,
        number: id as u32 + 10,
        invitation: None,
        certificate: None,
        faults: vec![],
        build: None,
    }
}

fn gateway(id: u64, vpc: u64, home: Option<HostId>) -> NatGateway {
    NatGateway {
        id: NatGatewayId::from_u64(id),
        account: account(),
        vpc: VpcId::from_u64(vpc),
        subnet: None,
        is_public: true,
        outcome: NatOutcome::OfVpc,
        serves: NatServes::Everyone,
        addresses: vec![AddressId::from_u64(1)],
        sources: vec![],
        forwards: vec![],
        home,
        bandwidth: None,
        protected: false,
        name: String::new(),
        description: String::new(),
        created_at: Millis(0),
        tags: Tags::new(),
    }
}

fn address(gateway: u64) -> Address {
    Address {
        id: AddressId::from_u64(1),
        account: account(),
        ip: PUBLIC,
        kind: AddressKind::Elastic,
        interface: None,
        private: None,
        association: None,
        nat_gateway: Some(NatGatewayId::from_u64(gateway)),
        name: String::new(),
        description: String::new(),
        bandwidth: None,
        charge: model::InternetCharge::default(),
        protected: false,
        package: None,
        created_at: Millis(0),
        tags: Tags::new(),
    }
}

fn account() -> AccountId {
    AccountId::from_u64(1).expect("one digit is below twelve")
}

fn write(store: &Store, work: impl Fn(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static) {
    store.write_blocking(work).expect("the write succeeds");
}

fn read<T: Send + 'static>(store: &Store, work: impl Fn(&Tx<'_>) -> Result<T, StoreError> + Send + 'static) -> T {
    store.read_blocking(work).expect("the read succeeds")
}

#[test]
fn hosts_between_which_packets_go_are_found_also_in_rows_of_before() {
    check_place(|place| {
        let store = Store::open(place.config.clone()).expect("the store opens");
        write(&store, |tx| [host(1, "kvm"), host(2, "simulated"), host(3, "tcg")].iter().try_for_each(|host| tx.insert(host)));
        let wanted = [1_u64, 3].map(|id| HostPlace {
            id: HostId::from_u64(id),
            underlay: Ipv4Addr::new(192, 0, 2, id as u8),
            number: id as u32 + 10,
        });
        assert_eq!(read(&store, |tx| tx.host_list_places()), wanted);
        write(&store, |tx| tx.execute("UPDATE host SET underlay = NULL, number = NULL", &[]).map(drop));
        assert_eq!(read(&store, |tx| tx.host_list_places()), wanted);
    });
}

#[test]
fn the_home_of_a_gateway_is_where_its_addresses_are() {
    check_place(|place| {
        let store = Store::open(place.config.clone()).expect("the store opens");
        let (here, there) = (HostId::from_u64(1), HostId::from_u64(2));
        write(&store, move |tx| {
            tx.insert(&gateway(1, 7, None))?;
            tx.insert(&gateway(2, 8, Some(there)))?;
            tx.insert(&gateway(3, 8, Some(there)))?;
            tx.insert(&address(1))
        });
        assert_eq!(read(&store, |tx| tx.nat_gateway_list_homeless()).len(), 1);
        assert_eq!(read(&store, move |tx| tx.nat_gateway_vpcs_at_home(there)), [VpcId::from_u64(8)]);
        assert_eq!(read(&store, move |tx| tx.nat_gateway_list_at_home(there)).len(), 2);
        assert_eq!(read(&store, move |tx| tx.address_list_elsewhere(here)), []);
        write(&store, move |tx| tx.update(&gateway(1, 7, Some(there))));
        assert_eq!(read(&store, move |tx| tx.address_list_elsewhere(here)), [(PUBLIC, there)]);
        assert_eq!(read(&store, move |tx| tx.address_list_elsewhere(there)), []);
        assert_eq!(read(&store, move |tx| tx.interface_hosts_of_vpc(VpcId::from_u64(8))), []);
    });
}

#[test]
fn an_instance_is_found_at_its_host_among_few_and_among_many() {
    check_place(|place| {
        let store = Store::open(place.config.clone()).expect("the store opens");
        write(&store, |tx| {
            let sql = "INSERT INTO instance (id, account, reservation, host, live, on_host, asked, held_vcpus, held_memory, state, zone, \
                       instance_type, image, vpc, subnet, name, private_ip, body) \
                       VALUES ($1, 1, 1, $2, $3, $4, 1, 1, 1, 'x', 'z', 't', 1, 1, 1, '', 1, '{}')";
            let mut insert = |id: i64, host: i64, live: i64, on_host: i64| {
                tx.execute(sql, &[id.into(), host.into(), live.into(), on_host.into()]).map(drop)
            };
            insert(1, 7, 1, 1)?;
            insert(2, 8, 1, 1)?;
            insert(3, 8, 1, 0)?;
            insert(4, 8, 0, 0)
        });
        let at = |ids: Vec<InstanceId>| read(&store, move |tx| tx.instance_hosts(&ids));
        let ids = |numbers: std::ops::Range<u64>| numbers.map(InstanceId::from_u64).collect::<Vec<_>>();
        let wanted = HashMap::from([(1, 7), (2, 8)].map(|(id, host)| (InstanceId::from_u64(id), HostId::from_u64(host))));
        assert_eq!(at(ids(1..9)), wanted);
        assert_eq!(at(ids(1..30_000)), wanted);
        assert_eq!(at(ids(3..30_000)), HashMap::new());
    });
}

#[test]
fn others_are_told_of_all_addresses_of_a_member() {
    check_place(|place| {
        let store = Store::open(place.config.clone()).expect("the store opens");
        let interface = |id, ip: u8| Interface {
            id: InterfaceId::from_u64(id),
            account: account(),
            vpc: VpcId::from_u64(7),
            subnet: SubnetId::from_u64(1),
            ip: Ipv4Addr::new(10, 0, 0, ip),
            secondary: vec![],
            ipv6: vec![],
            mac: MacAddr::local(id),
            instance: None,
            index: 0,
            plug: Plug::Plugged,
            attachment: None,
            attached_at: None,
            delete_on_termination: false,
            groups: vec![SecurityGroupId::from_u64(5)],
            checked: true,
            nat_gateway: None,
            name: String::new(),
            description: String::new(),
            created_at: Millis(0),
            tags: Tags::new(),
        };
        let full = Interface {
            secondary: vec![Ipv4Addr::new(10, 0, 0, 9)],
            ipv6: vec!["2001:db8::9".parse().expect("an address")],
            instance: Some(InstanceId::from_u64(3)),
            ..interface(1, 8)
        };
        write(&store, move |tx| [full.clone(), interface(2, 4)].iter().try_for_each(|interface| tx.interface_insert(interface)));
        let found = read(&store, |tx| tx.interface_list_members(VpcId::from_u64(7)));
        let groups = vec![SecurityGroupId::from_u64(5)];
        let bare = Member { ip: Ipv4Addr::new(10, 0, 0, 4), secondary: vec![], ipv6: vec![], instance: None, groups: groups.clone() };
        let full = Member {
            ip: Ipv4Addr::new(10, 0, 0, 8),
            secondary: vec![Ipv4Addr::new(10, 0, 0, 9)],
            ipv6: vec!["2001:db8::9".parse().expect("an address")],
            instance: Some(InstanceId::from_u64(3)),
            groups,
        };
        assert_eq!(found, [bare, full]);
        assert_eq!(read(&store, |tx| tx.interface_list_members(VpcId::from_u64(8))), []);
    });
}
