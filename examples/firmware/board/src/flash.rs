//! A page that survives a reset.
//!
//! Two files in the emulator's working directory, by semihosting. Writing is atomic, as two alternating pages of flash make it:
//! a reset in the middle leaves what was there before. On a real part this is a driver of `embedded-storage`, and a page has
//! some ten thousand writes in it: write what changed, when it changed.

use core::ffi::CStr;

use semihosting::{
    fs::{self, File},
    io::Read as _,
};

/// The page; `None` where nothing was ever written, or not all of it can be read.
pub fn read<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    File::open(PAGE).and_then(|mut page| page.read_exact(&mut bytes)).ok()?;
    Some(bytes)
}

/// Writes the page. Whether it is written: what cannot be kept is worth a line in a log, and no more.
#[must_use = "it may not be written"]
pub fn write(bytes: &[u8]) -> bool {
    fs::write(NEW_PAGE, bytes).and_then(|()| fs::rename(NEW_PAGE, PAGE)).is_ok()
}

const PAGE: &CStr = c"flash.bin";
const NEW_PAGE: &CStr = c"flash.new";
