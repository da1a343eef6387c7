//! The figures of each kind are those that its vendor documents.

use super::*;

fn check(kind: VolumeKind, gib: u32, iops: u64, mib: u64) {
    let limits = kind.limits(Gib(gib), Provisioned::default());
    assert_eq!((limits.iops, limits.bytes / MIB), (iops, mib), "{kind:?} of {gib} GiB");
}

#[test]
fn the_figures_are_those_of_the_vendors_tables() {
    check(VolumeKind::Balanced, 10, 100, 128);
    check(VolumeKind::Balanced, 1_000, 3_000, 250);
    check(VolumeKind::Balanced, 16_384, 16_000, 250);
    check(VolumeKind::Fast, 10, 3_000, 125);
    check(VolumeKind::Streaming, 1_024, 500, 40);
    check(VolumeKind::Cold, 1_024, 250, 12);
    check(VolumeKind::Efficient, 100, 2_600, 115);
    check(VolumeKind::Efficient, 1_000, 5_000, 140);
    check(VolumeKind::Solid, 100, 4_800, 170);
    check(VolumeKind::Level0, 100, 3_000, 125);
    check(VolumeKind::Level1, 460, 24_800, 350);
    check(VolumeKind::Level2, 461, 27_050, 350);
    check(VolumeKind::Level3, 1_261, 67_050, 750);
    check(VolumeKind::Premium, 50, 2_200, 107);
    check(VolumeKind::Second, 100, 4_800, 140);
    check(VolumeKind::Enhanced, 964, 50_000, 350);
}

#[test]
fn a_small_gp2_bursts_for_half_an_hour_and_a_large_one_needs_not() {
    let burst = |gib| VolumeKind::Balanced.limits(Gib(gib), Provisioned::default()).iops_burst;
    assert_eq!(burst(100), Some(Burst { rate: 3_000, seconds: 1_800 }));
    assert_eq!(burst(1_000), None);
}

#[test]
fn what_is_bought_comes_with_what_the_vendor_ties_to_it() {
    let with = |iops, throughput, burst| Provisioned { iops, throughput, burst };
    let io1 = VolumeKind::Provisioned.limits(Gib(1_000), with(Some(50_000), None, None));
    assert_eq!((io1.iops, io1.bytes / MIB), (50_000, 781));
    let auto = VolumeKind::Auto.limits(Gib(100), with(Some(1_000), None, Some(true)));
    assert_eq!((auto.iops, auto.bytes), (7_800, 170 * MIB + 1_000 * 16_384));
    assert_eq!(auto.iops_burst.map(|burst| burst.rate), Some(100_000));
    let extra = VolumeKind::Enhanced.limits(Gib(1_000), with(None, Some(100), None));
    assert_eq!((extra.iops, extra.bytes / MIB), (62_800, 450));
}

#[test]
fn what_a_kind_does_not_sell_or_its_size_does_not_carry_is_refused() {
    let refused = |kind: VolumeKind, gib, iops, throughput| {
        let asked = Provisioned { iops, throughput, burst: None };
        assert!(matches!(kind.check(Gib(gib), asked), Err(Error::InvalidParameter { .. })), "{kind:?} {gib} {asked:?}");
    };
    refused(VolumeKind::Balanced, 100, Some(500), None);
    refused(VolumeKind::Fast, 100, Some(2_999), None);
    refused(VolumeKind::Fast, 10, Some(5_001), None);
    refused(VolumeKind::Fast, 100, None, Some(124));
    refused(VolumeKind::Fast, 100, None, Some(751));
    refused(VolumeKind::Provisioned, 4, Some(201), None);
    refused(VolumeKind::Provisioned, 3, Some(100), None);
    refused(VolumeKind::Streaming, 124, None, None);
    refused(VolumeKind::Level2, 460, None, None);
    refused(VolumeKind::Auto, 2, Some(101), None);
    refused(VolumeKind::Enhanced, 460, None, Some(1));
    let fine = Provisioned { iops: Some(4_000), throughput: Some(1_000), burst: None };
    assert_eq!(VolumeKind::Fast.check(Gib(8), fine), Ok(()));
}

#[test]
fn a_change_keeps_what_was_bought_only_while_the_kind_stays() {
    let before = Provisioned { iops: Some(4_000), throughput: Some(200), burst: None };
    let asked = Provisioned { throughput: Some(300), ..Provisioned::default() };
    assert_eq!(asked.over(before, true), Provisioned { iops: Some(4_000), throughput: Some(300), burst: None });
    assert_eq!(asked.over(before, false), asked);
}
