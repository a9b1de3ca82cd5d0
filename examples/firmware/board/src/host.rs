//! The machine that runs the emulator, or holds the debug probe: command line and exit code.
//!
//! Semihosting: a breakpoint instruction with a request in a register. Without a debugger attached it is a fault, so a
//! product replaces this module; nothing else here depends on it but the log transport.
//!
//! Standard output belongs to defmt's binary frames wherever a program logs. Text goes there only in programs that
//! do not log.

use semihosting::experimental::env;

/// The words that the host put on the command line, after the program's name.
///
/// At most 255 bytes in all; a longer command line, or none, counts as empty.
pub struct Args(Option<env::Args<256>>);

/// The command line, read once at boot.
pub fn args() -> Args {
    let args = env::args().ok();
    if let Some(mut words) = args.as_ref() {
        let _the_programs_name = words.next();
    }
    Args(args)
}

impl Args {
    /// The next word; `None` behind the last, and for one that is not UTF-8.
    pub fn next_word(&self) -> Option<&str> {
        self.0.as_ref()?.next()?.ok()
    }
}

/// Ends the program: exit code 0 where it succeeded, 1 where not.
pub fn exit(success: bool) -> ! {
    exit_with(u8::from(!success))
}

/// Ends the program with this exit code.
pub fn exit_with(code: u8) -> ! {
    semihosting::process::exit(code.into())
}
