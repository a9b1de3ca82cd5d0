//! Unpacking, which is also the check: gzip ends in a checksum and a length.

use std::io::{ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;

use super::Defect;

/// By its first three bytes; deflate is the only method there is.
pub(super) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b, 0x08])
}

/// Unpacks `packed`, all of its members, into `unpacked`, in place of what that holds.
pub(super) fn unpack(packed: &[u8], max: usize, unpacked: &mut Vec<u8>) -> Result<(), Defect> {
    unpacked.clear();
    // The length at the end is a hint only: whoever sent it may have lied.
    if let Some(length) = packed.last_chunk() {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(max);
        unpacked.reserve(length.min(max).min(packed.len().saturating_mul(TYPICAL_RATIO)));
    }
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    match MultiGzDecoder::new(packed).take(limit).read_to_end(unpacked) {
        Ok(_) if unpacked.len() > max => Err(Defect::TooLarge { max }),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(Defect::GzipTruncated),
        Err(_) => Err(Defect::GzipCorrupt),
    }
}

/// Few tiles shrink to less than a tenth.
const TYPICAL_RATIO: usize = 10;
