//! Parameters that no structure has: those that say what is so anyway are let pass, the others are refused by name, and with the
//! reason that the action's row gives for it.
//!
//! ECS itself ignores names that it does not know. This cloud has fewer of ECS's parameters, and to ignore one would be to
//! promise what is not done; so a parameter that nobody read is an error unless it is empty or listed here.

use wire::{Args, Scheme};

use crate::error::Fault;

/// Parameters of every call.
const COMMON: &[&str] = &[
    "Action",
    "Version",
    "Format",
    "AcceptLanguage",
    "OwnerId",
    "OwnerAccount",
    "ResourceOwnerId",
    "ResourceOwnerAccount",
    "CallerParentId",
    "CallerType",
];

/// Parameters with the values that ask for nothing special. `*`: whatever the value, nothing depends on it here.
const PLAIN: &[(&str, &[&str])] = &[
    ("Affinity", &["default"]),
    ("Architecture", &["x86_64"]),
    ("AutoPay", &["*"]),
    ("AutoRenew", &["false"]),
    ("ConfirmStop", &["*"]),
    ("CreditSpecification", &["Standard"]),
    ("DataDiskCategory", &["cloud_essd"]),
    ("EipBindMode", &["MULTI_BINDED"]),
    ("EnableIpv6", &["false"]),
    ("EnableShared", &["false"]),
    ("ForceDelete", &["false"]),
    ("Hibernate", &["false"]),
    ("InitLocalDisk", &["*"]),
    ("InstanceChargeType", &["PostPaid"]),
    ("InternetChargeType", &["PayByTraffic"]),
    ("IoOptimized", &["optimized", "true"]),
    ("IpVersion", &["DualStack"]),
    ("Isp", &["BGP"]),
    ("NeedSaleCycle", &["false"]),
    ("Netmode", &["public"]),
    ("NetworkCategory", &["vpc"]),
    ("NetworkInterfaceTrafficMode", &["Standard"]),
    ("NetworkType", &["vpc"]),
    ("NicType", &["intranet", "internet"]),
    ("PasswordInherit", &["false"]),
    ("Period", &["*"]),
    ("PeriodUnit", &["*"]),
    ("RemoveSymbols", &["false"]),
    ("ResourceType", &["instance", "Instance"]),
    ("Scope", &["Region"]),
    ("SecurityEnhancementStrategy", &["Deactive"]),
    ("ServiceManaged", &["false"]),
    ("ShowExpired", &["*"]),
    ("SpotDuration", &["1"]),
    ("SpotStrategy", &["NoSpot"]),
    ("SystemDiskCategory", &["cloud_essd"]),
    ("Tenancy", &["default"]),
    ("TerminateSubscription", &["*"]),
    ("Verbose", &["*"]),
];

/// A parameter of the vendor's that an action refuses as unsupported, with all that lies below it, and why.
pub type Absent = (&'static str, &'static str);

/// Refuses the first parameter that nobody read and that is not plain.
pub(crate) fn check_unread(args: &Args, scheme: Scheme, absent: &[Absent]) -> Result<(), Fault> {
    let mut unread =
        args.unknown(scheme.parameters()).into_iter().filter(|name| !COMMON.iter().any(|known| known.eq_ignore_ascii_case(name)));
    match unread.find(|name| !is_plain(name, args.text_at(name))) {
        Some(name) => Err(Fault::unsupported_parameter(described(&name, args.text_at(&name), absent))),
        None => Ok(()),
    }
}

fn is_plain(name: &str, value: Option<&str>) -> bool {
    let Some(value) = value else { return false };
    let plain = PLAIN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    value.is_empty() || plain.is_some_and(|(_, values)| values.iter().any(|plain| *plain == "*" || plain.eq_ignore_ascii_case(value)))
}

/// The parameter, or its value when another one would do; with the reason, where the action has one.
fn described(name: &str, value: Option<&str>, absent: &[Absent]) -> String {
    let plain = PLAIN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    match (plain, value) {
        (Some((name, values)), Some(value)) => {
            let value: String = value.chars().take(wire::SHOWN_CHARS).collect();
            format!("The value '{value}' of the parameter {name} (only {})", values.join(", "))
        }
        (Some(_) | None, Some(_) | None) => {
            let first = name.split('.').next().unwrap_or(name);
            match absent.iter().find(|(known, _)| known.eq_ignore_ascii_case(first)) {
                Some((_, reason)) => format!("The parameter {name} ({reason})"),
                None => format!("The parameter {name}"),
            }
        }
    }
}
