//! How the command ends: the exit codes, in one place.

use std::{fmt, process::ExitCode};

/// Why the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All tiles fetched, or known to be empty.
    Complete = 0,
    /// Some tiles were given up, or an archive is not sound.
    Incomplete = 1,
    /// A flag, a variable or a file that cannot be used.
    Usage = 2,
    /// The source cannot be used: it refuses access, or nothing could be fetched from it.
    Source = 3,
    /// This machine: a file that cannot be written, a full disk.
    Local = 4,
    /// Time ran out; running it again goes on.
    Unfinished = 5,
    /// Refused because of the usage policy of the host.
    Policy = 6,
    /// The ledger does not balance: a defect of tidegate.
    Defect = 70,
    /// What `--require` asks for does not hold.
    Gate = 99,
    /// Interrupted; what was done is kept.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A message that ends the command, and the code it ends with.
#[derive(Debug)]
pub(crate) struct Fatal {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Fatal {
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Usage, message: message.to_string() }
    }

    pub(crate) fn local(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Local, message: message.to_string() }
    }

    pub(crate) fn policy(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Policy, message: message.to_string() }
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What `--help` says about exit codes.
pub(crate) const HELP: &str = "\
Exit codes:
    0  all tiles fetched, or known to be empty
    1  some tiles were given up; verify: the archive is not sound
    2  a flag, variable or file that cannot be used
    3  the source cannot be used: it refuses access, or gave nothing at all;
       fetch and replay end where it gave nothing at all for 3 minutes
    4  this machine: a file that cannot be written, a full disk
    5  time ran out; running it again goes on
    6  refused because of the host's usage policy
   70  the ledger does not balance: a defect, please report it
   99  what --require asks for does not hold
  130  interrupted; what was done is kept";
