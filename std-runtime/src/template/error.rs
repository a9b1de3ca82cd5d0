//! What can be wrong with a template.

use thiserror::Error;

/// Why a template is refused. The message says what to change, and shows no more of the URL than the part it is about.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// Nothing in front of the host.
    #[error("the URL template has no scheme: write https:// or http:// in front of the host")]
    NoScheme,
    /// Another scheme.
    #[error("the URL template has the scheme {0:?}: only https and http can be fetched")]
    Scheme(String),
    /// No host, or one that cannot be.
    #[error("the URL template has no usable host: it has to look like https://host:port/path")]
    Host,
    /// A placeholder that nobody fills.
    #[error(
        "{{{0}}} in the URL template is not known: use {{z}}, {{x}}, {{y}} or {{-y}}, {{s}}, {{switch:a,b}}, {{r}}, or the value itself"
    )]
    Unknown(String),
    /// A `{` or `}` without its other half.
    #[error(
        "the URL template has a brace without its other half: close each {{placeholder}}, and write a literal brace as %7B or %7D"
    )]
    Brace,
    /// `{switch:}` with nothing, or an empty choice, in it.
    #[error("{{switch:}} in the URL template has an empty choice: list them as in {{switch:a,b,c}}")]
    EmptyChoice,
    /// A placeholder of the tile's place in the host.
    #[error(
        "the host of the URL template depends on the tile's place: only {{s}} and {{switch:a,b}} may choose a host"
    )]
    InHost,
    /// Some, but not all, of zoom, column and row.
    #[error("the URL template lacks {{{0}}}: without it different tiles would have the same URL")]
    Missing(&'static str),
    /// A character that must not stand in a URL.
    #[error("the URL template holds the character {0:?}: write it percent-encoded, a space as %20")]
    Character(char),
    /// Something after `#`.
    #[error("the URL template holds a #: what follows it never reaches a server, so leave it away, or write %23")]
    Fragment,
}
