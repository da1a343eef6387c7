//! The sizes beyond which a request is refused, in one place.
//!
//! Nothing here is a quota: these bound what one request may cost before anybody is authenticated.

/// Bytes of the request line that a listener accepts.
///
/// Alibaba's SDKs put everything into the query string, 16 KiB of user data in base64 and then
/// percent-encoded included: 16 KiB x 4/3 x at most 3 = 64 KiB.
pub const MAX_REQUEST_LINE_BYTES: usize = 64 * 1024;

/// Bytes of a request body.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Headers of one request.
pub const MAX_HEADERS: usize = 100;

/// Parameters of one request, over query string and form together; also the values of a JSON body.
pub const MAX_PARAMETERS: usize = 10_000;

/// Bytes of one parameter's whole name, such as `DataDisk.2.Size`.
pub const MAX_NAME_BYTES: usize = 512;

/// Steps of one parameter's name.
///
/// EC2's fleets go deepest, with 9: `LaunchTemplateConfigs.1.Overrides.1.InstanceRequirements.
/// BaselinePerformanceFactors.Cpu.Reference.1.InstanceFamily` is 10 with its index.
pub const MAX_DEPTH: usize = 10;

/// Items of one list.
pub const MAX_LIST: usize = 1_000;
