//! `cargo xtask image`: runs the recipes under images/, which keep their own cache.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::run;

/// What `image` can be told.
#[derive(Args)]
pub struct Options {
    /// Which image
    #[arg(value_enum, default_value_t = Image::All)]
    pub image: Image,
    /// Compare the package versions with Debian's even if the build is recent
    #[arg(long)]
    pub fresh: bool,
}

/// The images there are recipes for.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Image {
    /// The small one of our own
    PileusLinux,
    /// The stock cloud-init one
    #[value(name = "debian-12")]
    Debian12,
    /// All of them
    All,
}

impl Image {
    fn recipes(self) -> &'static [&'static str] {
        match self {
            Image::PileusLinux => &["pileus-linux"],
            Image::Debian12 => &["debian-12"],
            Image::All => &["pileus-linux", "debian-12"],
        }
    }
}

/// Builds what is not built yet. Needs root and the packages of [`crate::packages`].
pub fn build(options: &Options) -> Result<()> {
    for recipe in options.image.recipes() {
        let script = run::root().join("images").join(recipe).join("build.sh");
        let mut command = run::command("sh", &[]);
        command.arg(script);
        if options.fresh {
            command.env("PILEUS_IMAGE_FRESH", "1");
        }
        run::shown(&mut command)?;
    }
    Ok(())
}

/// Returns the folder that holds one folder a built image.
pub fn folder() -> PathBuf {
    match std::env::var_os("PILEUS_IMAGE_CACHE") {
        Some(folder) => folder.into(),
        None => run::root().join("images/out"),
    }
}
