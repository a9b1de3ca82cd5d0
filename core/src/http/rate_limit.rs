//! `RateLimit` and `RateLimit-Policy`, as draft-ietf-httpapi-ratelimit-headers-10 has them (a draft, September 2025).
//!
//! A policy has a name, a quota (`q`), perhaps a window in seconds (`w`) and a unit (`qu`). A limit has the name of a
//! policy, what remains of it (`r`) and perhaps the seconds until there is more (`t`). A field that is not as the draft
//! says is ignored as a whole; so is one of several lines, because they are one list.

use heapless::Vec;

use super::{
    cursor::Cursor,
    structured::{Bare, bare_item, list, parameter},
};

/// How many policies, and how many limits, are kept of one response. What comes after the first four is not looked at.
const MEMBERS_MAX: usize = 4;

/// A member of `RateLimit-Policy`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    name: Name,
    pub(super) quota: u32,
    window_s: Option<u32>,
    /// Other units are bytes, or requests at once.
    counts_requests: bool,
}

/// A member of `RateLimit`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    name: Name,
    pub(super) remaining: u32,
    reset_s: Option<u32>,
}

/// Both fields of one response, gathered line by line.
#[derive(Clone, Debug)]
pub(super) struct RateLimit {
    policies: Members<Policy>,
    limits: Members<Limit>,
}

impl RateLimit {
    pub(super) const fn new() -> Self {
        Self { policies: Members::new(), limits: Members::new() }
    }

    pub(super) fn policy_line(&mut self, value: &[u8]) {
        self.policies.line(value, policy);
    }

    pub(super) fn limit_line(&mut self, value: &[u8]) {
        self.limits.line(value, limit);
    }

    /// Each limit that counts requests, with the seconds until there is more and the quota it is a part of.
    pub(super) fn limits(&self) -> impl Iterator<Item = (u32, u32, Option<u32>)> {
        self.limits.read().filter_map(|limit| {
            let policy = self.policies.read().find(|policy| policy.name == limit.name);
            if policy.is_some_and(|policy| !policy.counts_requests) {
                return None;
            }
            // Without `t` there may be more as late as after a whole window; without either nobody can say.
            let reset_s = limit.reset_s.or(policy.and_then(|policy| policy.window_s))?;
            Some((limit.remaining, reset_s, policy.map(|policy| policy.quota)))
        })
    }
}

/// The members of one field so far.
#[derive(Clone, Debug)]
struct Members<T> {
    list: Vec<T, MEMBERS_MAX>,
    malformed: bool,
}

impl<T> Members<T> {
    const fn new() -> Self {
        Self { list: Vec::new(), malformed: false }
    }

    fn line(&mut self, value: &[u8], member: impl Fn(&mut Cursor<'_>) -> Option<T>) {
        let read = list(value, |text| {
            // A full list is read on, since an error at its end would make all of it void.
            let _ = self.list.push(member(text)?);
            Some(())
        });
        self.malformed |= read.is_none();
    }

    fn read(&self) -> impl Iterator<Item = &T> {
        self.list.iter().filter(|_| !self.malformed)
    }
}

fn policy(text: &mut Cursor<'_>) -> Option<Policy> {
    let name = name(text)?;
    let (mut quota, mut window, mut unit) = (None, None, None);
    while let Some((key, value)) = parameter(text)? {
        match key {
            b"q" => quota = Some(value),
            b"w" => window = Some(value),
            b"qu" => unit = Some(value),
            _ => {}
        }
    }
    let window_s = optional_count(window)?;
    if window_s == Some(0) {
        return None;
    }
    let counts_requests = match unit {
        None => true,
        Some(Bare::String(unit)) => unit == b"requests",
        Some(Bare::Integer(_) | Bare::Other) => return None,
    };
    Some(Policy { name, quota: saturate(quota?.count()?), window_s, counts_requests })
}

fn limit(text: &mut Cursor<'_>) -> Option<Limit> {
    let name = name(text)?;
    let (mut remaining, mut reset) = (None, None);
    while let Some((key, value)) = parameter(text)? {
        match key {
            b"r" => remaining = Some(value),
            b"t" => reset = Some(value),
            _ => {}
        }
    }
    Some(Limit { name, remaining: saturate(remaining?.count()?), reset_s: optional_count(reset)? })
}

/// A parameter that may be missing, but must be a count where it is not.
fn optional_count(value: Option<Bare<'_>>) -> Option<Option<u32>> {
    match value {
        None => Some(None),
        Some(value) => Some(Some(saturate(value.count()?))),
    }
}

pub(super) fn saturate(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The name of a policy, which has to be a String, as its FNV-1a hash (Fowler, Noll and Vo). Two names with the same
/// hash would mix up two quotas of one server, which only that server can bring about, and gains nothing by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name(u32);

fn name(text: &mut Cursor<'_>) -> Option<Name> {
    match bare_item(text)? {
        Bare::String(name) => Some(Name(
            name.iter().fold(0x811c_9dc5, |hash: u32, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)),
        )),
        Bare::Integer(_) | Bare::Other => None,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    #[test]
    fn names_are_hashed_as_published() {
        let hashes = ["\"\"", "\"a\"", "\"foobar\""].map(|text| name(&mut Cursor::new(text.as_bytes())));
        assert_eq!(hashes, [0x811c_9dc5, 0xe40c_292c, 0xbf9c_f968].map(|hash| Some(Name(hash))));
    }

    fn read(policies: &[&str], limits: &[&str]) -> Vec<(u32, u32, Option<u32>)> {
        let mut fields = RateLimit::new();
        policies.iter().for_each(|line| fields.policy_line(line.as_bytes()));
        limits.iter().for_each(|line| fields.limit_line(line.as_bytes()));
        fields.limits().collect()
    }

    #[test]
    fn the_examples_of_the_draft_come_out() {
        assert_eq!(read(&[], &[r#""default";r=50;t=30"#]), [(50, 30, None)]);
        assert_eq!(read(&[], &[r#""default";r=300000000;t=60;pk=:QXBwLTk5OQ==:"#]), [(300_000_000, 60, None)]);
        assert_eq!(read(&[], &[r#""default";r=0;t=50"#]), [(0, 50, None)]);
        assert_eq!(read(&[r#""basic";q=100;w=60"#], &[r#""basic";r=60;t=58"#]), [(60, 58, Some(100))]);
        assert_eq!(read(&[r#""dynamic";q=15;w=20"#], &[r#""dynamic";r=0;t=20"#]), [(0, 20, Some(15))]);
        assert_eq!(
            read(&[r#""hour";q=1000;w=3600, "day";q=5000;w=86400"#], &[r#""day";r=100;t=36000"#]),
            [(100, 36_000, Some(5_000))]
        );
        // No time at all: nothing to pace by.
        assert_eq!(read(&[], &[r#""default";r=999;pk=:dHJpYWwxMjEzMjM=:"#]), []);
        // Tokens where Strings have to be, and no `r`: a left-over of an older draft in this one.
        assert_eq!(read(&["quota;q=100;w=1"], &["quota;t=1"]), []);
    }

    #[test]
    fn several_policies_may_come_in_one_line_or_in_many() {
        let both = [(3, 2, Some(100)), (700, 4_000, Some(1_000))];
        let (burst, daily) = (r#""burst";q=100;w=60"#, r#""daily";q=1000;w=86400"#);
        assert_eq!(read(&[burst, daily], &[r#""burst";r=3;t=2, "daily";r=700;t=4000"#]), both);
        assert_eq!(
            read(&[r#""daily";q=1000;w=86400,"burst";q=100;w=60"#], &[r#""burst";r=3;t=2"#, r#""daily";r=700;t=4000"#]),
            both
        );
    }

    #[test]
    fn a_missing_time_is_the_whole_window() {
        assert_eq!(read(&[r#""a";q=100;w=60"#], &[r#""a";r=5"#]), [(5, 60, Some(100))]);
        assert_eq!(read(&[r#""a";q=100"#], &[r#""a";r=5"#]), []);
        assert_eq!(read(&[r#""b";q=100;w=60"#], &[r#""a";r=5"#]), [], "another policy's window");
    }

    #[test]
    fn units_other_than_requests_are_not_requests() {
        let bytes = r#""peruser";q=65535;qu="content-bytes";w=10;pk=:sdfjLJUOUH==:"#;
        assert_eq!(read(&[bytes], &[r#""peruser";r=100;t=5"#]), []);
        assert_eq!(read(&[r#""a";q=5;qu="concurrent-requests""#], &[r#""a";r=1;t=1"#]), []);
        assert_eq!(read(&[r#""a";q=5;qu="requests""#], &[r#""a";r=1;t=1"#]), [(1, 1, Some(5))]);
        assert_eq!(read(&[bytes], &[r#""peruser";r=9;t=5, "other";r=8;t=5"#]), [(8, 5, None)]);
    }

    #[test]
    fn a_malformed_field_is_ignored_as_a_whole() {
        let policy = r#""a";q=100;w=60"#;
        for bad in [
            r#""a";r=5;t=1, b;r=1;t=1"#,
            r#""a";r=5;t=1, "b""#,
            r#""a";r=5;t=1, "b";t=1"#,
            r#""a";r=5;t=1, "b";r=-1;t=1"#,
            r#""a";r=5;t=1, "b";r=1.5;t=1"#,
            r#""a";r=5;t=1, "b";r=1;t=-1"#,
            r#""a";r=5;t=1, "b";r=1;t="1""#,
            r#""a";r=5;t=1,"#,
            r#""a";r=5;t=1, ("b");r=1"#,
            r#""a";r=5;t=1;"#,
            r#""a";r=5; t = 1"#,
            "limit=100, remaining=50, reset=5",
        ] {
            assert_eq!(read(&[policy], &[bad]), [], "{bad}");
        }
        assert_eq!(read(&[policy], &[r#""a";r=5;t=1"#, "broken"]), [], "the lines are one list");
        assert_eq!(read(&[policy], &["broken", r#""a";r=5;t=1"#]), [], "whichever comes first");
        for bad in
            [r#""a";w=60"#, r#""a";q=-1"#, r#""a";q=100;w=0"#, r#""a";q=100;qu=requests"#, "100;w=60", r#""a";q"#]
        {
            assert_eq!(read(&[policy, bad], &[r#""a";r=5;t=1"#]), [(5, 1, None)], "{bad}: the limit is still good");
        }
    }

    #[test]
    fn the_last_of_a_repeated_parameter_counts_and_unknown_ones_do_not() {
        assert_eq!(read(&[], &[r#""a";r="x";t=9;r=5;t=1;acme-burst=?1;r2=7"#]), [(5, 1, None)]);
    }

    #[test]
    fn numbers_too_large_saturate() {
        assert_eq!(
            read(&[r#""a";q=999999999999999"#], &[r#""a";r=999999999999999;t=4294967296"#]),
            [(u32::MAX, u32::MAX, Some(u32::MAX))]
        );
    }

    #[test]
    fn more_than_four_members_are_read_but_not_kept() {
        let five = r#""a";r=1;t=1,"b";r=2;t=1,"c";r=3;t=1,"d";r=4;t=1,"e";r=5;t=1"#;
        assert_eq!(read(&[], &[five]).len(), 4);
        assert_eq!(read(&[], &[five, "broken"]), []);
    }
}
