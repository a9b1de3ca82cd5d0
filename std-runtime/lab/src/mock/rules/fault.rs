//! What can go wrong with one request.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::RuleError;
use super::quantity::{bytes, duration, show_bytes, show_duration};

/// What happens to one request. As text it is one word, with what it needs behind a colon.
///
/// Faults of the body need one: to a `HEAD` request and to an empty body they are not done, and not counted.
///
/// ```
/// use tidegate_lab::mock::rules::{Fault, RetryAfter};
///
/// let fault: Fault = "429:2".parse()?;
/// assert_eq!(fault, Fault::Status { code: 429, retry_after: Some(RetryAfter::Seconds(2)) });
/// assert_eq!(fault.to_string(), "429:2");
/// assert!("teapot".parse::<Fault>().is_err());
/// # Ok::<(), tidegate_lab::mock::rules::RuleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `200`: nothing, the tile is served.
    None,
    /// `503`, `429:2`: this status, 201 to 599, with or without `Retry-After`. 204 and 304 come without a body.
    Status {
        /// The status, from 201 to 599.
        code: u16,
        /// The value of `Retry-After`; none: the field is left out.
        retry_after: Option<RetryAfter>,
    },
    /// `close`: the connection is closed in place of an answer.
    Close,
    /// `reset`: the connection is reset in place of an answer.
    Reset,
    /// `reset-body`: the connection is reset in the middle of the body.
    ResetBody,
    /// `truncate`: the length is honest, and the connection is closed in the middle of the body.
    Truncate,
    /// `short`: the body is cut, and the length is that of the cut body. Only its content gives it away.
    Short,
    /// `chunk`: a chunked body without its last chunk or with a garbled chunk size. HTTP/1.0 gets `truncate`.
    Chunk,
    /// `hang`: no answer ever. After ten minutes the connection is closed.
    Hang,
    /// `html`: status 200 with a page of HTML in place of the tile.
    Html,
    /// `empty`: status 200 with the tile's headers and no body.
    Empty,
    /// `magic`: the first four bytes of the tile are other ones.
    Magic,
    /// `gzip`: gzip data that does not unpack. A tile that is not gzip is said to be.
    Gzip,
    /// `wrong-tile`: a good tile, but another one.
    WrongTile,
    /// `drip:16/10ms`: the whole answer, head included, so many bytes at a time with a pause after each.
    Drip(Pace),
}

/// So many bytes, then a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bytes at a time, at least 1.
    pub bytes: u64,
    /// The pause between two writes, at most a minute.
    pub pause: Duration,
}

/// A value of `Retry-After`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// `2`: a number of seconds, of any size.
    Seconds(u64),
    /// `date+2`, `date-3600`: the date so many seconds after the answer, or before it.
    Date(i64),
    /// `"soon"`: this text as it is, for values that no server should send. Printable ASCII without `, = * # "`.
    Verbatim(String),
}

impl Fault {
    /// The name under which it is counted: the text form without arguments.
    pub fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::None => "200",
            Self::Status { code, .. } => return Cow::Owned(code.to_string()),
            Self::Close => "close",
            Self::Reset => "reset",
            Self::ResetBody => "reset-body",
            Self::Truncate => "truncate",
            Self::Short => "short",
            Self::Chunk => "chunk",
            Self::Hang => "hang",
            Self::Html => "html",
            Self::Empty => "empty",
            Self::Magic => "magic",
            Self::Gzip => "gzip",
            Self::WrongTile => "wrong-tile",
            Self::Drip(_) => DRIP,
        })
    }

    /// Whether it is done to the body, so that an answer without one cannot show it.
    pub(in crate::mock) fn needs_body(&self) -> bool {
        match self {
            Self::ResetBody
            | Self::Truncate
            | Self::Short
            | Self::Chunk
            | Self::Html
            | Self::Empty
            | Self::Magic
            | Self::Gzip
            | Self::WrongTile => true,
            Self::None | Self::Status { .. } | Self::Close | Self::Reset | Self::Hang | Self::Drip(_) => false,
        }
    }
}

impl FromStr for Fault {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let text = text.trim();
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        if let Some(fault) = PLAIN.iter().find(|fault| fault.name() == name) {
            return match argument {
                None => Ok(fault.clone()),
                Some(_) => Err(RuleError::NoArgument { name: name.to_owned() }),
            };
        }
        if name == DRIP {
            return Ok(Self::Drip(argument.unwrap_or_default().parse()?));
        }
        match name.parse() {
            Ok(code @ 201..=599) if name.len() == 3 => {
                Ok(Self::Status { code, retry_after: argument.map(str::parse).transpose()? })
            }
            _ => Err(RuleError::Fault { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name())?;
        match self {
            Self::Status { retry_after: Some(retry_after), .. } => write!(out, ":{retry_after}"),
            Self::Drip(pace) => write!(out, ":{pace}"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Pace {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let wrong = || RuleError::Pace { text: text.to_owned() };
        let (size, pause) = text.split_once('/').ok_or_else(wrong)?;
        let pace = Self { bytes: bytes(size)?, pause: duration(pause)? };
        if pace.bytes == 0 || pace.pause > PAUSE_MAX { Err(wrong()) } else { Ok(pace) }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", show_bytes(self.bytes), show_duration(self.pause))
    }
}

impl FromStr for RetryAfter {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let wrong = || RuleError::RetryAfter { text: text.to_owned() };
        if let Some(offset) = text.strip_prefix("date") {
            let seconds: i64 = offset.parse().map_err(|_| wrong())?;
            let signed = offset.starts_with(['+', '-']) && seconds.unsigned_abs() <= DATE_OFFSET_S_MAX;
            return if signed { Ok(Self::Date(seconds)) } else { Err(wrong()) };
        }
        if let Some(quoted) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            let harmless = |byte: u8| (byte == b' ' || byte.is_ascii_graphic()) && !b",=*#\"".contains(&byte);
            return if quoted.bytes().all(harmless) { Ok(Self::Verbatim(quoted.to_owned())) } else { Err(wrong()) };
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Seconds).map_err(|_| wrong());
        }
        Err(wrong())
    }
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(seconds) => write!(out, "{seconds}"),
            Self::Date(offset) => write!(out, "date{offset:+}"),
            Self::Verbatim(text) => write!(out, "\"{text}\""),
        }
    }
}

/// The faults that take no argument.
pub(super) const PLAIN: [Fault; 13] = [
    Fault::None,
    Fault::Close,
    Fault::Reset,
    Fault::ResetBody,
    Fault::Truncate,
    Fault::Short,
    Fault::Chunk,
    Fault::Hang,
    Fault::Html,
    Fault::Empty,
    Fault::Magic,
    Fault::Gzip,
    Fault::WrongTile,
];

const DRIP: &str = "drip";

/// A longer pause would outlive every client's patience and the server's own limit for a write.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// A hundred years: any further and the year may no longer have four digits.
const DATE_OFFSET_S_MAX: u64 = 100 * 365 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_comes_back_from_its_text() {
        let with_arguments =
            ["503", "429:2", "429:0", "503:date+2", "503:date-3600", "429:\"soon\"", "204", "599", "drip:16/10ms"];
        let plain = PLAIN.each_ref().map(Fault::name);
        for text in with_arguments.into_iter().chain(plain.iter().map(AsRef::as_ref)) {
            let fault: Fault = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(fault.to_string(), text);
        }
    }

    #[test]
    fn a_misspelt_fault_is_told_what_there_is() {
        let error = "reste".parse::<Fault>().expect_err("no such fault").to_string();
        assert!(error.contains("`reste`") && error.contains("reset-body") && error.contains("drip:16/10ms"), "{error}");
    }

    #[test]
    fn nonsense_is_rejected() {
        for text in [
            "",
            "100",
            "199",
            "600",
            "0503",
            "+503",
            "reset:5",
            "429:",
            "429:soon",
            "429:-1",
            "429:date",
            "429:date2",
            "429:date+99999999999",
            "429:\"a,b\"",
            "429:\"",
            "429:99999999999999999999",
            "drip",
            "drip:0/10ms",
            "drip:16",
            "drip:16/2m",
        ] {
            assert!(text.parse::<Fault>().is_err(), "`{text}` was read as a fault");
        }
    }

    #[test]
    fn faults_are_counted_under_their_names_without_arguments() {
        for (text, name) in [("429:2", "429"), ("drip:16/10ms", "drip"), ("wrong-tile", "wrong-tile")] {
            assert_eq!(text.parse::<Fault>().map(|fault| fault.name().into_owned()), Ok(name.to_owned()));
        }
    }
}
