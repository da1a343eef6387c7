//! A repository from a shell, for trying it out; its tests run it as the process that gets killed.
//!
//! ```text
//!   repository import DIR DISK           prints the image's digest; DISK may be - for standard input
//!   repository recipe DIR FOLDER         imports what an image recipe has built
//!   repository serve DIR SOCKET          until SIGTERM
//!   repository verify DIR DIGEST         prints what is wrong
//!   repository export DIR DIGEST         writes the disk to standard output
//!   repository sweep DIR | usage DIR
//!   repository rates DISK                prints store=MB/s and restore=MB/s with the usual settings
//!   repository measure DISK [LEVEL...]   store and restore by chunk size and level
//! ```

use pileus_repository::server::{self, ServerConfig};
use pileus_repository::{Digest, Repository, Settings};
use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["import", folder, "-"] => println!("{}", Repository::open(folder)?.import_raw(stdin().lock(), None)?),
        ["import", folder, disk] => println!("{}", Repository::open(folder)?.import_raw_file(Path::new(disk), None)?),
        ["recipe", folder, built] => println!("{:?}", Repository::open(folder)?.import_folder(built)?),
        ["serve", folder, socket] => server::main(ServerConfig::new(folder, socket))?,
        ["verify", folder, image] => {
            for problem in Repository::open(folder)?.verify(&image.parse()?) {
                println!("{problem}");
            }
        }
        ["export", folder, image] => export(&Repository::open(folder)?, &image.parse()?, stdout().lock())?,
        ["sweep", folder] => println!("{:?}", Repository::open(folder)?.sweep()?),
        ["usage", folder] => println!("{:?}", Repository::open(folder)?.usage()?),
        ["rates", disk] => rates(Path::new(disk))?,
        ["measure", disk, ref levels @ ..] => measure(Path::new(disk), levels)?,
        _ => return Err("see the head of this example for its commands".into()),
    }
    Ok(())
}

fn export(repository: &Repository, image: &Digest, mut to: impl Write) -> Result<(), Box<dyn Error>> {
    let reader = repository.reader(image)?;
    for index in 0..reader.manifest().chunks.len() {
        let chunk_bytes = u64::from(reader.manifest().chunk_bytes);
        let length = chunk_bytes.min(reader.size_bytes() - index as u64 * chunk_bytes);
        match reader.chunk(index)? {
            Some(chunk) => to.write_all(&chunk)?,
            None => to.write_all(&vec![0; length as usize])?,
        }
    }
    Ok(())
}

fn rates(disk: &Path) -> Result<(), Box<dyn Error>> {
    let beside = disk.parent().ok_or("a disk lies in a folder")?;
    let (folder, copy) = (beside.join("rated-repository"), beside.join("rated.raw"));
    let repository = Repository::open(&folder)?;
    let megabytes = std::fs::metadata(disk)?.len() as f64 / 1e6;
    let start = Instant::now();
    let image = repository.import_raw_file(disk, None)?;
    println!("store={:.1}", megabytes / start.elapsed().as_secs_f64());
    let start = Instant::now();
    let file = std::fs::File::create(&copy)?;
    export(&repository, &image, &file)?;
    file.sync_all()?;
    println!("restore={:.1}", megabytes / start.elapsed().as_secs_f64());
    std::fs::remove_dir_all(folder)?;
    Ok(std::fs::remove_file(copy)?)
}

fn measure(disk: &Path, levels: &[&str]) -> Result<(), Box<dyn Error>> {
    let beside = disk.parent().ok_or("a disk lies in a folder")?;
    let levels = if levels.is_empty() { &["3"] } else { levels };
    for level in levels {
        for chunk_bytes in [64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20] {
            let folder = beside.join("measured-repository");
            let settings = Settings { chunk_bytes, level: level.parse()?, ..Settings::default() };
            let repository = Repository::open_with(&folder, settings.clone())?;
            let start = Instant::now();
            let image = repository.import_raw_file(disk, None)?;
            let store = start.elapsed().as_secs_f64();
            let usage = repository.usage()?;
            let start = Instant::now();
            export(&repository, &image, std::io::sink())?;
            let restore = start.elapsed().as_secs_f64();
            let cold = random_reads(&Repository::open_with(&folder, settings)?, &image)?;
            let plain = usage.chunks as f64 * f64::from(chunk_bytes) / 1e6;
            println!(
                "level {level} chunk {:4} KiB: {plain:.0} MB -> {:.1} MB in {} chunks; store {:.0} MB/s, restore {:.0} MB/s, 4 KiB at random {cold:.0} us",
                chunk_bytes >> 10,
                usage.chunk_bytes as f64 / 1e6,
                usage.chunks,
                plain / store,
                plain / restore
            );
            std::fs::remove_dir_all(&folder)?;
        }
    }
    Ok(())
}

/// Mean time in microseconds of a read of 4 KiB in a stored chunk that is not in memory.
fn random_reads(repository: &Repository, image: &Digest) -> Result<f64, Box<dyn Error>> {
    const READS: usize = 200;
    let reader = repository.reader(image)?;
    let stored: Vec<usize> = (0..reader.manifest().chunks.len()).filter(|index| reader.is_stored(*index)).collect();
    let start = Instant::now();
    for read in 0..READS {
        // A prime step visits distinct chunks in no order.
        let index = stored[read * 7919 % stored.len()];
        reader.read_at(index as u64 * u64::from(reader.manifest().chunk_bytes), &mut [0; 4096])?;
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / READS as f64)
}
