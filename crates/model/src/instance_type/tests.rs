//! What users of the three clouds expect of the catalogue.

use std::collections::HashSet;

use super::*;

fn check(name: &str, canonical: &str, vcpus: u32, mib: u64) {
    let found = Catalogue::standard().by_name(name).unwrap_or_else(|| panic!("{name} is unknown"));
    assert_eq!((found.name.as_str(), found.vcpus, found.memory), (canonical, vcpus, Mib(mib)), "{name}");
}

#[test]
fn a_hundred_types_or_more_up_to_64_processors() {
    let rows = Catalogue::standard().all();
    assert!(rows.len() >= 100, "{}", rows.len());
    assert_eq!(rows.iter().map(|r| r.vcpus).max(), Some(64));
    assert_eq!(rows.iter().map(|r| r.memory).min(), Some(Mib(128)));
    for category in Category::ALL {
        assert!(rows.iter().filter(|r| r.category == category).count() >= 10, "{category}");
    }
}

#[test]
fn a_type_answers_to_the_names_of_three_clouds() {
    for (name, canonical, vcpus, mib) in [
        ("m6i.large", "m6i.large", 2, 8192),
        ("m5.large", "m6i.large", 2, 8192),
        ("m5a.16xlarge", "m6i.16xlarge", 64, 262_144),
        ("m4.xlarge", "m6i.xlarge", 4, 16_384),
        ("ecs.g7.large", "m6i.large", 2, 8192),
        ("ecs.g6.xlarge", "m6i.xlarge", 4, 16_384),
        ("S5.MEDIUM8", "m6i.large", 2, 8192),
        ("S6.MEDIUM4", "c6i.large", 2, 4096),
        ("c5.xlarge", "c6i.xlarge", 4, 8192),
        ("c6i.2xlarge", "c6i.2xlarge", 8, 16_384),
        ("ecs.c7.4xlarge", "c6i.4xlarge", 16, 32_768),
        ("r5.2xlarge", "r6i.2xlarge", 8, 65_536),
        ("ecs.r7.xlarge", "r6i.xlarge", 4, 32_768),
        ("M5.LARGE32", "r6i.xlarge", 4, 32_768),
        ("t2.micro", "t2.micro", 1, 1024),
        ("t3.micro", "t3.micro", 2, 1024),
        ("t3a.medium", "t3.medium", 2, 4096),
        ("t2.medium", "t3.medium", 2, 4096),
        ("ecs.t6-c1m1.large", "t3.small", 2, 2048),
        ("ecs.t5-lc1m1.small", "t2.micro", 1, 1024),
        ("ecs.n4.small", "s1-m2.medium", 1, 2048),
        ("ecs.e-c1m2.large", "s1-m2.large", 2, 4096),
        ("S5.SMALL1", "s1-m1.medium", 1, 1024),
        ("SA2.MEDIUM4", "s1-m2.large", 2, 4096),
        ("S8.LARGE16", "m7i.xlarge", 4, 16_384),
        ("m7a.medium", "m7i.medium", 1, 4096),
        ("lab1.nano", "lab1.nano", 1, 128),
    ] {
        check(name, canonical, vcpus, mib);
    }
}

#[test]
fn a_name_that_no_vendor_has_is_unknown() {
    for name in ["", "m6i", "m6i.", "M6I.LARGE", "ecs.m6i.large", "t3.small ", "c5.8xlarge", "S6.MEDIUM9", "m4.8xlarge"] {
        assert!(Catalogue::standard().by_name(name).is_none(), "{name}");
    }
}

#[test]
fn each_vendor_has_one_shown_name_for_every_type() {
    let rows = Catalogue::standard().all();
    for shown in [InstanceType::ec2_name, InstanceType::ecs_name, InstanceType::cvm_name] {
        assert_eq!(rows.iter().map(shown).collect::<HashSet<_>>().len(), rows.len());
    }
    for row in rows {
        assert!(!row.ec2_name().starts_with("ecs.") && row.ec2_name().contains('.'), "{row:?}");
        assert!(row.ecs_name().starts_with("ecs."), "{row:?}");
        assert!(row.cvm_name().starts_with(|c: char| c.is_ascii_uppercase()), "{row:?}");
        assert_eq!(format!("{}.", row.family), row.name[..=row.family.len()]);
        assert!(row.ecs_name().starts_with(row.ecs_family()) && row.cvm_name().starts_with(row.cvm_family()));
    }
}

#[test]
fn a_family_keeps_its_ratio_of_memory_to_processors() {
    for row in Catalogue::standard().all() {
        let per_vcpu = row.memory.0 / u64::from(row.vcpus);
        match row.category {
            Category::General => assert_eq!(per_vcpu, 4096, "{}", row.name),
            Category::Compute => assert_eq!(per_vcpu, 2048, "{}", row.name),
            Category::Memory => assert_eq!(per_vcpu, 8192, "{}", row.name),
            Category::Burstable => assert!((256..=4096).contains(&per_vcpu), "{}", row.name),
            Category::Shared => assert!((128..=8192).contains(&per_vcpu), "{}", row.name),
        }
        assert_eq!(row.credits.is_some(), row.category == Category::Burstable, "{}", row.name);
    }
}

#[test]
fn a_cvm_name_ends_in_its_memory() {
    for row in Catalogue::standard().all() {
        for name in &row.cvm_names {
            let gib = name.rsplit(|c: char| c.is_ascii_alphabetic()).next().unwrap();
            if gib.is_empty() {
                assert!(name.ends_with(&format!("{}M", row.memory.0)), "{name}");
            } else {
                assert_eq!(gib.parse::<u64>().unwrap() * 1024, row.memory.0, "{name}");
            }
        }
    }
}

#[test]
fn larger_types_of_a_family_have_no_lower_limits() {
    for pair in Catalogue::standard().all().windows(2) {
        let [small, large] = pair else { unreachable!() };
        if small.family != large.family {
            continue;
        }
        assert!(small.vcpus <= large.vcpus && small.memory <= large.memory, "{} {}", small.name, large.name);
        assert!(small.network.baseline_mbps <= large.network.baseline_mbps, "{} {}", small.name, large.name);
        assert!(small.network.max_interfaces <= large.network.max_interfaces, "{} {}", small.name, large.name);
        assert!(small.disk.iops <= large.disk.iops, "{} {}", small.name, large.name);
        assert!(small.disk.megabytes_per_second <= large.disk.megabytes_per_second, "{} {}", small.name, large.name);
    }
    for row in Catalogue::standard().all() {
        assert!(row.network.baseline_mbps > 0 && row.network.baseline_mbps <= row.network.burst_mbps, "{}", row.name);
        assert!(row.disk.max_volumes >= 16 && row.network.max_interfaces >= 2, "{}", row.name);
    }
}

#[test]
fn credits_are_those_of_t3() {
    for (name, per_hour, cap) in [("t3.nano", 6, 144), ("t3.micro", 12, 288), ("t3.large", 36, 864), ("t3.2xlarge", 192, 4608)] {
        let credits = Catalogue::standard().by_name(name).and_then(|t| t.credits).unwrap();
        assert_eq!((credits.millicredits_per_hour, credits.millicredits_cap), (per_hour * 1000, cap * 1000), "{name}");
    }
}

#[test]
fn two_rows_may_not_share_a_name() {
    let row = Catalogue::standard().all()[0].clone();
    let twice = Catalogue::new(vec![row.clone(), row.clone()]).unwrap_err();
    assert_eq!(twice, CatalogueError::NameTwice { name: row.name.clone() });
    let renamed = InstanceType { name: "x.large".into(), ..row };
    assert_eq!(Catalogue::new(vec![renamed]).unwrap_err(), CatalogueError::NotCanonical { name: "x.large".into() });
}

#[test]
fn a_type_is_shown_by_the_name_that_was_asked_for() {
    let catalogue = Catalogue::standard();
    let kind = catalogue.by_name("m5.large").unwrap();
    assert_ne!(kind.name, "m5.large");
    assert_eq!(catalogue.shown(Scheme::Ec2, "m5.large"), "m5.large");
    assert_eq!(catalogue.shown(Scheme::Ecs, "m5.large"), kind.ecs_name());
    assert_eq!(catalogue.shown(Scheme::Ec2, kind.ecs_name()), kind.name);
    assert_eq!(catalogue.shown(Scheme::Cvm, "no.such"), "no.such");
}

#[test]
fn every_type_is_found_by_the_name_that_it_is_shown_with() {
    let catalogue = Catalogue::standard();
    for scheme in [Scheme::Ec2, Scheme::Ecs, Scheme::Cvm] {
        for name in catalogue.all().iter().flat_map(|kind| kind.names()) {
            let shown = catalogue.shown(scheme, name);
            assert!(catalogue.kept_as(scheme, shown).contains(name), "{name} shown as {shown}");
        }
    }
    assert_eq!(catalogue.kept_as(Scheme::Ec2, "m5.large"), ["m5.large"]);
}
