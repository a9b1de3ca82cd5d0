//! Structured fields, as far as quotas need them: a List of Items with Parameters (RFC 9651, sections 3.1 and 4.2).
//!
//! The RFC asks for all or nothing: a field with one error in it is ignored as a whole, since what follows an error
//! cannot be trusted. So every type of item is read to its end here, and only integers and strings keep their value.
//!
//! Deviations: Inner Lists are refused, because no field read here may contain one, and it would have to be ignored
//! for that. The bytes of a Display String are not checked to be UTF-8.

use super::cursor::{Cursor, digit, trim};

/// A bare item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bare<'a> {
    /// At most 15 digits and a sign.
    Integer(i64),
    /// What is between the quotes. Each text can be escaped in one way only, so equal bytes are equal strings.
    String(&'a [u8]),
    /// A Decimal, Token, Byte Sequence, Boolean, Date or Display String.
    Other,
}

impl Bare<'_> {
    /// An integer that counts something: not a negative one, and no other type.
    pub(super) fn count(self) -> Option<u64> {
        match self {
            Self::Integer(number) => u64::try_from(number).ok(),
            Self::String(_) | Self::Other => None,
        }
    }
}

/// Reads a List, calling `member` at the beginning of each; it reads the item with [`bare_item`] and [`parameter`].
/// `None` when the list or one of its members is not as it should be.
pub(super) fn list<'a>(value: &'a [u8], mut member: impl FnMut(&mut Cursor<'a>) -> Option<()>) -> Option<()> {
    // Spaces and tabs around a field value are not part of it.
    let mut text = Cursor::new(trim(value));
    while !text.is_empty() {
        member(&mut text)?;
        skip_spaces_and_tabs(&mut text);
        if text.is_empty() {
            break;
        }
        text.eat(b',')?;
        skip_spaces_and_tabs(&mut text);
        if text.is_empty() {
            return None; // A comma with nothing after it.
        }
    }
    Some(())
}

/// Reads a bare item of any type.
pub(super) fn bare_item<'a>(text: &mut Cursor<'a>) -> Option<Bare<'a>> {
    match text.peek()? {
        b'-' | b'0'..=b'9' => number(text),
        b'"' => string(text),
        b'*' | b'A'..=b'Z' | b'a'..=b'z' => {
            text.take_while(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte));
            Some(Bare::Other)
        }
        b':' => byte_sequence(text),
        b'?' => {
            let [_, value] = text.take()?;
            matches!(value, b'0' | b'1').then_some(Bare::Other)
        }
        b'@' => {
            text.next();
            matches!(number(text)?, Bare::Integer(_)).then_some(Bare::Other)
        }
        b'%' => display_string(text),
        _ => None,
    }
}

/// Reads the next parameter, a key and its value; `None` inside where there is none, outside where it is malformed.
pub(super) fn parameter<'a>(text: &mut Cursor<'a>) -> Option<Option<(&'a [u8], Bare<'a>)>> {
    if text.eat(b';').is_none() {
        return Some(None);
    }
    text.take_while(|byte| byte == b' ');
    if !matches!(text.peek()?, b'a'..=b'z' | b'*') {
        return None;
    }
    let key = text.take_while(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*'));
    // A key alone is a Boolean true.
    let value = if text.eat(b'=').is_some() { bare_item(text)? } else { Bare::Other };
    Some(Some((key, value)))
}

fn skip_spaces_and_tabs(text: &mut Cursor<'_>) {
    text.take_while(|byte| matches!(byte, b' ' | b'\t'));
}

/// An Integer of at most 15 digits, or a Decimal of at most 12 before the point and 1 to 3 after it.
fn number<'a>(text: &mut Cursor<'a>) -> Option<Bare<'a>> {
    let negative = text.eat(b'-').is_some();
    let whole = text.take_while(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 15 {
        return None;
    }
    if text.eat(b'.').is_some() {
        let fraction = text.take_while(|byte| byte.is_ascii_digit());
        return (whole.len() <= 12 && (1..=3).contains(&fraction.len())).then_some(Bare::Other);
    }
    let magnitude = whole.iter().try_fold(0i64, |number, &byte| {
        // At most 15 digits, checked above.
        Some(number.wrapping_mul(10).wrapping_add(i64::from(digit(byte)?)))
    })?;
    Some(Bare::Integer(if negative { magnitude.wrapping_neg() } else { magnitude }))
}

fn string<'a>(text: &mut Cursor<'a>) -> Option<Bare<'a>> {
    text.eat(b'"')?;
    let mut escaped = false;
    // Which bytes end it depends on the one before, so this is one pass with a memory of one byte.
    let content = text.take_while(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        !ends
    });
    text.eat(b'"')?;
    let mut bytes = Cursor::new(content);
    while let Some(byte) = bytes.next() {
        let fine = match byte {
            b'\\' => matches!(bytes.next()?, b'"' | b'\\'),
            0x20..=0x7e => true,
            _ => false,
        };
        if !fine {
            return None;
        }
    }
    Some(Bare::String(content))
}

/// Base64 between colons. Padding may be missing, but must be right where it is there.
fn byte_sequence<'a>(text: &mut Cursor<'a>) -> Option<Bare<'a>> {
    text.eat(b':')?;
    let data = text.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')).len();
    let padding = text.take_while(|byte| byte == b'=').len();
    text.eat(b':')?;
    // One left-over character holds six bits, less than a byte.
    let whole = match padding {
        0 => data % 4 != 1,
        1 => data % 4 == 3,
        2 => data % 4 == 2,
        _ => false,
    };
    whole.then_some(Bare::Other)
}

fn display_string<'a>(text: &mut Cursor<'a>) -> Option<Bare<'a>> {
    text.eat(b'%')?;
    text.eat(b'"')?;
    loop {
        match text.next()? {
            b'"' => return Some(Bare::Other),
            b'%' => {
                let hex: [u8; 2] = text.take()?;
                if !hex.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                    return None;
                }
            }
            0x20..=0x7e => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    type Member<'a> = (Bare<'a>, Vec<(&'a [u8], Bare<'a>)>);

    fn read(value: &str) -> Option<Vec<Member<'_>>> {
        let mut members = Vec::new();
        list(value.as_bytes(), |text| {
            let item = bare_item(text)?;
            let mut parameters = Vec::new();
            while let Some(parameter) = parameter(text)? {
                parameters.push(parameter);
            }
            members.push((item, parameters));
            Some(())
        })?;
        Some(members)
    }

    fn items(value: &str) -> Option<Vec<Bare<'_>>> {
        Some(read(value)?.into_iter().map(|(item, _)| item).collect())
    }

    use Bare::{Integer, Other, String};

    #[test]
    fn the_examples_of_rfc_9651_are_read() {
        assert_eq!(items("sugar, tea, rum"), Some([Other; 3].to_vec()));
        assert_eq!(items("42"), Some([Integer(42)].to_vec()));
        assert_eq!(items("4.5"), Some([Other].to_vec()));
        assert_eq!(items(r#""hello world""#), Some([String(b"hello world")].to_vec()));
        assert_eq!(items("foo123/456"), Some([Other].to_vec()));
        assert_eq!(items(":cHJldGVuZCB0aGlzIGlzIGJpbmFyeSBjb250ZW50Lg==:"), Some([Other].to_vec()));
        assert_eq!(items("?1"), Some([Other].to_vec()));
        assert_eq!(items("@1659578233"), Some([Other].to_vec()));
        assert_eq!(items(r#"%"This is intended for display to %c3%bcsers.""#), Some([Other].to_vec()));
        let text: &[u8] = b"text";
        assert_eq!(
            read("text;a;b=?0;c=1"),
            Some([(Other, [(&b"a"[..], Other), (b"b", Other), (b"c", Integer(1))].to_vec())].to_vec())
        );
        assert_eq!(read(r#""text" ;a"#), None, "no space before the semicolon of {text:?}");
        assert_eq!(
            read("1; a=2;\u{20}  *b"),
            Some([(Integer(1), [(&b"a"[..], Integer(2)), (b"*b", Other)].to_vec())].to_vec())
        );
    }

    #[test]
    fn numbers_have_their_limits() {
        assert_eq!(
            items("-999999999999999, 999999999999999"),
            Some([Integer(-999_999_999_999_999), Integer(999_999_999_999_999)].to_vec())
        );
        assert_eq!(items("-0, 007"), Some([Integer(0), Integer(7)].to_vec()));
        assert_eq!(items("999999999999.999, -0.5"), Some([Other; 2].to_vec()));
        for bad in
            ["1000000000000000", "-", "--1", "+1", "1.", ".5", "1.2345", "1000000000000.0", "1.5.5", "@1.5", "@", "@-"]
        {
            assert_eq!(items(bad), None, "{bad}");
        }
    }

    #[test]
    fn strings_end_where_they_should() {
        assert_eq!(items(r#""""#), Some([String(b"")].to_vec()));
        assert_eq!(items(r#""a\"b\\", "c""#), Some([String(br#"a\"b\\"#), String(b"c")].to_vec()));
        assert_eq!(items(r#""a,b;c=1""#), Some([String(b"a,b;c=1")].to_vec()));
        for bad in
            [r#"""#, r#""a"#, r#""a\""#, r#""a\b""#, r#""\"#, "\"\t\"", "\"\u{7f}\"", "\"ü\"", "'a'", r#""a""b""#]
        {
            assert_eq!(items(bad), None, "{bad}");
        }
    }

    #[test]
    fn lists_are_all_or_nothing() {
        assert_eq!(items(""), Some([].to_vec()));
        assert_eq!(items("  "), Some([].to_vec()));
        assert_eq!(items("1 ,\t2,3\t, 4"), Some([Integer(1), Integer(2), Integer(3), Integer(4)].to_vec()));
        for bad in [
            ",", "1,", "1, ", ",1", "1,,2", "1 2", "1;2", "(1 2)", "1, (2)", "1;", "1;A", "1;a=", "1; =2", "1\n,2",
            "1;\ta",
        ] {
            assert_eq!(items(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_rarer_types_are_checked_to_their_end() {
        for good in ["::", ":YQ==:", ":YQ:", ":YWI=:", ":YWJj:", "?0", "@-1", r#"%"""#, "*", "a:/!#$%&'*+-.^_`|~"] {
            assert_eq!(items(good), Some([Other].to_vec()), "{good}");
        }
        for bad in [
            ":",
            ":YQ",
            ":Y:",
            ":Y===:",
            ":YQ=:",
            ":YWI==:",
            ":Y=Q:",
            ":YQ_-:",
            "?",
            "?2",
            "?true",
            "%",
            "%a",
            r#"%""#,
            r#"%"%C3""#,
            r#"%"%c""#,
            "%\"\t\"",
        ] {
            assert_eq!(items(bad), None, "{bad}");
        }
    }
}
