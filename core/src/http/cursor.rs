//! Reading bytes from the front, without an index that could be out of bounds.

/// What is left of an input.
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// Takes one particular byte, or nothing.
    pub(super) fn eat(&mut self, byte: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(())
    }

    /// Takes all bytes up to the first that is not wanted; there may be none. Asks once for each, in order.
    pub(super) fn take_while(&mut self, mut wanted: impl FnMut(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| !wanted(byte));
        let (taken, rest) = end.and_then(|end| self.rest.split_at_checked(end)).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    /// Takes exactly `N` bytes.
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    /// Takes a number of exactly `N` digits, at most four.
    pub(super) fn digits<const N: usize>(&mut self) -> Option<u16> {
        const { assert!(N <= 4, "five digits may exceed 16 bits") };
        self.take::<N>()?.iter().try_fold(0u16, |number, byte| {
            let digit = digit(*byte)?;
            Some(number.wrapping_mul(10).wrapping_add(u16::from(digit)))
        })
    }
}

/// The value of a decimal digit.
pub(super) const fn digit(byte: u8) -> Option<u8> {
    if byte.is_ascii_digit() { Some(byte - b'0') } else { None }
}

/// An unsigned number of any length in decimal digits and nothing else; saturates.
pub(super) fn whole_number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| Some(number.saturating_mul(10).saturating_add(u64::from(digit(*byte)?))))
}

/// A field value without the spaces and tabs around it (RFC 9110, section 5.6.3).
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_saturate_and_take_digits_only() {
        let numbers: [(&[u8], _); 9] = [
            (b"0", Some(0)),
            (b"007", Some(7)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", Some(u64::MAX)),
            (b"99999999999999999999999999999999999999", Some(u64::MAX)),
            (b"", None),
            (b"-1", None),
            (b"1.5", None),
            (b"1 2", None),
        ];
        for (text, number) in numbers {
            assert_eq!(whole_number(text), number, "{text:?}");
        }
    }

    #[test]
    fn only_spaces_and_tabs_are_trimmed_and_only_at_the_ends() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b" \t "), b"");
        assert_eq!(trim(b"\r\na\n"), b"\r\na\n");
    }
}
