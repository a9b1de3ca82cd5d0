//! What runs are called in headings: the names of their files, with as many folders as tell them apart.

use std::{collections::BTreeSet, path::Path};

/// Of each file, in the same order, no two the same.
pub(super) fn distinct(paths: &[&Path]) -> Vec<String> {
    let longest = paths.iter().map(|path| path.components().count()).max().unwrap_or(0);
    let mut all = (1..=longest).map(|parts| paths.iter().map(|path| name(path, parts)).collect::<Vec<_>>());
    all.clone().find(|names| are_distinct(names)).or(all.next_back().map(numbered)).unwrap_or_default()
}

/// The last parts of a path, without extension. A name may hold anything, and a terminal obeys some of it.
fn name(path: &Path, parts: usize) -> String {
    let stem = path.with_extension("");
    let parts: Vec<_> = stem.components().rev().take(parts).map(|part| part.as_os_str().to_string_lossy()).collect();
    let name = parts.into_iter().rev().collect::<Vec<_>>().join("/");
    name.replace(char::is_control, "\u{fffd}")
}

/// The same file twice, or files that differ in their extension alone.
fn numbered(names: Vec<String>) -> Vec<String> {
    names.iter().zip(1..).map(|(name, number)| format!("{name} ({number})")).collect()
}

fn are_distinct(names: &[String]) -> bool {
    names.iter().collect::<BTreeSet<_>>().len() == names.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<const N: usize>(paths: [&str; N]) -> Vec<String> {
        distinct(&paths.map(Path::new))
    }

    #[test]
    fn a_name_is_as_long_as_it_takes_to_tell_runs_apart() {
        assert_eq!(names(["own/steady.toml", "own/eager.toml"]), ["steady", "eager"]);
        assert_eq!(names(["own/x.toml", "own2/x.toml"]), ["own/x", "own2/x"]);
        assert_eq!(names(["a/own/x.toml", "b/own/x.toml", "y.toml"]), ["a/own/x", "b/own/x", "y"]);
        assert_eq!(names(["x.toml", "own/x.toml"]), ["x", "own/x"]);
        assert_eq!(names(["x.toml", "x.toml"]), ["x (1)", "x (2)"]);
        assert_eq!(names(["x.toml", "x.txt"]), ["x (1)", "x (2)"]);
    }

    #[test]
    fn a_name_holds_nothing_that_a_terminal_obeys() {
        assert_eq!(names(["\u{1b}[31mred.toml"]), ["\u{fffd}[31mred"]);
    }
}
