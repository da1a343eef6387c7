//! What can be wrong with a request's parameters, precise enough for each vendor's own words.

/// One parameter that cannot be taken as it is.
///
/// It carries no vendor's code: each dialect has one table from `kind` to its codes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {kind}")]
pub struct ArgsError {
    /// The parameter as the vendor's documents name it, such as `DataDisk.2.Size`; empty when the
    /// request as a whole is meant.
    pub path: String,
    /// What is wrong with it.
    pub kind: ArgsErrorKind,
    /// The value given, cut to [`SHOWN_CHARS`] characters, where showing it helps.
    pub given: Option<String>,
}

/// How many characters of a refused value an error repeats.
pub const SHOWN_CHARS: usize = 64;

impl ArgsError {
    /// Makes an error that does not repeat the value.
    pub fn new(path: impl ToString, kind: ArgsErrorKind) -> Self {
        Self { path: path.to_string(), kind, given: None }
    }

    /// Makes an error that repeats the start of the value.
    pub fn with_value(path: impl ToString, kind: ArgsErrorKind, value: &str) -> Self {
        Self { path: path.to_string(), kind, given: Some(value.chars().take(SHOWN_CHARS).collect()) }
    }
}

/// What is wrong with one parameter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgsErrorKind {
    /// It is required and absent.
    #[error("is required")]
    Missing,
    /// It should be a number.
    #[error("is not a number")]
    NotANumber,
    /// It should be `true` or `false`.
    #[error("is neither true nor false")]
    NotABoolean,
    /// It should be a moment in ISO 8601.
    #[error("is not a time in ISO 8601")]
    NotATimestamp,
    /// It should be base64.
    #[error("is not base64")]
    NotBase64,
    /// It should be JSON text.
    #[error("is not the JSON expected")]
    NotJson,
    /// It is a number outside of its range.
    #[error("is not between {min} and {max}")]
    OutOfRange {
        /// The smallest value allowed.
        min: i128,
        /// The largest value allowed.
        max: i128,
    },
    /// It is not one of a closed list of words.
    #[error("is not one of {}", .allowed.join(", "))]
    NotOneOf {
        /// The words allowed.
        allowed: &'static [&'static str],
    },
    /// Its text is shorter than allowed.
    #[error("is shorter than {min} characters")]
    TooShort {
        /// The limit in characters.
        min: usize,
    },
    /// Its text, or the parameter's name, is longer than allowed.
    #[error("is longer than {max} characters")]
    TooLong {
        /// The limit in characters (bytes for a name).
        max: usize,
    },
    /// It is a list of more items than allowed, or there are too many parameters.
    #[error("has more than {max} items")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// Its name, or the JSON around it, is nested deeper than allowed.
    #[error("is nested deeper than {max}")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// Its name or text cannot be read at all.
    #[error("is malformed")]
    Malformed,
    /// It is given twice.
    #[error("is given more than once")]
    Duplicate,
    /// It is a structure or list where one value is expected.
    #[error("is not a single value")]
    NotAValue,
    /// It is one value where a structure is expected.
    #[error("is not a structure")]
    NotAStructure,
    /// It is one value or a structure where a list is expected.
    #[error("is not a list")]
    NotAList,
}
