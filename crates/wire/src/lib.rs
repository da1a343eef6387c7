//! How the clouds' requests are decoded, verified and answered.
