//! How much fits before the first refusal: at least what plain best fit places, and near what the best plan made with
//! knowledge of the future would.

use super::*;

/// Small numbers from a seed (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }
}

/// Processors and GiB.
type Size = (u32, u64);

const TYPES: &[Size] =
    &[(1, 1), (1, 2), (2, 4), (2, 8), (4, 8), (4, 16), (8, 16), (8, 32), (16, 64), (2, 16), (4, 32), (8, 64), (16, 128), (16, 32)];

/// Sizes as a seed's tenants ask for them: each tenant fleet has its own favourites.
fn workload(seed: u64, length: usize) -> Vec<Size> {
    let mut dice = Dice::new(seed);
    let favourites: Vec<Size> = (0..6).map(|_| TYPES[dice.roll(TYPES.len())]).collect();
    (0..length).map(|_| favourites[dice.roll(favourites.len())]).collect()
}

fn ours(hosts: &[Size], items: &[Size]) -> usize {
    let mut fleet = Fleet::new(Overcommit::none(), 3);
    for (n, (vcpus, gib)) in hosts.iter().enumerate() {
        let capacity = HostCapacity { vcpus: *vcpus, memory: Mib(gib * 1024), disk: Gib(1 << 20), instances: 1 << 20 };
        fleet.host_upsert(HostRow { capacity, ..host(n as u64 + 1) });
    }
    for (placed, (vcpus, gib)) in items.iter().enumerate() {
        let need = need(*vcpus, *gib);
        let Ok(host) = fleet.place(&Request::plain(need)) else { return placed };
        fleet.reserve(host, &need);
    }
    items.len()
}

/// The usual rule: the host with least left, processors and memory weighed by what the fleet has of each.
fn best_fit(hosts: &[Size], items: &[Size]) -> usize {
    let mut free = hosts.to_vec();
    let total = hosts.iter().fold((0.0, 0.0), |t, h| (t.0 + f64::from(h.0), t.1 + h.1 as f64));
    for (placed, item) in items.iter().enumerate() {
        let left = |h: &Size| f64::from(h.0 - item.0) / total.0 + (h.1 - item.1) as f64 / total.1;
        let fit = free.iter_mut().filter(|h| h.0 >= item.0 && h.1 >= item.1);
        let Some(host) = fit.min_by(|a, b| left(a).total_cmp(&left(b))) else { return placed };
        *host = (host.0 - item.0, host.1 - item.1);
    }
    items.len()
}

/// Most of the first items that fit in any arrangement: one more each time, until no arrangement of them is found.
fn optimum(hosts: &[Size], items: &[Size]) -> usize {
    let (cpu, mem) = hosts.iter().fold((0, 0), |t, h| (t.0 + h.0, t.1 + h.1));
    let (mut need_cpu, mut need_mem) = (0, 0);
    for count in 0..items.len() {
        (need_cpu, need_mem) = (need_cpu + items[count].0, need_mem + items[count].1);
        let mut first = items[..=count].to_vec();
        // Large ones first, so that dead ends show early.
        first.sort_by_key(|(c, m)| std::cmp::Reverse((u64::from(*c) * 4).max(*m)));
        if need_cpu > cpu || need_mem > mem || !arrange(&mut hosts.to_vec(), &first, &mut BTreeSet::new()) {
            return count;
        }
    }
    items.len()
}

/// Whether all items find room: tries every host that differs from those tried, and no state of the hosts twice.
fn arrange(free: &mut [Size], items: &[Size], dead: &mut BTreeSet<(usize, Vec<Size>)>) -> bool {
    let Some((item, rest)) = items.split_first() else { return true };
    free.sort_unstable();
    if dead.contains(&(items.len(), free.to_vec())) {
        return false;
    }
    for at in 0..free.len() {
        if free[at].0 < item.0 || free[at].1 < item.1 || at > 0 && free[at] == free[at - 1] {
            continue;
        }
        let mut next = free.to_vec();
        next[at] = (next[at].0 - item.0, next[at].1 - item.1);
        if arrange(&mut next, rest, dead) {
            return true;
        }
    }
    dead.insert((items.len(), free.to_vec()));
    false
}

#[test]
fn as_much_fits_as_with_best_fit_and_more_on_mixed_fleets() {
    for (name, shapes, better_percent) in [
        ("one shape that suits", &[(96, 384)][..], 0),
        ("one shape, short of memory", &[(64, 192)], 0),
        ("three shapes", &[(96, 384), (64, 512), (128, 256)], 5),
        ("three shapes, short of memory", &[(48, 192), (96, 192), (96, 768)], 5),
    ] {
        let hosts: Vec<Size> = (0..45).map(|n| shapes[n % shapes.len()]).collect();
        let (mut sum, mut sum_best_fit, mut worst) = (0, 0, 100);
        for seed in 0..30 {
            let items = workload(seed, 6_000);
            let (a, b) = (ours(&hosts, &items), best_fit(&hosts, &items));
            assert!(a < items.len() && b < items.len(), "the fleet never filled");
            (sum, sum_best_fit, worst) = (sum + a, sum_best_fit + b, worst.min(a * 100 / b));
        }
        assert!(sum * 100 >= sum_best_fit * (100 + better_percent), "{name}: {sum} against {sum_best_fit}");
        assert!(worst >= 97, "{name}: {worst} percent at worst");
    }
}

#[test]
fn a_few_hosts_are_filled_nearly_as_well_as_with_foresight() {
    let (mut sum, mut sum_optimum, mut sum_best_fit, mut same) = (0, 0, 0, 0);
    for seed in 0..60 {
        let mut dice = Dice::new(seed + 1000);
        let hosts: Vec<Size> = (0..3 + dice.roll(4)).map(|_| [(16, 64), (16, 32), (16, 128)][dice.roll(3)]).collect();
        let items: Vec<Size> = workload(seed, 60).into_iter().filter(|(c, m)| *c <= 8 && *m <= 32).collect();
        let (a, most) = (ours(&hosts, &items), optimum(&hosts, &items));
        assert!(a <= most, "more than possible: {a} of {most}");
        assert!(a * 2 >= most, "seed {seed}: {a} of {most}");
        (sum, sum_optimum, sum_best_fit) = (sum + a, sum_optimum + most, sum_best_fit + best_fit(&hosts, &items));
        same += usize::from(a == most);
    }
    assert!(sum * 100 >= sum_optimum * 88, "{sum} of {sum_optimum}");
    assert!(sum >= sum_best_fit, "{sum} against {sum_best_fit}");
    assert!(same >= 10, "{same} of 60 are perfect");
}
