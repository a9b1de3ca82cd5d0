//! Settings, and where each of them came from.
//!
//! A flag wins over the environment, that over what a file says of the host, and that over the preset. Every value is checked
//! when it is given, and each keeps its origin, so that the effective configuration can be printed with it.

mod hosts;
mod preset;
mod value;

pub use hosts::{BadHostPattern, HostPattern};
pub use preset::Preset;
pub use value::{BadValue, Origin, Setting, parse_count, parse_duration, parse_share};

use std::time::Duration;

use tidegate_core::{
    CallConfig, CallError, CallPolicy, Gate, GateConfig, GateError, RateControl,
    limit::{LimitConfig, LimitKind},
    rate::{Rate, RateConfig},
};

/// What can be given by flag, environment or file. `None` leaves it to the next in line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// The most attempts in flight, 1 to 200.
    pub max_concurrency: Option<u16>,
    /// How long one attempt may take, 1 ms to 1 hour.
    pub timeout: Option<Duration>,
    /// Retries after the first attempt, 0 to 254: attempts are one more.
    pub retries: Option<u8>,
    /// A fixed rate instead of the preset's.
    pub rate: Option<Rate>,
    /// The URL template, or its base.
    pub url: Option<String>,
}

impl Overrides {
    /// What the environment says: `MAX_CONCURRENCY`, `TIMEOUT_SECONDS`, `RETRIES` and `TILE_BASE_URL`. A variable that is set to
    /// nothing counts as not set.
    ///
    /// # Errors
    /// The first variable whose value is not valid, by name.
    pub fn from_environment(read: impl Fn(&str) -> Option<String>) -> Result<Self, BadValue> {
        let read = |name: &'static str| read(name).filter(|value| !value.is_empty()).map(|value| (name, value));
        Ok(Self {
            max_concurrency: read("MAX_CONCURRENCY")
                .map(|(name, value)| parse_count(name, &value, 1, CONCURRENCY_MAX.into()))
                .transpose()?
                .map(|count| count as u16),
            timeout: read("TIMEOUT_SECONDS")
                .map(|(name, value)| parse_duration(name, &value, TIMEOUT_MIN, TIMEOUT_MAX))
                .transpose()?,
            retries: read("RETRIES")
                .map(|(name, value)| parse_count(name, &value, 0, RETRIES_MAX.into()))
                .transpose()?
                .map(|count| count as u8),
            rate: None,
            url: read("TILE_BASE_URL").map(|(_, value)| value),
        })
    }
}

/// The settings in force, each with its origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where all that is not given comes from. [`Settings::layered`] does not know who chose it.
    pub preset: Setting<Preset>,
    /// The most attempts in flight.
    pub max_concurrency: Setting<u16>,
    /// How long one attempt may take.
    pub timeout: Setting<Duration>,
    /// Attempts per call, the first included.
    pub attempts: Setting<u8>,
    /// How often.
    pub rate: Setting<RateControl>,
    /// The URL template, or its base; the embedded server where absent.
    pub url: Setting<Option<String>>,
}

impl Settings {
    /// A preset under `layers`, of which the first that says something counts.
    ///
    /// ```
    /// use tidegate::config::{Origin, Overrides, Preset, Settings};
    ///
    /// let flags = Overrides { retries: Some(1), ..Overrides::default() };
    /// let settings = Settings::layered(Preset::Bulk, &[(Origin::Flag, &flags)]);
    /// assert_eq!((settings.attempts.value, settings.attempts.origin), (2, Origin::Flag));
    /// ```
    #[must_use]
    pub fn layered(preset: Preset, layers: &[(Origin, &Overrides)]) -> Self {
        let (_, _, ceiling) = preset.concurrency();
        let pick = Layers(layers);
        Self {
            preset: Setting { value: preset, origin: Origin::Preset },
            max_concurrency: pick.of(|from| from.max_concurrency, ceiling),
            timeout: pick.of(|from| from.timeout, preset.attempt_timeout()),
            attempts: pick.of(|from| from.retries.map(|retries| retries.saturating_add(1)), preset.call().attempts),
            rate: pick
                .of(|from| from.rate.map(|rate| RateControl::Fixed(RateConfig { rate, burst: 1 })), preset.gate().rate),
            url: pick.of(|from| from.url.clone().map(Some), None),
        }
    }

    /// The gate of these settings.
    #[must_use]
    pub fn gate_config(&self) -> GateConfig {
        let preset = self.preset.value.gate();
        let ceiling = self.max_concurrency.value;
        let limit = match preset.limit.kind {
            LimitKind::Fixed => LimitConfig::fixed(ceiling),
            kind => {
                let floor = preset.limit.floor.min(ceiling);
                LimitConfig { kind, floor, start: preset.limit.start.clamp(floor, ceiling), ceiling }
            }
        };
        let timeout = self.timeout.value;
        GateConfig {
            limit,
            rate: self.rate.value,
            attempt_timeout: timeout,
            slow_after: timeout,
            lease: timeout * 2,
            ..preset
        }
    }

    /// How a call of these settings tries.
    #[must_use]
    pub fn call_config(&self) -> CallConfig {
        CallConfig { attempts: self.attempts.value, ..self.preset.value.call() }
    }

    /// A gate of these settings.
    ///
    /// # Errors
    /// Where the settings do not go together.
    pub fn gate(&self) -> Result<Gate, GateError> {
        Gate::new(self.gate_config())
    }

    /// The policy of a call of these settings.
    ///
    /// # Errors
    /// Where the settings do not go together.
    pub fn call_policy(&self) -> Result<CallPolicy, CallError> {
        CallPolicy::new(self.call_config())
    }
}

struct Layers<'a>(&'a [(Origin, &'a Overrides)]);

impl Layers<'_> {
    fn of<T>(&self, field: impl Fn(&Overrides) -> Option<T>, preset: T) -> Setting<T> {
        let given = self.0.iter().find_map(|&(origin, layer)| Some(Setting { value: field(layer)?, origin }));
        given.unwrap_or(Setting { value: preset, origin: Origin::Preset })
    }
}

/// The most attempts in flight that can be asked for: each may need a connection.
pub const CONCURRENCY_MAX: u16 = 200;
/// The most retries that can be asked for.
pub const RETRIES_MAX: u8 = 254;
/// The shortest time for an attempt.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(1);
/// The longest time for an attempt.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Result<Overrides, BadValue> {
        Overrides::from_environment(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_flag_wins_over_the_environment_that_over_the_file_and_that_over_the_preset() {
        let environment = environment(&[("MAX_CONCURRENCY", "7"), ("RETRIES", "0"), ("TIMEOUT_SECONDS", "2.5")]);
        let environment = environment.expect("valid");
        let flags = Overrides { max_concurrency: Some(3), ..Overrides::default() };
        let rate = Some(Rate::per_second(5));
        let file = Overrides { max_concurrency: Some(9), retries: Some(9), rate, ..Overrides::default() };
        let layers = [(Origin::Flag, &flags), (Origin::Environment, &environment), (Origin::File, &file)];
        let settings = Settings::layered(Preset::Ancestor, &layers);
        assert_eq!(settings.max_concurrency, Setting { value: 3, origin: Origin::Flag });
        assert_eq!(settings.attempts, Setting { value: 1, origin: Origin::Environment });
        assert_eq!(settings.timeout.value, Duration::from_millis(2_500));
        assert_eq!(settings.rate.origin, Origin::File);
        assert_eq!(settings.url.origin, Origin::Preset);
    }

    #[test]
    fn a_variable_that_is_not_valid_is_named_with_its_value_and_the_fix() {
        let error = environment(&[("MAX_CONCURRENCY", "many")]).expect_err("not a number");
        assert_eq!(error.to_string(), "MAX_CONCURRENCY=many: not a whole number; give 1 to 200");
        let error = environment(&[("TIMEOUT_SECONDS", "-1")]).expect_err("negative");
        assert!(error.to_string().starts_with("TIMEOUT_SECONDS=-1: "), "{error}");
        assert_eq!(environment(&[("RETRIES", "")]), Ok(Overrides::default()), "set to nothing");
    }

    #[test]
    fn every_combination_of_preset_and_concurrency_makes_a_gate() {
        for preset in Preset::ALL {
            for concurrency in [1, 2, 5, 10, 50, CONCURRENCY_MAX] {
                for timeout in [TIMEOUT_MIN, Duration::from_secs(1), TIMEOUT_MAX] {
                    let flags = Overrides {
                        max_concurrency: Some(concurrency),
                        timeout: Some(timeout),
                        retries: Some(RETRIES_MAX),
                        ..Overrides::default()
                    };
                    let settings = Settings::layered(preset, &[(Origin::Flag, &flags)]);
                    assert!(settings.gate().is_ok(), "{preset:?} at {concurrency}, {timeout:?}");
                    assert!(settings.call_policy().is_ok());
                }
            }
        }
    }
}
