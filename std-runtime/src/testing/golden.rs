//! What was decided once and looked at, kept in a file, against what is decided now.

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Set to anything, this variable has [`golden`] write what it is given instead of comparing.
pub const RENEW: &str = "TIDEGATE_RENEW_GOLDEN";

/// Compares lines (the records of a trace, say) with those of a file that was made by an earlier run and is kept with the
/// sources. With [`RENEW`] in the environment it writes the file instead; look at the difference before you keep it.
///
/// # Errors
/// The first line that differs, or why the file cannot be read or written.
pub fn golden(path: impl AsRef<Path>, lines: impl IntoIterator<Item: fmt::Display>) -> Result<(), GoldenError> {
    let path = path.as_ref();
    let failed = |source| GoldenError::File { path: path.to_owned(), source };
    let now: Vec<String> = lines.into_iter().map(|line| line.to_string()).collect();
    if env::var_os(RENEW).is_some() {
        let text: String = now.iter().map(|line| format!("{line}\n")).collect();
        return fs::write(path, text).map_err(failed);
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    compare(&text.lines().collect::<Vec<_>>(), &now)
}

fn compare(before: &[&str], now: &[String]) -> Result<(), GoldenError> {
    let same = before.iter().zip(now).take_while(|(before, now)| *before == now).count();
    if same == before.len() && same == now.len() {
        return Ok(());
    }
    let line = |line: Option<&str>| line.unwrap_or("nothing: it ends here").to_owned();
    Err(GoldenError::Differs {
        line: same + 1,
        last_same: same
            .checked_sub(1)
            .and_then(|last| before.get(last))
            .unwrap_or(&"nothing: it is the first")
            .to_string(),
        before: line(before.get(same).copied()),
        now: line(now.get(same).map(String::as_str)),
    })
}

/// Why what is decided now is not what was decided before.
#[derive(Debug, Error)]
pub enum GoldenError {
    /// The first line that differs.
    #[error(
        "line {line} differs\n  after:  {last_same}\n  before: {before}\n  now:    {now}\n\
         If this is meant, run it again with {RENEW}=1 and look at the difference."
    )]
    Differs {
        /// Its number, from 1.
        line: usize,
        /// The line before it.
        last_same: String,
        /// What the file has.
        before: String,
        /// What there is now.
        now: String,
    },
    /// The file.
    #[error("{}: {source}; run it with {RENEW}=1 to make the file", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &[&str], now: &[&str]) -> String {
        let now: Vec<String> = now.iter().map(ToString::to_string).collect();
        compare(before, &now).map_or_else(|error| error.to_string(), |()| "the same".to_owned())
    }

    #[test]
    fn the_first_difference_is_shown_with_what_came_before_it() {
        assert_eq!(told(&[], &[]), "the same");
        assert_eq!(told(&["go", "wait"], &["go", "wait"]), "the same");
        let said = told(&["go", "wait until 7", "go"], &["go", "wait until 8", "full"]);
        assert!(
            said.starts_with("line 2 differs\n  after:  go\n  before: wait until 7\n  now:    wait until 8\n"),
            "{said}"
        );
        assert!(told(&["go"], &["go", "go"]).contains("before: nothing: it ends here\n  now:    go\n"));
        assert!(told(&["go"], &[]).contains("after:  nothing: it is the first\n  before: go\n"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_the_way_to_make_it() {
        let said = golden("no/such/file", ["go"]).expect_err("it is not there").to_string();
        assert!(said.contains("no/such/file") && said.contains("TIDEGATE_RENEW_GOLDEN=1"), "{said}");
    }
}
