//! What QEMU is started with: pure, from what a machine should be and what was made ready for it.
//!
//! Nothing that QEMU opens is named by a path of the host. Disks, taps and the sockets of monitor and guest agent are descriptors handed over by the
//! cage, numbered from [`FIRST_DESCRIPTOR`] in the order of [`Inputs::descriptors`]; kernel, initial RAM disk and the image server's
//! socket have fixed places in the cage's private root. Formats are pinned and backing is spelled out, so QEMU never probes.

use std::collections::BTreeSet;

use hostspec::{Accelerator, VmSpec};
use model::{InstanceId, VolumeId};
use serde_json::Value;

use super::disk::{self, Below, Stored};
use super::guest_agent::{CHANNEL, PORT};
use crate::block::shared::Sharing;

/// The lowest descriptor that is handed over; those below are QEMU's standard streams and room for the cage.
pub const FIRST_DESCRIPTOR: usize = 10;

/// Where the kernel is in the private root.
pub const KERNEL: &str = "/boot/kernel";
/// Where the initial RAM disk is in the private root.
pub const INITRD: &str = "/boot/initrd";
/// Folder of the image server's socket in the private root.
pub const IMAGES: &str = "/images";
/// Name of the image server's socket in its folder.
pub const IMAGE_SOCKET: &str = "server.sock";

/// QEMU's name of the console's ring buffer.
pub const CONSOLE: &str = "console";

/// The place on the bus that the random number generator always had, and now shares: the most disks and interfaces that a machine can
/// have take all others, and a guest names them by their place.
const SMALL_DEVICES: u32 = 2;

/// Bytes of translated code that the translator keeps (MiB): QEMU's own default is a fixed 1 GiB, more than most guests have memory.
const TRANSLATION_CACHE_MIB: u32 = 256;

/// What was made ready for one start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// How guest code is executed.
    pub accelerator: Accelerator,
    /// For each disk, in the machine's order, what is under it.
    pub below: Vec<Option<Below>>,
    /// Disks with keys: their nodes are made by QMP, so that no key is in the arguments.
    pub keyed: BTreeSet<VolumeId>,
    /// Disks that other machines may have too.
    pub shared: BTreeSet<VolumeId>,
    /// For each disk, in the machine's order, the numbers of its layers over the first file. Disks that are not listed have none.
    pub layers: Vec<Vec<u32>>,
    /// The kernel to start directly; none boots from the first disk by its boot sector.
    pub boot: Option<DirectBoot>,
}

/// A kernel that is started without a boot loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectBoot {
    /// Its command line.
    pub cmdline: String,
    /// Whether there is an initial RAM disk.
    pub initrd: bool,
}

impl Inputs {
    /// How many descriptors a machine is handed: the monitor's socket, one for each disk, one for each interface, one for each layer
    /// of each disk, the guest agent's socket.
    pub fn descriptors(&self, vm: &VmSpec) -> usize {
        self.before_guest_agent(vm) + 1
    }

    fn before_guest_agent(&self, vm: &VmSpec) -> usize {
        1 + vm.disks.len() + vm.nics.len() + self.layers.iter().map(Vec::len).sum::<usize>()
    }

    fn sharing(&self, volume: VolumeId) -> Sharing {
        Sharing::of(self.shared.contains(&volume))
    }

    /// The layers of a disk, the first file first, each with the number of its set of descriptors.
    pub fn sets(&self, vm: &VmSpec, disk: usize) -> Vec<(u32, i64)> {
        let (above, before) = self.layers_of(disk);
        // Sets of the first files are numbered from 1, those of layers behind them.
        let over = above.iter().enumerate().map(|(n, layer)| (*layer, (vm.disks.len() + 1 + before + n) as i64));
        std::iter::once((0, disk as i64 + 1)).chain(over).collect()
    }

    /// The layers of a disk over its first file, and how many descriptors of layers come before theirs.
    fn layers_of(&self, disk: usize) -> (&[u32], usize) {
        let before = self.layers.iter().take(disk).map(Vec::len).sum();
        (self.layers.get(disk).map_or(&[], Vec::as_slice), before)
    }
}

/// Builds QEMU's arguments.
pub fn arguments(vm: &VmSpec, inputs: &Inputs) -> Vec<String> {
    let mut out = Arguments::default();
    out.machine(vm, inputs);
    out.monitor_and_console();
    out.guest_agent(vm, inputs);
    out.first_disk(vm, inputs);
    out.nics(vm);
    out.further_disks(vm, inputs);
    out.boot(inputs);
    out.0
}

/// The instance that arguments belong to; none when they are not of one of our machines.
pub fn instance_of(arguments: &[String]) -> Option<InstanceId> {
    let name = arguments.iter().skip_while(|a| *a != "-name").nth(1)?;
    name.strip_prefix("guest=")?.split(',').next()?.parse().ok()
}

#[derive(Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn flag(&mut self, name: &str) {
        self.0.push(name.to_owned());
    }

    fn option(&mut self, name: &str, value: impl Into<String>) {
        self.0.extend([name.to_owned(), value.into()]);
    }

    fn json(&mut self, name: &str, value: &Value) {
        self.option(name, value.to_string());
    }

    fn machine(&mut self, vm: &VmSpec, inputs: &Inputs) {
        self.option("-name", format!("guest={},debug-threads=on", vm.id));
        self.flag("-no-user-config");
        self.flag("-nodefaults");
        if !inputs.keyed.is_empty() {
            self.flag("--preconfig");
        }
        self.option("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
        self.option("-display", "none");
        self.option("-machine", "pc,vmport=off,usb=off");
        match inputs.accelerator {
            Accelerator::Kvm => {
                self.option("-accel", "kvm");
                self.option("-cpu", "host");
            }
            Accelerator::Tcg | Accelerator::Simulated => {
                self.option("-accel", format!("tcg,thread=multi,tb-size={TRANSLATION_CACHE_MIB}"));
                self.option("-cpu", "max");
            }
        }
        self.option("-smp", format!("cpus={0},sockets=1,cores={0},threads=1", vm.vcpus));
        self.option("-m", format!("{}M", vm.memory.0));
        self.option("-rtc", "base=utc");
        // A guest that shuts down leaves QEMU paused: its last output is read and its intent noted before the process ends. A guest
        // that panics does as its own kernel was told to.
        self.option("-action", "reboot=reset,shutdown=pause,panic=none");
        let firmware = &vm.firmware;
        let [maker, product, uuid] = [&firmware.manufacturer, &firmware.product, &firmware.uuid].map(|t| escaped(t));
        self.option("-smbios", format!("type=1,manufacturer={maker},product={product},serial={uuid},uuid={uuid}"));
        self.option("-object", "rng-builtin,id=entropy");
        self.option("-device", format!("virtio-rng-pci,rng=entropy,addr={SMALL_DEVICES}.0,multifunction=on"));
        self.option("-device", "pvpanic");
    }

    fn monitor_and_console(&mut self) {
        self.option("-chardev", format!("socket,id=monitor,fd={FIRST_DESCRIPTOR},server=on,wait=off"));
        self.option("-mon", "chardev=monitor,mode=control");
        self.option("-chardev", format!("ringbuf,id={CONSOLE},size={}", super::serial::RING_BYTES));
        self.option("-device", format!("isa-serial,chardev={CONSOLE}"));
    }

    /// The port of the guest's agent. While nobody of us is connected, QEMU drops what the guest says.
    fn guest_agent(&mut self, vm: &VmSpec, inputs: &Inputs) {
        let descriptor = FIRST_DESCRIPTOR + inputs.before_guest_agent(vm);
        self.option("-chardev", format!("socket,id={CHANNEL},fd={descriptor},server=on,wait=off"));
        // Port 0 is a console's.
        self.option("-device", format!("virtio-serial-pci,id=serial,addr={SMALL_DEVICES}.1,max_ports=2"));
        self.option("-device", format!("virtserialport,bus=serial.0,nr=1,chardev={CHANNEL},name={PORT}"));
    }

    /// The disk that the machine boots from.
    fn first_disk(&mut self, vm: &VmSpec, inputs: &Inputs) {
        self.disks(vm, inputs, 0..1, ",werror=stop,rerror=report,bootindex=1");
    }

    /// Further disks come and go, so they are put behind everything else: a guest names other devices by their place on the bus. They
    /// stop the guest only when the host is full; it is told of other errors, as of a broken disk.
    fn further_disks(&mut self, vm: &VmSpec, inputs: &Inputs) {
        self.disks(vm, inputs, 1..vm.disks.len(), ",werror=enospc,rerror=report");
    }

    fn disks(&mut self, vm: &VmSpec, inputs: &Inputs, which: std::ops::Range<usize>, how: &str) {
        for (at, disk) in vm.disks.iter().enumerate().filter(|(at, _)| which.contains(at)) {
            let volume = disk.volume;
            let (above, before) = inputs.layers_of(at);
            let first_of_layers = FIRST_DESCRIPTOR + 1 + vm.disks.len() + vm.nics.len() + before;
            let descriptors = std::iter::once(FIRST_DESCRIPTOR + 1 + at).chain(first_of_layers..);
            let sets = inputs.sets(vm, at);
            for ((layer, set), descriptor) in sets.iter().zip(descriptors) {
                // By this name the file is found again when the disk leaves the machine.
                self.option("-add-fd", format!("fd={descriptor},set={set},opaque={}", disk::layer_files(volume, *layer)));
            }
            if !inputs.keyed.contains(&volume) {
                let below = inputs.below.get(at).and_then(Option::as_ref);
                let stored = Stored::of_disk(inputs.sharing(volume), None);
                for node in disk::nodes(volume, &sets, stored, below) {
                    self.json("-blockdev", &node);
                }
            }
            let newest = above.last().copied().unwrap_or(0);
            let (device, node, serial) = (disk::device(volume), disk::layer_node(volume, newest), escaped(&disk.serial));
            let shared = match inputs.sharing(volume) {
                Sharing::One => "",
                Sharing::Several => ",share-rw=on",
            };
            self.option("-device", format!("virtio-blk-pci,id={device},drive={node},serial={serial}{how}{shared}"));
        }
    }

    fn nics(&mut self, vm: &VmSpec) {
        for (at, nic) in vm.nics.iter().enumerate() {
            let descriptor = FIRST_DESCRIPTOR + 1 + vm.disks.len() + at;
            let (id, device) = (nic.id, super::nic::device(nic.id));
            self.option("-netdev", format!("tap,id={id},fd={descriptor}"));
            // No option ROM: a guest boots from its disk, and the firmware would spend time on it.
            self.option("-device", format!("virtio-net-pci,id={device},netdev={id},mac={},host_mtu={},romfile=", nic.mac, nic.mtu));
        }
    }

    fn boot(&mut self, inputs: &Inputs) {
        let Some(boot) = &inputs.boot else { return };
        self.option("-kernel", KERNEL);
        if boot.initrd {
            self.option("-initrd", INITRD);
        }
        self.option("-append", boot.cmdline.clone());
    }
}

/// Doubles commas, as QEMU's option lists want them, and drops control characters, which the firmware tables cannot hold.
fn escaped(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect::<String>().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{vm, vm_id};
    use hostspec::{DiskSpec, Power, VmNic};
    use model::{InterfaceId, MacAddr, Mib, VolumeId};

    fn machine() -> VmSpec {
        let mut vm = vm(7, Power::On, 1);
        vm.vcpus = 2;
        vm.memory = Mib(512);
        vm.firmware.uuid = "ec2a1b2c-0000-4000-8000-000000000007".into();
        vm.firmware.manufacturer = "Pileus, Ltd".into();
        vm.firmware.product = "Alibaba Cloud ECS".into();
        vm.disks = (1..=2)
            .map(|n| DiskSpec { volume: VolumeId::from_u64(n), serial: format!("vol{n}"), limits: model::DiskLimits::default() })
            .collect();
        vm.nics = vec![VmNic { id: InterfaceId::from_u64(9), mac: MacAddr::local(9), mtu: 1450, index: 0, group_names: vec![] }];
        vm
    }

    fn inputs(layers: Vec<Vec<u32>>) -> Inputs {
        let below = vec![Some(Below { manifest: "ab".repeat(32).parse().unwrap(), key: None }), None];
        Inputs { accelerator: Accelerator::Tcg, below, keyed: BTreeSet::new(), shared: BTreeSet::new(), layers, boot: None }
    }

    #[test]
    fn what_is_said_of_a_disk_with_keys_waits_for_the_monitor() {
        let mut inputs = inputs(vec![vec![], vec![3]]);
        let key = model::DataKey::new([9; 32]);
        inputs.below[1] = Some(Below { manifest: "cd".repeat(32).parse().unwrap(), key: Some(key.clone()) });
        inputs.keyed = BTreeSet::from([VolumeId::from_u64(2)]);
        check("keyed", &inputs);
        let text = arguments(&machine(), &inputs).join("\n");
        assert!(!text.contains(&key.to_hex()) && !text.contains("key"), "{text}");
    }

    fn check(name: &str, inputs: &Inputs) {
        let path = format!("{}/src/qemu/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let actual = arguments(&machine(), inputs).join("\n") + "\n";
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &actual).unwrap();
        }
        assert_eq!(actual, std::fs::read_to_string(&path).unwrap_or_default(), "run with UPDATE=1 and read the diff of {path}");
    }

    #[test]
    fn a_machine_boots_from_its_disk_under_the_translator() {
        check("disk_tcg", &inputs(vec![vec![]]));
    }

    #[test]
    fn a_machine_starts_a_kernel_directly_under_kvm() {
        let boot = Some(DirectBoot { cmdline: "console=ttyS0 root=/dev/vda, quiet".into(), initrd: true });
        check("kernel_kvm", &Inputs { accelerator: Accelerator::Kvm, below: vec![], boot, ..inputs(vec![]) });
    }

    #[test]
    fn a_disk_has_its_layers_over_each_other() {
        check("layers", &Inputs { below: vec![], ..inputs(vec![vec![], vec![2, 5]]) });
    }

    #[test]
    fn a_shared_disk_is_raw_and_lets_others_write() {
        check("shared", &Inputs { shared: BTreeSet::from([VolumeId::from_u64(2)]), ..inputs(vec![vec![]]) });
    }

    #[test]
    fn arguments_tell_whose_they_are() {
        let list = arguments(&machine(), &inputs(vec![]));
        assert_eq!(instance_of(&list), Some(vm_id(7)));
        assert_eq!(instance_of(&["-name".into(), "guest=other".into()]), None);
        assert_eq!(instance_of(&["-name".into()]), None);
    }
}
