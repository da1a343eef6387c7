//! The checks that `#[arg(range, max_len, min_len, max_items)]` put behind a field: they look
//! through `Option` and lists at the values themselves.

use secrecy::{ExposeSecret, SecretString};

use super::{ArgsError, ArgsErrorKind, Base64, CommaList, Json, Path};

/// A value, or some of them, that a range can be asked of.
pub trait InRange {
    /// Refuses any value outside of `min..=max` with `OutOfRange`.
    fn check_range(&self, min: i128, max: i128, path: &Path<'_>) -> Result<(), ArgsError>;
}

/// A text, or some of them, that a length in characters can be asked of.
pub trait HasLength {
    /// Refuses any text outside of `min..=max` characters (bytes, for bytes).
    fn check_length(&self, min: usize, max: usize, path: &Path<'_>) -> Result<(), ArgsError>;
}

/// A list that a count can be asked of.
pub trait HasItems {
    /// Refuses more than `max` items with `TooMany`.
    fn check_items(&self, max: usize, path: &Path<'_>) -> Result<(), ArgsError>;
}

macro_rules! number_ranges {
    ($($number:ty),*) => {$(
        impl InRange for $number {
            fn check_range(&self, min: i128, max: i128, path: &Path<'_>) -> Result<(), ArgsError> {
                if (min..=max).contains(&(*self as i128)) {
                    return Ok(());
                }
                let kind = ArgsErrorKind::OutOfRange { min, max };
                Err(ArgsError::with_value(path, kind, &self.to_string()))
            }
        }
    )*};
}

number_ranges!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

impl InRange for f64 {
    fn check_range(&self, min: i128, max: i128, path: &Path<'_>) -> Result<(), ArgsError> {
        if (min as f64..=max as f64).contains(self) {
            return Ok(());
        }
        let kind = ArgsErrorKind::OutOfRange { min, max };
        Err(ArgsError::with_value(path, kind, &self.to_string()))
    }
}

fn check_count(count: usize, min: usize, max: usize, path: &Path<'_>) -> Result<(), ArgsError> {
    if count < min {
        Err(ArgsError::new(path, ArgsErrorKind::TooShort { min }))
    } else if count > max {
        Err(ArgsError::new(path, ArgsErrorKind::TooLong { max }))
    } else {
        Ok(())
    }
}

impl HasLength for String {
    fn check_length(&self, min: usize, max: usize, path: &Path<'_>) -> Result<(), ArgsError> {
        check_count(self.chars().count(), min, max, path)
    }
}

impl HasLength for SecretString {
    fn check_length(&self, min: usize, max: usize, path: &Path<'_>) -> Result<(), ArgsError> {
        check_count(self.expose_secret().chars().count(), min, max, path)
    }
}

impl HasLength for Base64 {
    fn check_length(&self, min: usize, max: usize, path: &Path<'_>) -> Result<(), ArgsError> {
        check_count(self.0.len(), min, max, path)
    }
}

impl<T: InRange> InRange for Option<T> {
    fn check_range(&self, min: i128, max: i128, path: &Path<'_>) -> Result<(), ArgsError> {
        self.iter().try_for_each(|value| value.check_range(min, max, path))
    }
}

impl<T: InRange> InRange for Vec<T> {
    fn check_range(&self, min: i128, max: i128, path: &Path<'_>) -> Result<(), ArgsError> {
        self.iter().try_for_each(|value| value.check_range(min, max, path))
    }
}

impl<T: HasLength> HasLength for Option<T> {
    fn check_length(&self, min: usize, max: usize, path: &Path<'_>) -> Result<(), ArgsError> {
        self.iter().try_for_each(|value| value.check_length(min, max, path))
    }
}

impl<T: HasLength> HasLength for Vec<T> {
    fn check_length(&self, min: usize, max: usize, path: &Path<'_>) -> Result<(), ArgsError> {
        self.iter().try_for_each(|value| value.check_length(min, max, path))
    }
}

impl<T: HasLength> HasLength for Json<T> {
    fn check_length(&self, min: usize, max: usize, path: &Path<'_>) -> Result<(), ArgsError> {
        self.0.check_length(min, max, path)
    }
}

impl<T: HasLength> HasLength for CommaList<T> {
    fn check_length(&self, min: usize, max: usize, path: &Path<'_>) -> Result<(), ArgsError> {
        self.0.check_length(min, max, path)
    }
}

impl<T> HasItems for Vec<T> {
    fn check_items(&self, max: usize, path: &Path<'_>) -> Result<(), ArgsError> {
        if self.len() > max {
            return Err(ArgsError::new(path, ArgsErrorKind::TooMany { max }));
        }
        Ok(())
    }
}

impl<T> HasItems for Json<Vec<T>> {
    fn check_items(&self, max: usize, path: &Path<'_>) -> Result<(), ArgsError> {
        self.0.check_items(max, path)
    }
}

impl<T> HasItems for CommaList<T> {
    fn check_items(&self, max: usize, path: &Path<'_>) -> Result<(), ArgsError> {
        self.0.check_items(max, path)
    }
}

impl<T: HasItems> HasItems for Option<T> {
    fn check_items(&self, max: usize, path: &Path<'_>) -> Result<(), ArgsError> {
        self.iter().try_for_each(|list| list.check_items(max, path))
    }
}
