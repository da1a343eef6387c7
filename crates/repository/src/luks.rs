//! The LUKS header of an encrypted layer: written for QEMU, and read again (LUKS On-Disk Format Specification 1.2.3).
//!
//! ```text
//!   0      header: cipher, a digest of the master key, eight slots of which the first is used
//!   4096   the master key in 4,000 stripes, encrypted under the passphrase; room for seven more      2,068,480   (nothing here)
//! ```
//!
//! In a qcow2 file this lies in clusters that a header extension names, and the clusters of the disk are encrypted under the master
//! key with their place in the file as the tweak. Every layer has a master key of its own. The passphrase follows from the data key
//! of the disk, 256 random bits, so guessing is hopeless without any stretching, and [`ITERATIONS`] are the fewest that are usual.
//!
//! A guest that has broken out of its QEMU may have written any header: every number is bounded before it is used.

use crate::header::Refusal;
use crate::seal::derive;
use crate::xts::{KEY_BYTES, SECTOR, Xts};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::pbkdf2::{PBKDF2_HMAC_SHA256, derive as pbkdf2};
use model::DataKey;
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// Bytes of a file that the header takes, its empty slots included.
pub const HEADER_BYTES: u64 = (SLOTS_AT + SLOTS as u64 * SLOT_SECTORS) * SECTOR as u64;

const MAGIC: &[u8] = b"LUKS\xba\xbe";
const SLOTS: usize = 8;
const STRIPES: usize = 4_000;
const MATERIAL_BYTES: usize = KEY_BYTES * STRIPES;
/// First sector of the slots' material, and sectors from one to the next: 500, made a multiple of 4 KiB, as cryptsetup and QEMU do.
const SLOTS_AT: u64 = 8;
const SLOT_SECTORS: u64 = 504;
const ACTIVE: u32 = 0x00ac_71f3;
const UNUSED: u32 = 0x0000_dead;
/// Rounds of PBKDF2 for the passphrase and for the digest: the specification's least.
const ITERATIONS: u32 = 1_000;
/// Most rounds that a header may ask for: QEMU would have written some millions for a passphrase of a person, which no layer has.
const ITERATIONS_MAX: u32 = 100_000;
const PREFIX_BYTES: usize = 592;

/// What QEMU is told to open the layers of a disk with; 64 hexadecimal digits.
pub fn passphrase(key: &DataKey) -> Zeroizing<String> {
    Zeroizing::new(hex::encode(derive(key, "layer").as_slice()))
}

/// The beginning of a header's bytes, with a new master key; what follows up to [`HEADER_BYTES`] is zeroes.
pub fn new_header(key: &DataKey) -> Result<Vec<u8>, getrandom::Error> {
    let mut master = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(master.as_mut_slice())?;
    let (mut digest_salt, mut slot_salt, mut uuid) = ([0; 32], [0; 32], [0; 16]);
    getrandom::fill(&mut digest_salt)?;
    getrandom::fill(&mut slot_salt)?;
    getrandom::fill(&mut uuid)?;
    let mut out = vec![0; SLOTS_AT as usize * SECTOR + MATERIAL_BYTES];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, MAGIC);
    put(6, &1u16.to_be_bytes());
    put(8, b"aes");
    put(40, b"xts-plain64");
    put(72, b"sha256");
    put(104, &((HEADER_BYTES / SECTOR as u64) as u32).to_be_bytes());
    put(108, &(KEY_BYTES as u32).to_be_bytes());
    put(112, stretched::<20>(master.as_slice(), &digest_salt, ITERATIONS).as_slice());
    put(132, &digest_salt);
    put(164, &ITERATIONS.to_be_bytes());
    put(168, text_of(uuid).as_bytes());
    for slot in 0..SLOTS {
        let at = 208 + 48 * slot;
        put(at, &(if slot == 0 { ACTIVE } else { UNUSED }).to_be_bytes());
        if slot == 0 {
            put(at + 4, &ITERATIONS.to_be_bytes());
            put(at + 8, &slot_salt);
        }
        put(at + 40, &((SLOTS_AT + slot as u64 * SLOT_SECTORS) as u32).to_be_bytes());
        put(at + 44, &(STRIPES as u32).to_be_bytes());
    }
    let mut material = split(&master)?;
    let slot_key = stretched::<KEY_BYTES>(passphrase(key).as_bytes(), &slot_salt, ITERATIONS);
    Xts::new(&slot_key).encrypt(0, &mut material);
    put(SLOTS_AT as usize * SECTOR, &material);
    Ok(out)
}

/// Opens a header: gives the cipher of the disk. `read` gives bytes of the header from an offset.
pub(crate) fn open(key: &DataKey, read: impl Fn(u64, usize) -> Result<Vec<u8>, Refusal>) -> Result<Xts, Refusal> {
    let header = read(0, PREFIX_BYTES)?;
    let word = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes"));
    let is_text = |at: usize, text: &str| header[at..at + 32].strip_prefix(text.as_bytes()).is_some_and(|rest| rest[0] == 0);
    let ours = header.starts_with(MAGIC) && header[6..8] == [0, 1] && word(108) as usize == KEY_BYTES;
    if !(ours && is_text(8, "aes") && is_text(40, "xts-plain64") && is_text(72, "sha256")) {
        return Err(Refusal::Unsupported("another encryption than that of this pool"));
    }
    let rounds = |at: usize| NonZeroU32::new(word(at)).filter(|rounds| rounds.get() <= ITERATIONS_MAX).map(NonZeroU32::get);
    let absurd = Refusal::Absurd("the header of its encryption");
    let (Some(digest_rounds), Some(slot_rounds)) = (rounds(164), rounds(212)) else { return Err(absurd) };
    if word(208) != ACTIVE || word(252) as usize != STRIPES || u64::from(word(248)) >= HEADER_BYTES / SECTOR as u64 {
        return Err(absurd);
    }
    let mut material = Zeroizing::new(read(u64::from(word(248)) * SECTOR as u64, MATERIAL_BYTES)?);
    let slot_key = stretched::<KEY_BYTES>(passphrase(key).as_bytes(), &header[216..248], slot_rounds);
    Xts::new(&slot_key).decrypt(0, &mut material);
    let master = merge(&material);
    let digest = stretched::<20>(master.as_slice(), &header[132..164], digest_rounds);
    if aws_lc_rs::constant_time::verify_slices_are_equal(digest.as_slice(), &header[112..132]).is_err() {
        return Err(Refusal::WrongKey);
    }
    Ok(Xts::new(&master))
}

/// PBKDF2 with HMAC-SHA-256.
fn stretched<const BYTES: usize>(secret: &[u8], salt: &[u8], rounds: u32) -> Zeroizing<[u8; BYTES]> {
    let mut out = Zeroizing::new([0; BYTES]);
    pbkdf2(PBKDF2_HMAC_SHA256, NonZeroU32::new(rounds).expect("at least one round"), salt, secret, out.as_mut_slice());
    out
}

/// Spreads a key over stripes, so that it is gone when any of them is: the anti-forensic splitter.
fn split(key: &[u8; KEY_BYTES]) -> Result<Zeroizing<Vec<u8>>, getrandom::Error> {
    let mut out = Zeroizing::new(vec![0; MATERIAL_BYTES]);
    getrandom::fill(&mut out[..MATERIAL_BYTES - KEY_BYTES])?;
    let last = mixed(&out[..MATERIAL_BYTES - KEY_BYTES]);
    let stripe = last.iter().zip(key).map(|(mixed, key)| mixed ^ key);
    out[MATERIAL_BYTES - KEY_BYTES..].iter_mut().zip(stripe).for_each(|(to, from)| *to = from);
    Ok(out)
}

fn merge(material: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut key = mixed(&material[..MATERIAL_BYTES - KEY_BYTES]);
    key.iter_mut().zip(&material[MATERIAL_BYTES - KEY_BYTES..]).for_each(|(to, from)| *to ^= from);
    key
}

/// What all stripes but the last come to.
fn mixed(stripes: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut sum = Zeroizing::new([0u8; KEY_BYTES]);
    for stripe in stripes.chunks_exact(KEY_BYTES) {
        sum.iter_mut().zip(stripe).for_each(|(to, from)| *to ^= from);
        for (number, part) in sum.chunks_exact_mut(32).enumerate() {
            let diffused = digest(&SHA256, &[&(number as u32).to_be_bytes()[..], part].concat());
            part.copy_from_slice(diffused.as_ref());
        }
    }
    sum
}

fn text_of(mut uuid: [u8; 16]) -> String {
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    let digits = hex::encode(uuid);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(bytes: &[u8]) -> impl Fn(u64, usize) -> Result<Vec<u8>, Refusal> + '_ {
        |at, length| bytes.get(at as usize..at as usize + length).map(<[u8]>::to_vec).ok_or(Refusal::Absurd("short"))
    }

    #[test]
    fn a_header_opens_under_its_key_alone() {
        let key = DataKey::new([5; 32]);
        let header = new_header(&key).unwrap();
        assert_eq!(HEADER_BYTES, 2_068_480);
        let (xts, again) = (open(&key, reading(&header)).unwrap(), open(&key, reading(&header)).unwrap());
        let mut bytes = vec![1; SECTOR];
        xts.encrypt(9, &mut bytes);
        again.decrypt(9, &mut bytes);
        assert_eq!(bytes, vec![1; SECTOR]);
        assert!(matches!(open(&DataKey::new([6; 32]), reading(&header)), Err(Refusal::WrongKey)));
        assert_ne!(new_header(&key).unwrap()[4096..], header[4096..], "each layer has a master key of its own");
    }

    #[test]
    fn a_forged_header_is_refused_and_costs_nothing() {
        let key = DataKey::new([5; 32]);
        for (at, bytes) in
            [(0, [0; 4]), (8, *b"des\0"), (108, [0, 0, 0, 32]), (164, [255; 4]), (212, [255; 4]), (212, [0; 4]), (248, [255; 4])]
        {
            let mut header = new_header(&key).unwrap();
            header[at..at + 4].copy_from_slice(&bytes);
            assert!(open(&key, reading(&header)).is_err(), "byte {at}");
        }
        assert!(open(&key, reading(&[])).is_err());
    }
}
