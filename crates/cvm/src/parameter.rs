//! Parameters that no structure has: those that say what is so anyway are let pass, those that Tencent has and this cloud has
//! not are refused as unsupported, and all others as unknown. Nothing is passed over in silence.

use wire::{Args, Scheme};

use crate::error::Fault;

/// Parameters of every call where the older signature is used.
const COMMON: &[&str] = &["Action", "Version", "Region", "Language", "RequestClient"];

/// Parameters with the values that ask for nothing special. `*`: whatever the value, nothing depends on it here.
const PLAIN: &[(&str, &[&str])] = &[
    ("BurstPerformance", &["false"]),
    ("EnableBroadcast", &["false"]),
    ("ConsoleLogin", &["0"]),
    ("EnableJumboFrame", &["false"]),
    ("EnableMulticast", &["false"]),
    ("EnableRouteVpcPublish", &["false"]),
    ("EnableRouteVpcPublishIpv6", &["false"]),
    // The vendor's own agents in the guest; there are none here.
    ("EnhancedService.AutomationService.Enabled", &["*"]),
    ("EnhancedService.MonitorService.Enabled", &["*"]),
    ("EnhancedService.SecurityService.Enabled", &["*"]),
    ("InstanceChargeType", &["POSTPAID_BY_HOUR"]),
    ("InternetAccessible.InternetChargeType", &["TRAFFIC_POSTPAID_BY_HOUR", "BANDWIDTH_POSTPAID_BY_HOUR"]),
    ("InternetAccessible.InternetServiceProvider", &["BGP"]),
    ("NeedResetPassword", &["0"]),
    ("Placement.ProjectId", &["0"]),
    ("ProjectId", &["0"]),
    ("ReleaseAddress", &["false"]),
    ("ReleasePrepaidDataDisks", &["*"]),
    ("Sysprep", &["FALSE"]),
    ("SystemDisk.Encrypt", &["false"]),
    ("VirtualPrivateCloud.AsVpcGateway", &["false"]),
    ("VirtualPrivateCloud.Ipv6AddressCount", &["0"]),
];

/// Refuses the first parameter that nobody read and that is not plain. `absent` are those that the vendor has for the action
/// and this cloud has not, each with all that lies below it.
pub(crate) fn check_unread(args: &Args, scheme: Scheme, absent: &[&str]) -> Result<(), Fault> {
    let is_common = |name: &str| scheme == Scheme::TencentForm && COMMON.iter().any(|known| known.eq_ignore_ascii_case(name));
    for name in args.unknown(scheme.parameters()) {
        let value = args.text_at(&name);
        if is_common(&name) || value == Some("") {
            continue;
        }
        let value = value.unwrap_or("");
        let plain = PLAIN.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
        match plain {
            Some((_, values)) if values.iter().any(|plain| *plain == "*" || plain.eq_ignore_ascii_case(value)) => {}
            Some((_, values)) => {
                let value: String = value.chars().take(wire::SHOWN_CHARS).collect();
                let only = values.join(", ");
                return Err(Fault::unsupported(format!("The value '{value}' of the parameter `{name}` (only {only})")));
            }
            None if is_below(&name, absent) => return Err(Fault::unsupported(format!("The parameter `{name}`"))),
            None => return Err(Fault::new("UnknownParameter", format!("The parameter `{name}` is not known for this action."))),
        }
    }
    Ok(())
}

/// Whether a parameter is one of these or lies below one; the numbers of list items do not count.
fn is_below(name: &str, absent: &[&str]) -> bool {
    let steps: Vec<&str> = name.split('.').filter(|step| !step.bytes().all(|byte| byte.is_ascii_digit())).collect();
    absent.iter().any(|one| {
        let one: Vec<&str> = one.split('.').collect();
        one.len() <= steps.len() && one.iter().zip(&steps).all(|(one, step)| one.eq_ignore_ascii_case(step))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &str, absent: &[&str]) -> Option<String> {
        let args = Args::from_json(body.as_bytes()).unwrap();
        check_unread(&args, Scheme::TencentV3, absent).err().map(|fault| fault.code.into_owned())
    }

    #[test]
    fn what_nobody_read_is_plain_unsupported_or_unknown() {
        let absent = &["DataDisks", "Placement.HostId"];
        for (body, expected) in [
            ("{}", None),
            (r#"{"ProjectId": 0, "EnhancedService": {"MonitorService": {"Enabled": true}}}"#, None),
            (r#"{"DataDisks": [], "CamRoleName": ""}"#, None),
            (r#"{"ProjectId": 7}"#, Some("UnsupportedOperation")),
            (r#"{"DataDisks": [{"DiskSize": 10}]}"#, Some("UnsupportedOperation")),
            (r#"{"Placement": {"HostId": "h"}}"#, Some("UnsupportedOperation")),
            (r#"{"Placement": {"HostIdx": "h"}}"#, Some("UnknownParameter")),
            (r#"{"Action": "x"}"#, Some("UnknownParameter")),
        ] {
            assert_eq!(code(body, absent).as_deref(), expected, "{body}");
        }
    }
}
