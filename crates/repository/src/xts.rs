//! AES-256-XTS over sectors of 512 bytes, with the sector's number as the tweak (`xts-plain64`): what QEMU and Linux write in LUKS.
//!
//! The mode is IEEE 1619 over the block cipher of the library; a whole run of sectors is one call of it.

use aws_lc_rs::cipher::{AES_256, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey};

/// Bytes of a sector.
pub(crate) const SECTOR: usize = 512;
/// Bytes of a key: one half for the data, one for the tweaks.
pub(crate) const KEY_BYTES: usize = 64;
const BLOCK: usize = 16;

/// The cipher under one key.
pub(crate) struct Xts {
    encrypt: EncryptingKey,
    decrypt: DecryptingKey,
    tweak: EncryptingKey,
}

impl std::fmt::Debug for Xts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Xts")
    }
}

impl Xts {
    pub(crate) fn new(key: &[u8; KEY_BYTES]) -> Xts {
        let half = |at: usize| UnboundCipherKey::new(&AES_256, &key[at..at + KEY_BYTES / 2]).expect("the length is the algorithm's");
        let encrypting = |at| EncryptingKey::ecb(half(at)).expect("AES has the mode");
        Xts { encrypt: encrypting(0), decrypt: DecryptingKey::ecb(half(0)).expect("AES has the mode"), tweak: encrypting(KEY_BYTES / 2) }
    }

    /// Encrypts whole sectors, of which the first has this number.
    pub(crate) fn encrypt(&self, first: u64, bytes: &mut [u8]) {
        let masks = self.masks(first, bytes.len());
        xor(bytes, &masks);
        self.encrypt.encrypt(bytes).expect("whole blocks");
        xor(bytes, &masks);
    }

    /// Decrypts whole sectors, of which the first has this number.
    pub(crate) fn decrypt(&self, first: u64, bytes: &mut [u8]) {
        let masks = self.masks(first, bytes.len());
        xor(bytes, &masks);
        self.decrypt.decrypt(bytes, DecryptionContext::None).expect("whole blocks");
        xor(bytes, &masks);
    }

    /// What each block is masked with: the encrypted number of its sector, times x once for each block before it.
    fn masks(&self, first: u64, length: usize) -> Vec<u8> {
        assert!(length.is_multiple_of(SECTOR), "whole sectors");
        let numbers = (0..(length / SECTOR) as u64).map(|sector| u128::from(first.wrapping_add(sector)).to_le_bytes());
        let mut tweaks = numbers.collect::<Vec<_>>().concat();
        if tweaks.is_empty() {
            return tweaks;
        }
        self.tweak.encrypt(&mut tweaks).expect("whole blocks");
        let mut masks = Vec::with_capacity(length);
        for tweak in tweaks.chunks_exact(BLOCK) {
            let mut mask = u128::from_le_bytes(tweak.try_into().expect("a block"));
            for _ in 0..SECTOR / BLOCK {
                masks.extend(mask.to_le_bytes());
                // x^128 = x^7 + x^2 + x + 1
                mask = (mask << 1) ^ (if mask >> 127 == 1 { 0x87 } else { 0 });
            }
        }
        masks
    }
}

fn xor(bytes: &mut [u8], masks: &[u8]) {
    bytes.iter_mut().zip(masks).for_each(|(byte, mask)| *byte ^= mask);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// IEEE 1619-2007, annex B, vector 10: XTS-AES-256 over a data unit of 512 bytes.
    #[test]
    fn a_sector_is_the_standard_s() {
        let mut key = [0; KEY_BYTES];
        let text = concat!(
            "2718281828459045235360287471352662497757247093699959574966967627",
            "3141592653589793238462643383279502884197169399375105820974944592"
        );
        hex::decode_to_slice(text, &mut key).unwrap();
        let plain: Vec<u8> = (0..SECTOR).map(|at| at as u8).collect();
        let mut bytes = plain.clone();
        let xts = Xts::new(&key);
        xts.encrypt(0xff, &mut bytes);
        assert_eq!(hex::encode(&bytes[..32]), "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b");
        xts.decrypt(0xff, &mut bytes);
        assert_eq!(bytes, plain);
    }

    #[test]
    fn a_run_of_sectors_is_each_by_itself() {
        let xts = Xts::new(&std::array::from_fn(|at| at as u8));
        let mut run = vec![7; 3 * SECTOR];
        xts.encrypt(u64::from(u32::MAX), &mut run);
        for at in 0..3 {
            let mut one = vec![7; SECTOR];
            xts.encrypt(u64::from(u32::MAX) + at as u64, &mut one);
            assert_eq!(one, run[at * SECTOR..][..SECTOR]);
        }
    }
}
