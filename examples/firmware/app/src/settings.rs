//! What the host asked for, as words of the form `key=value` on the command line.

use board::host::Args;

/// The settings of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub struct Settings {
    /// `port`: where the tile server listens on the host.
    pub port: u16,
    /// `seed`: what ports and sequence numbers are drawn from. A product takes it from its noise source.
    pub seed: u64,
    /// `zooms`: fetch all tiles of the zooms 0 to this one.
    pub zooms: u8,
}

/// What is wrong with the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub enum SettingsError {
    /// A word that is not one of `port=1..65535`, `seed=0..2^64-1`, `zooms=0..8`.
    Word,
    /// One of the three is missing.
    Missing(&'static str),
}

impl Settings {
    /// Reads the command line to its end.
    ///
    /// # Errors
    /// The first word that is not understood, or a setting that is missing: none has a default.
    pub fn read(args: &Args) -> Result<Self, SettingsError> {
        let (mut port, mut seed, mut zooms) = (None, None, None);
        while let Some(word) = args.next_word() {
            let (key, value) = word.split_once('=').ok_or(SettingsError::Word)?;
            match key {
                "port" => port = value.parse().ok().filter(|&port| port > 0),
                "seed" => seed = value.parse().ok(),
                "zooms" => zooms = value.parse().ok().filter(|&zoom| zoom <= 8),
                _ => return Err(SettingsError::Word),
            }
        }
        Ok(Self {
            port: port.ok_or(SettingsError::Missing("port"))?,
            seed: seed.ok_or(SettingsError::Missing("seed"))?,
            zooms: zooms.ok_or(SettingsError::Missing("zooms"))?,
        })
    }
}
