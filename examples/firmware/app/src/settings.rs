//! What the host asked for, as words of the form `key=value` on the command line.

use core::time::Duration;

use board::host::Args;
use trip::{Route, RouteError};

/// The settings of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub struct Settings {
    /// `port`: where the tile server listens on the host.
    pub port: u16,
    /// `seed`: what ports, sequence numbers and jitter are drawn from. A product takes it from its noise source.
    pub seed: u64,
    /// `zoom`, `row`, `rows`, `columns`, `pace-ms` and `ahead-ms`.
    pub route: Route,
}

/// What is wrong with the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub enum SettingsError {
    /// A word that is no known key and a number that fits it.
    Word,
    /// This one is missing: none has a default.
    Missing(&'static str),
    /// They describe no route.
    Route(RouteError),
}

const KEYS: [&str; 8] = ["port", "seed", "zoom", "row", "rows", "columns", "pace-ms", "ahead-ms"];

impl Settings {
    /// Reads the command line to its end.
    ///
    /// # Errors
    /// The first word that is not understood, a setting that is missing, or what is no route.
    pub fn read(args: &Args) -> Result<Self, SettingsError> {
        let mut values = [None; KEYS.len()];
        while let Some(word) = args.next_word() {
            let (key, value) = word.split_once('=').ok_or(SettingsError::Word)?;
            let places = KEYS.iter().zip(&mut values);
            let (_, place) = places.into_iter().find(|(known, _)| **known == key).ok_or(SettingsError::Word)?;
            *place = Some(value.parse::<u64>().map_err(|_| SettingsError::Word)?);
        }
        let value = |key| {
            let given = KEYS.iter().zip(values).find(|(known, _)| **known == key).and_then(|(_, value)| value);
            given.ok_or(SettingsError::Missing(key))
        };
        let route = Route {
            zoom: narrow(value("zoom")?)?,
            row: narrow(value("row")?)?,
            rows: narrow(value("rows")?)?,
            columns: narrow(value("columns")?)?,
            pace: Duration::from_millis(value("pace-ms")?),
            ahead: Duration::from_millis(value("ahead-ms")?),
        };
        let port = narrow(value("port")?)?;
        let route = route.checked().map_err(SettingsError::Route)?;
        Ok(Self { port, seed: value("seed")?, route })
    }
}

/// The number, where it fits.
fn narrow<T: TryFrom<u64>>(value: u64) -> Result<T, SettingsError> {
    T::try_from(value).map_err(|_| SettingsError::Word)
}
