//! Launching instances: everything that a new instance is made of, in one transaction.
//!
//! ```text
//!   image, type, key, subnet, groups ─▶ quota ─▶ for each: host, interface, volume, address, instance row, wake
//! ```
//!
//! What takes capacity is the instance row itself, once a host with room was found for it (`launch_place.rs`).

use std::net::Ipv4Addr;

use model::{
    Attributes, CapacityChoice, Catalogue, EncryptionChoice, Error, Gib, Goal, GuestSetup, HostId, HostNameKind, HostNameSettings, Image,
    ImageId, Instance, InstanceFleetId, InstanceId, Interface, LaunchSettings, LaunchTemplateId, NewVolume, Noun, Phase, PlacementChoice,
    Provisioned, ROOT_DEVICE, ReservationId, RoleChoice, START_DEADLINE_MS, SecurityGroup, SecurityGroupId, Subnet, SubnetId, Tags,
    VOLUME_GIB, Volume, VolumeKind, add_tags, check_hostname, check_name, check_release_time, check_size, volumes_max,
};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::Failure;
use crate::address::give_automatic;
use crate::auth::Target;
use crate::capacity_reservation::target as reservation_target;
use crate::capacity_slot::{Reserved, enter};
use crate::describe::InstanceView;
use crate::disk_encryption::choose;
use crate::image::{LaunchDisk, disks_of_launch, image_usable};
use crate::instance::check_description;
use crate::instance_role::{associate, check_pass, chosen};
use crate::instances::existing;
use crate::interface::{NewInterface, interface_of};
use crate::interface_view::InterfaceView;
use crate::key_pair::guest_keys;
use crate::launch_nics::LaunchNics;
use crate::launch_place::{Seeking, within};
use crate::nat_home::settle;
use crate::placement_group::{Joining, launch_target};
use crate::run::{Command, Cx};
use crate::subnet::{default_subnets, subnet_of};
use crate::volume::{New, check_quota, device_for, start_as};
use crate::work::wake_instance;

/// Most instances of one call (ECS and CVM document 100; EC2 leaves it to the quota).
pub const LAUNCH_MAX: u32 = 100;

/// Launches instances.
#[derive(Debug, Clone, Serialize)]
pub struct RunInstances {
    /// The launch template that said a part of this, and the number of its version.
    pub template: Option<(LaunchTemplateId, u64)>,
    /// The image.
    pub image: ImageId,
    /// Name of the instance type in any scheme; it is shown by this name where the scheme has it.
    pub instance_type: String,
    /// How many at least; fewer are refused.
    pub min_count: u32,
    /// How many at most.
    pub max_count: u32,
    /// The zone; any when neither it nor a subnet is given.
    pub zone: Option<String>,
    /// The subnet; the zone's default one when none is given.
    pub subnet: Option<SubnetId>,
    /// Security groups by id.
    pub groups: Vec<SecurityGroupId>,
    /// Security groups of the VPC by name.
    pub group_names: Vec<String>,
    /// Private address of the one instance.
    pub private_ip: Option<Ipv4Addr>,
    /// Whether it gets a public address; the subnet decides when nothing is said.
    pub public_address: Option<bool>,
    /// Megabits per second of that address, 1 or more; none for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<u32>,
    /// Key pairs by name.
    pub key_names: Vec<String>,
    /// crypt(3) text of the password. Not part of what a repeated call is compared by: its salt differs.
    #[serde(skip)]
    pub password_hash: Option<String>,
    /// User data, base64 of what the guest reads.
    pub user_data: Option<String>,
    /// Display names in the order of the instances; the last one serves the rest, and without any there is no name.
    pub names: Vec<String>,
    /// Description.
    pub description: String,
    /// Host names of the guests, likewise; made by [`Self::host_names`] when none is given.
    pub hostnames: Vec<String>,
    /// How they are named; as their subnet says where this says nothing.
    #[serde(skip_serializing_if = "HostNameSettings::is_none")]
    pub host_names: HostNameSettings,
    /// Size of the system disk.
    pub root_size: Option<Gib>,
    /// How the system disk is encrypted.
    #[serde(skip_serializing_if = "EncryptionChoice::is_none")]
    pub root_encryption: EncryptionChoice,
    /// What the system disk is sold as.
    pub root_kind: VolumeKind,
    /// What is bought on top for it.
    #[serde(skip_serializing_if = "Provisioned::is_none")]
    pub root_provisioned: Provisioned,
    /// Whether the system disk goes with the instance.
    pub root_deleted: bool,
    /// Display name of the system disk.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub root_name: String,
    /// Description of the system disk.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub root_description: String,
    /// Further volumes of each instance.
    pub volumes: Vec<NewVolume>,
    /// Role whose keys their guests are given.
    pub role: Option<RoleChoice>,
    /// Whether they start at once; otherwise they are made stopped, with their capacity reserved and no public address.
    pub running: bool,
    /// Attributes.
    pub attributes: Attributes,
    /// Tags of the instances.
    pub tags: Tags,
    /// Tags of their volumes.
    pub volume_tags: Tags,
    /// Tags of their network interfaces.
    pub interface_tags: Tags,
    /// What else is said of their network interfaces.
    pub nics: LaunchNics,
    /// The placement group that they come into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlacementChoice>,
    /// What they ask of capacity reservations.
    #[serde(skip_serializing_if = "CapacityChoice::is_usual")]
    pub capacity: CapacityChoice,
    /// The fleet that they are launched for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fleet: Option<InstanceFleetId>,
}

/// What a launch made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launched {
    /// Id of the call.
    pub reservation: ReservationId,
    /// The instances, in order.
    pub instances: Vec<InstanceId>,
    /// What was made, as the launch left it; empty where a repeated call finds what an earlier one made.
    #[serde(skip)]
    pub made: Vec<InstanceView>,
}

/// What every instance of a launch has in common.
struct Plan {
    image: Image,
    seeking: Seeking,
    groups: Vec<SecurityGroup>,
    guest: GuestSetup,
    root_size: Gib,
    /// The further volumes of each.
    volumes: Vec<LaunchDisk>,
    reservation: ReservationId,
}

impl Command for RunInstances {
    type Reply = Launched;
    const NAME: &'static str = "RunInstances";
    const PLACES: bool = true;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let named = |path: String| Target { path: Some(path), ..Target::default() };
        let instance = Target { path: Some("instance/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() };
        let mut targets = vec![instance, named(format!("image/{}", self.image))];
        targets.extend(self.subnet.map(|id| named(format!("subnet/{id}"))));
        targets.extend(self.groups.iter().map(|id| named(format!("security-group/{id}"))));
        targets.extend(self.key_names.iter().map(|name| named(format!("key-pair/{name}"))));
        targets.extend(self.template.iter().map(|(id, _)| named(format!("launch-template/{id}"))));
        if let Some(choice) = &self.placement {
            targets.push(launch_target(tx, cx, choice)?);
        }
        if let CapacityChoice::Target(id) = self.capacity {
            targets.push(reservation_target(tx, cx, id)?);
        }
        Ok(targets)
    }

    fn authorize(&self, tx: &Tx<'_>, cx: &Cx<'_>, targets: &[Target]) -> Result<(), Failure> {
        cx.cloud.authorize(cx.caller, targets)?;
        match &self.role {
            Some(choice) => chosen(tx, cx.caller.account(), choice)?.1.map_or(Ok(()), |role| check_pass(cx, &role)),
            None => Ok(()),
        }
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Launched, Failure> {
        self.check()?;
        let plan = self.plan(tx, cx)?;
        let at_least = u64::from(self.min_count);
        cx.cloud.check_instance_quota(tx, cx.caller.account(), at_least.saturating_sub(plan.seeking.free_slots(tx)?))?;
        let mut made = Vec::new();
        for index in 0..self.max_count {
            if index < self.min_count {
                made.push(self.launch_one(tx, cx, &plan, index)?);
                continue;
            }
            match tx.attempt(|tx| self.launch_one(tx, cx, &plan, index))? {
                Ok(view) => made.push(view),
                Err(Failure::Refused(refusal)) if ends_launch(&refusal) => break,
                Err(failure) => return Err(failure),
            }
        }
        settle(tx, plan.seeking.subnets[0].vpc)?;
        let instances = made.iter().map(|view| view.instance.id).collect();
        Ok(Launched { reservation: plan.reservation, instances, made })
    }
}

impl RunInstances {
    /// A launch of so many instances of which these things are said.
    ///
    /// # Errors
    /// Refuses settings without an image or an instance type.
    pub fn of(settings: LaunchSettings, min_count: u32, max_count: u32) -> Result<RunInstances, Error> {
        Ok(RunInstances {
            template: None,
            image: settings.image.ok_or(Error::MissingParameter { name: "ImageId" })?,
            instance_type: settings.instance_type.ok_or(Error::MissingParameter { name: "InstanceType" })?,
            min_count,
            max_count,
            zone: settings.zone,
            subnet: settings.subnet,
            groups: settings.groups,
            group_names: settings.group_names,
            private_ip: settings.private_ip,
            public_address: settings.public_address,
            bandwidth: settings.bandwidth.filter(|bandwidth| *bandwidth > 0),
            key_names: settings.key_names,
            password_hash: settings.password_hash,
            user_data: settings.user_data,
            names: settings.name.into_iter().collect(),
            description: settings.description.unwrap_or_default(),
            hostnames: settings.hostname.into_iter().collect(),
            host_names: settings.host_names,
            root_size: settings.root.size,
            root_kind: settings.root.kind.unwrap_or_default(),
            root_encryption: settings.root.encryption,
            root_provisioned: settings.root.provisioned,
            root_deleted: settings.root.deleted.unwrap_or(true),
            root_name: settings.root.name.unwrap_or_default(),
            root_description: settings.root.description.unwrap_or_default(),
            volumes: settings.volumes,
            role: settings.role,
            placement: settings.placement,
            capacity: settings.capacity.unwrap_or_default(),
            fleet: None,
            nics: LaunchNics::default(),
            running: true,
            attributes: settings.attributes.attributes(),
            tags: settings.tags,
            volume_tags: settings.volume_tags,
            interface_tags: settings.interface_tags,
        })
    }

    fn check(&self) -> Result<(), Error> {
        if self.min_count == 0 || self.min_count > self.max_count || self.max_count > LAUNCH_MAX {
            return Err(Error::invalid("MaxCount", format!("counts must be 1 to {LAUNCH_MAX}, the least not above the most")));
        }
        if (self.private_ip.is_some() || self.nics.is_for_one()) && self.max_count > 1 {
            let reason = "a private address or an interface can be chosen only for one instance".to_owned();
            return Err(Error::InvalidCombination { reason });
        }
        if self.public_address == Some(true) && !self.nics.is_one_new() {
            let reason = "a public address can be given by itself only to the one interface that is made".to_owned();
            return Err(Error::InvalidCombination { reason });
        }
        self.nics.check(&self.instance_type)?;
        self.names.iter().try_for_each(|name| check_name("InstanceName", name))?;
        check_description(&self.description)?;
        self.check_volumes()?;
        self.hostnames.iter().try_for_each(|name| check_hostname(name))?;
        if !(1..=64).contains(&self.attributes.metadata.hop_limit) {
            return Err(Error::invalid("HttpPutResponseHopLimit", "must be 1 to 64"));
        }
        add_tags(&mut Tags::new(), &self.tags)?;
        add_tags(&mut Tags::new(), &self.volume_tags)?;
        add_tags(&mut Tags::new(), &self.interface_tags)
    }

    fn check_volumes(&self) -> Result<(), Error> {
        let limit = volumes_max(&self.instance_type);
        if self.volumes.len() >= limit {
            return Err(Error::TooManyVolumes { id: "new".to_owned(), limit });
        }
        for volume in &self.volumes {
            volume.size.map_or(Ok(()), check_size)?;
            check_name("DiskName", &volume.name)?;
            check_description(&volume.description)?;
        }
        Ok(())
    }

    fn plan(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Plan, Failure> {
        let account = cx.caller.account();
        self.attributes.release_at.map_or(Ok(()), |at| check_release_time(at, cx.now))?;
        let image = image_usable(tx, account, self.image)?;
        let kind =
            Catalogue::standard().by_name(&self.instance_type).ok_or_else(|| Error::not_found(Noun::InstanceType, &self.instance_type))?;
        if kind.architecture != image.architecture {
            let reason = format!("the image is for {}, the instance type for {}", image.architecture, kind.architecture);
            return Err(Error::InvalidCombination { reason }.into());
        }
        let reserved = Reserved::of(tx, account, kind, self.capacity)?;
        let subnets = within(&reserved, self.subnets(tx, cx)?)?;
        let groups = self.security_groups(tx, cx, &subnets[0])?;
        let mut guest =
            GuestSetup { keys: vec![], password_hash: self.password_hash.clone(), user_data: self.user_data.clone(), role: None };
        guest.add_keys(guest_keys(tx, account, &self.key_names)?)?;
        let root_size = self.root_size(&image)?;
        self.root_kind.check(root_size, self.root_provisioned)?;
        let volumes = disks_of_launch(tx, account, &image, &self.volumes)?;
        let disk = Gib(volumes.iter().fold(root_size.0, |sum, volume| sum.saturating_add(volume.size.0)));
        let joining = self.placement.as_ref().map(|choice| Joining::of(tx, account, choice)).transpose()?;
        let reservation = ReservationId::from_u64(cx.new_id());
        let seeking = Seeking { kind, subnets, disk, joining, reserved };
        Ok(Plan { image, seeking, groups, guest, root_size, volumes, reservation })
    }

    fn subnets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Subnet>, Failure> {
        if let Some(zone) = &self.zone
            && !cx.cloud.region().zones.contains(zone)
        {
            return Err(Error::not_found(Noun::Zone, zone).into());
        }
        let brought = self.nics.existing.map(|id| interface_of(tx, cx.caller.account(), id)).transpose()?;
        let Some(id) = brought.map(|interface| interface.subnet).or(self.subnet) else {
            return default_subnets(tx, cx.caller.account(), self.zone.as_deref());
        };
        let subnet = subnet_of(tx, cx.caller.account(), id)?;
        if self.zone.as_ref().is_some_and(|zone| *zone != subnet.zone) {
            let reason = format!("the subnet {id} is in zone {}", subnet.zone);
            return Err(Error::InvalidCombination { reason }.into());
        }
        Ok(vec![subnet])
    }

    fn security_groups(&self, tx: &Tx<'_>, cx: &Cx<'_>, subnet: &Subnet) -> Result<Vec<SecurityGroup>, Failure> {
        let mut groups: Vec<SecurityGroup> = Vec::new();
        for id in &self.groups {
            let group = tx.get::<SecurityGroup>(*id)?.filter(|group| group.account == cx.caller.account());
            let group = group.ok_or_else(|| Error::not_found(Noun::SecurityGroup, id))?;
            if !group.is_of(subnet.vpc) {
                let reason = format!("the security group {id} and the subnet {} belong to different VPCs", subnet.id);
                return Err(Error::InvalidCombination { reason }.into());
            }
            groups.push(group);
        }
        for name in &self.group_names {
            groups.push(tx.security_group_named(subnet.vpc, name)?.ok_or_else(|| Error::not_found(Noun::SecurityGroup, name))?);
        }
        if groups.is_empty() {
            let default = tx.security_group_named(subnet.vpc, model::DEFAULT_GROUP)?;
            groups.push(default.ok_or_else(|| Error::not_found(Noun::SecurityGroup, model::DEFAULT_GROUP))?);
        }
        groups.sort_by_key(|group| group.id);
        groups.dedup_by_key(|group| group.id);
        crate::security_group::check_one_kind(&groups)?;
        if groups.len() > model::GROUPS_PER_INTERFACE_MAX {
            return Err(Error::invalid("SecurityGroupId", format!("more than {} groups", model::GROUPS_PER_INTERFACE_MAX)).into());
        }
        Ok(groups)
    }

    fn root_size(&self, image: &Image) -> Result<Gib, Error> {
        let smallest = image.min_disk.max(Gib::holding(image.size_bytes));
        let size = self.root_size.unwrap_or(smallest);
        if size < smallest || !VOLUME_GIB.contains(&size.0) {
            let reason = format!("must be {} to {} GiB for this image", smallest.0, VOLUME_GIB.end());
            return Err(Error::invalid("VolumeSize", reason));
        }
        Ok(size)
    }

    fn launch_one(&self, tx: &mut Tx<'_>, cx: &Cx<'_>, plan: &Plan, index: u32) -> Result<InstanceView, Failure> {
        if index >= self.min_count {
            cx.cloud.check_instance_quota(tx, cx.caller.account(), 1_u64.saturating_sub(plan.seeking.free_slots(tx)?))?;
        }
        if !plan.volumes.is_empty() {
            check_quota(tx, cx.caller.account(), 1 + plan.volumes.len() as u64)?;
        }
        let (place, subnet) = plan.seeking.choose(tx, cx, self.max_count - index)?;
        if place.slot.is_none() && !plan.seeking.reserved.is_empty() {
            cx.cloud.check_instance_quota(tx, cx.caller.account(), 1)?;
        }
        let id = InstanceId::from_u64(cx.new_id());
        let (host, asked) = (place.host.id, tx.host_touch_row(place.host)?);
        if let Some(found) = place.found {
            cx.cloud.fleet().bind(host, asked, id, found, &plan.seeking.wanted(&subnet.zone, None, 1));
        }
        let interface = self.insert_interface(tx, cx, plan, subnet, id)?;
        let volumes = self.insert_volumes(tx, cx, plan, subnet, &Owner { instance: id, host, asked })?;
        let by_itself = subnet.public_on_launch && self.nics.is_one_new();
        let automatic_address = self.public_address.unwrap_or(by_itself);
        let address = if automatic_address && self.running { give_automatic(tx, cx, interface.id, self.bandwidth)? } else { None };
        let host_names = self.host_names.over(subnet.host_names_on_launch);
        let mut guest = plan.guest.clone();
        guest.role = self.role.as_ref().map(|choice| associate(tx, cx, id, choice)).transpose()?.map(|held| held.id);
        let mut instance = Instance {
            id,
            account: cx.caller.account(),
            reservation: plan.reservation,
            launch_index: index,
            zone: subnet.zone.clone(),
            instance_type: self.instance_type.clone(),
            vcpus: plan.seeking.kind.vcpus,
            memory: plan.seeking.kind.memory,
            image: plan.image.id,
            vpc: subnet.vpc,
            subnet: subnet.id,
            interface: interface.id,
            private_ip: interface.ip,
            automatic_address,
            bandwidth: self.bandwidth,
            root_volume: volumes[0].id,
            root_replacements: vec![],
            type_change: None,
            roll_back: None,
            name: of_index(&self.names, index).cloned().unwrap_or_default(),
            description: self.description.clone(),
            hostname: of_index(&self.hostnames, index).cloned().unwrap_or_else(|| made_hostname(host_names.kind, id, interface.ip)),
            guest,
            attributes: Attributes { host_names, ..self.attributes.clone() },
            goal: if self.running { Goal::Running } else { Goal::Stopped { keep_capacity: true, grace_seconds: 0 } },
            phase: if self.running { Phase::Launching { until: cx.now.after(START_DEADLINE_MS) } } else { Phase::Stopped },
            reason: None,
            changed_at: cx.now,
            created_at: cx.now,
            started_at: cx.now,
            host,
            boot: 1,
            hard_reset: false,
            asked,
            placement: None,
            capacity: self.capacity,
            slot: place.slot.map(|slot| enter(tx, cx, slot, id, host)).transpose()?,
            fleet: self.fleet,
            client_token: cx.client_token.map(str::to_owned),
            events: vec![],
            seen: None,
            tags: self.tags_of_instance(cx),
        };
        if let (Some(joining), Some(way)) = (&plan.seeking.joining, place.way) {
            instance.placement = Some(joining.join(tx, &instance, way)?);
        }
        tx.insert(&instance)?;
        wake_instance(tx, id, cx.now.after(START_DEADLINE_MS))?;
        if self.role.is_some() || !self.nics.is_one_new() {
            return Ok(existing(tx, &[id])?.pop().ok_or(Error::Internal)?);
        }
        let interface = InterfaceView {
            interface,
            zone: instance.zone.clone(),
            addresses: address.into_iter().collect(),
            groups: plan.groups.iter().map(|group| (group.id, group.name.clone())).collect(),
        };
        Ok(InstanceView { instance, volumes, interfaces: vec![interface], image: Some(plan.image.clone()), role: None })
    }

    /// The tags that were asked for, and those by which EC2 says of which launch template an instance is: what reads templates back, such as
    /// Terraform, looks for them.
    fn tags_of_instance(&self, cx: &Cx<'_>) -> Tags {
        let mut tags = self.tags.clone();
        if let Some((id, version)) = self.template.filter(|_| cx.caller.action.starts_with("ec2:")) {
            tags.insert("aws:ec2launchtemplate:id".to_owned(), id.to_string());
            tags.insert("aws:ec2launchtemplate:version".to_owned(), version.to_string());
        }
        tags
    }

    fn insert_interface(
        &self,
        tx: &mut Tx<'_>,
        cx: &Cx<'_>,
        plan: &Plan,
        subnet: &Subnet,
        instance: InstanceId,
    ) -> Result<Interface, Failure> {
        let new = NewInterface {
            ip: self.private_ip,
            secondary: self.nics.secondary.clone(),
            ipv6: self.nics.ipv6.clone(),
            groups: plan.groups.iter().map(|group| group.id).collect(),
            unchecked: false,
            name: String::new(),
            description: self.nics.description.clone().unwrap_or_else(|| "Primary network interface".to_owned()),
            tags: self.interface_tags.clone(),
        };
        let primary = self.nics.primary(tx, cx, &new, subnet, instance)?;
        self.nics.insert_further(tx, cx, subnet, instance, &self.interface_tags)?;
        Ok(primary)
    }

    /// The system disk and behind it the further volumes of an instance. They are attached from the beginning: the machine is made with
    /// them.
    fn insert_volumes(&self, tx: &mut Tx<'_>, cx: &Cx<'_>, plan: &Plan, subnet: &Subnet, owner: &Owner) -> Result<Vec<Volume>, Failure> {
        let (size, kind, provisioned) = (plan.root_size, self.root_kind, self.root_provisioned);
        let new = New { zone: &subnet.zone, size, kind, provisioned, name: &self.root_name, description: &self.root_description };
        let mut root = self.volume(cx, &new, owner);
        root.image = Some(plan.image.id);
        root.manifest = Some(plan.image.manifest.clone());
        root.encryption = choose(tx, cx, &self.root_encryption, plan.image.encryption.as_ref())?;
        root.under_encryption.clone_from(&plan.image.encryption);
        root.snapshot = plan.image.snapshot;
        root.device = ROOT_DEVICE.to_owned();
        root.delete_on_termination = self.root_deleted;
        tx.insert(&root)?;
        let mut held = vec![root];
        for LaunchDisk { asked, size, start } in &plan.volumes {
            let NewVolume { kind, provisioned, name, description, .. } = asked;
            let new = New { zone: &subnet.zone, size: *size, kind: *kind, provisioned: *provisioned, name, description };
            let mut volume = self.volume(cx, &new, owner);
            start.as_ref().map_or(Ok(()), |snapshot| start_as(&mut volume, snapshot))?;
            volume.encryption = choose(tx, cx, &asked.encryption, volume.under_encryption.as_ref())?;
            volume.device = device_for(asked.device.as_deref(), &held, (owner.instance, &self.instance_type))?;
            volume.delete_on_termination = asked.delete_on_termination;
            tx.insert(&volume)?;
            held.push(volume);
        }
        Ok(held)
    }

    fn volume(&self, cx: &Cx<'_>, new: &New<'_>, owner: &Owner) -> Volume {
        let row = new.row(cx, owner.host, owner.asked);
        Volume { instance: Some(owner.instance), attached_at: Some(cx.now), tags: self.volume_tags.clone(), ..row }
    }
}

/// Whose a new volume is, and where.
struct Owner {
    instance: InstanceId,
    host: HostId,
    asked: u64,
}

/// The name of an instance of a launch.
fn of_index(names: &[String], index: u32) -> Option<&String> {
    names.get(index as usize).or(names.last())
}

/// The host name of an instance that chose none.
pub(crate) fn made_hostname(kind: HostNameKind, id: InstanceId, ip: Ipv4Addr) -> String {
    match kind {
        HostNameKind::Address => default_hostname(ip),
        HostNameKind::Id => id.to_string(),
    }
}

/// The host name that is made of an address, as EC2 makes it: `ip-10-0-0-5`.
pub fn default_hostname(ip: Ipv4Addr) -> String {
    let [a, b, c, d] = ip.octets();
    format!("ip-{a}-{b}-{c}-{d}")
}

/// Whether a launch of "at least so many" goes without the rest when this is said of one.
fn ends_launch(refusal: &Error) -> bool {
    matches!(
        refusal,
        Error::NoCapacity { .. }
            | Error::NoFreeAddress { .. }
            | Error::QuotaExceeded { .. }
            | Error::NoPlaceInGroup { .. }
            | Error::NoReservedCapacity { .. }
            | Error::LimitReached { name: "PlacementGroup", .. }
    )
}
