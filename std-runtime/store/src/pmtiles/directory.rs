//! Directories: lists of entries in the order of ids, as columns of variable-length integers.

/// Where a run of tiles, or a leaf directory, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The first tile.
    pub(crate) id: u64,
    /// From the start of the tile data, or of the leaf directories.
    pub(crate) offset: u64,
    pub(crate) length: u32,
    /// How many tiles in a row have this content; 0 where the entry is a leaf directory.
    pub(crate) run: u32,
}

/// Why bytes are no directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The bytes end in the middle of a number.
    #[error("it ends in the middle of a number")]
    Truncated,
    /// The count is greater than the bytes allow.
    #[error("it claims more entries than its bytes can hold")]
    Count,
    /// A number does not fit.
    #[error("a number in it is too large")]
    Overflow,
    /// Ids do not increase, or the first offset refers to one before it.
    #[error("its ids do not increase, or runs overlap")]
    Order,
    /// An entry has a length of 0.
    #[error("an entry in it has no bytes")]
    NoBytes,
}

/// The columns: ids as differences, run lengths, lengths, then offsets, where 0 says "right behind the one before".
pub(crate) fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len() * 8);
    put_varint(&mut out, entries.len() as u64);
    let mut last = 0;
    for entry in entries {
        put_varint(&mut out, entry.id - last);
        last = entry.id;
    }
    entries.iter().for_each(|entry| put_varint(&mut out, entry.run.into()));
    entries.iter().for_each(|entry| put_varint(&mut out, entry.length.into()));
    let mut behind = None;
    for entry in entries {
        put_varint(&mut out, if behind == Some(entry.offset) { 0 } else { entry.offset + 1 });
        behind = Some(entry.offset + u64::from(entry.length));
    }
    out
}

/// The entries in those bytes.
///
/// # Errors
/// When they are damaged: whatever comes back is in order, does not overlap and has no length of zero.
pub(crate) fn decode(mut bytes: &[u8]) -> Result<Vec<Entry>, DirectoryError> {
    let bytes = &mut bytes;
    let count = take_varint(bytes)?;
    // Each entry takes at least four bytes, so a damaged count cannot ask for memory that the file does not back.
    if count > bytes.len() as u64 / 4 {
        return Err(DirectoryError::Count);
    }
    let mut entries = vec![Entry { id: 0, offset: 0, length: 0, run: 0 }; count as usize];
    let mut id = 0_u64;
    for entry in &mut entries {
        id = id.checked_add(take_varint(bytes)?).ok_or(DirectoryError::Overflow)?;
        entry.id = id;
    }
    for entry in &mut entries {
        entry.run = take_u32(bytes)?;
    }
    for entry in &mut entries {
        entry.length = take_u32(bytes)?;
    }
    let mut behind = None;
    for entry in &mut entries {
        entry.offset = match (take_varint(bytes)?, behind) {
            (0, Some(offset)) => offset,
            (0, None) => return Err(DirectoryError::Order),
            (next, _) => next - 1,
        };
        behind = Some(entry.offset.checked_add(entry.length.into()).ok_or(DirectoryError::Overflow)?);
    }
    // So that whoever goes through a run cannot step beyond the last number.
    if entries.iter().any(|entry| entry.id.checked_add(entry.run.into()).is_none()) {
        return Err(DirectoryError::Overflow);
    }
    let ordered =
        |pair: &[Entry]| pair[0].id.checked_add(pair[0].run.max(1).into()).is_some_and(|end| end <= pair[1].id);
    if !entries.windows(2).all(ordered) {
        return Err(DirectoryError::Order);
    }
    // So that whoever goes through a run cannot step beyond the last number.
    if entries.iter().any(|entry| entry.id.checked_add(entry.run.into()).is_none()) {
        return Err(DirectoryError::Overflow);
    }
    if entries.iter().any(|entry| entry.length == 0) {
        return Err(DirectoryError::NoBytes);
    }
    Ok(entries)
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64, DirectoryError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(DirectoryError::Truncated)?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if part << shift >> shift != part {
            return Err(DirectoryError::Overflow);
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(DirectoryError::Overflow)
}

fn take_u32(bytes: &mut &[u8]) -> Result<u32, DirectoryError> {
    u32::try_from(take_varint(bytes)?).map_err(|_| DirectoryError::Overflow)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(id: u64, offset: u64, length: u32, run: u32) -> Entry {
        Entry { id, offset, length, run }
    }

    #[test]
    fn columns_are_as_in_the_specification() {
        let entries = [entry(0, 0, 100, 1), entry(1, 100, 300, 2), entry(5, 0, 100, 1)];
        let expected = [3, 0, 1, 4, 1, 2, 1, 100, 0xac, 0x02, 100, 1, 0, 1];
        assert_eq!(encode(&entries), expected);
        assert_eq!(decode(&expected).unwrap(), entries);
    }

    #[test]
    fn damage_is_told_and_never_believed() {
        assert_eq!(decode(&[]), Err(DirectoryError::Truncated));
        assert_eq!(decode(&[0xff, 0xff, 0xff, 0x7f]), Err(DirectoryError::Count));
        assert_eq!(decode(&[0xff; 11]), Err(DirectoryError::Overflow));
        assert_eq!(decode(&[2, 5, 0, 1, 1, 9, 9, 1, 0]), Err(DirectoryError::Order), "the same id twice");
        assert_eq!(decode(&[1, 0, 1, 0, 1]), Err(DirectoryError::NoBytes));
        let last = encode(&[entry(u64::MAX, 0, 1, 1)]);
        assert_eq!(decode(&last), Err(DirectoryError::Overflow), "a run beyond the last number");
        assert_eq!(decode(&[1, 0, 1, 9, 0]), Err(DirectoryError::Order), "nothing comes before the first");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            steps in prop::collection::vec((0..1_u64 << 40, 0..1_u64 << 40, 1..u32::MAX, 0..1000_u32), 0..50),
        ) {
            let mut id = 0;
            let entries: Vec<_> = steps
                .into_iter()
                .map(|(gap, offset, length, run)| {
                    let entry = Entry { id: id + gap, offset, length, run };
                    id = entry.id + u64::from(run.max(1));
                    entry
                })
                .collect();
            prop_assert_eq!(decode(&encode(&entries)), Ok(entries));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(entries) = decode(&bytes) {
                prop_assert!(entries.windows(2).all(|pair| pair[0].id < pair[1].id));
            }
        }
    }
}
