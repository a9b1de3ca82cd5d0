//! What happens to the first, the second and each further request for a tile.

use std::fmt;
use std::str::FromStr;

use super::quantity::digits;
use super::{Fault, RuleError};

/// Faults in the order in which a tile's requests meet them: `429:2,200` answers the first with 429 and serves all
/// others, `503*3,200` fails three and then succeeds. After the end the last one goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Each fault with the number of requests it is for; not empty, and the last number is 1.
    steps: Vec<(Fault, u32)>,
}

impl Script {
    /// What happens to the request with this number, counted from zero.
    pub fn step(&self, ask: u32) -> &Fault {
        let mut before = 0_u32;
        for (fault, times) in &self.steps {
            before = before.saturating_add(*times);
            if ask < before {
                return fault;
            }
        }
        self.steps.last().map_or(&Fault::None, |(fault, _)| fault)
    }
}

impl FromStr for Script {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let mut steps = Vec::new();
        for step in text.split(',') {
            let (fault, times) = match step.rsplit_once('*') {
                Some((fault, times)) => (fault, digits(times.trim())),
                None => (step, Some(1)),
            };
            match times {
                Some(times) if times > 0 && steps.len() < STEPS_MAX => steps.push((fault.parse()?, times)),
                _ => return Err(RuleError::Script { text: text.to_owned() }),
            }
        }
        Ok(Self { steps })
    }
}

impl fmt::Display for Script {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (fault, times)) in self.steps.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match times {
                1 => write!(out, "{comma}{fault}")?,
                _ => write!(out, "{comma}{fault}*{times}")?,
            }
        }
        Ok(())
    }
}

/// Longer stories are told with repeats.
const STEPS_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, asks: u32) -> String {
        let script: Script = text.parse().expect("a good script");
        (0..asks).map(|ask| script.step(ask).to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn steps_are_met_in_order_and_the_last_goes_on() {
        assert_eq!(told("429:2,200", 4), "429:2 200 200 200");
        assert_eq!(told("503*3,200", 5), "503 503 503 200 200");
        assert_eq!(told("503,reset,hang", 5), "503 reset hang hang hang");
    }

    #[test]
    fn no_number_of_asks_runs_off_the_end() {
        let script: Script = "503*4294967295,reset*4294967295".parse().expect("a good script");
        assert_eq!(script.step(u32::MAX), &Fault::Reset);
    }

    #[test]
    fn every_script_comes_back_from_its_text() {
        for text in ["200", "429:2,200", "503*3,truncate,200", "drip:16/10ms,429:\"soon\""] {
            assert_eq!(text.parse::<Script>().map(|script| script.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn nonsense_is_rejected() {
        for text in ["", ",", "503,", "503*0", "503*x", "503*-1", "oops,200", &"503,".repeat(1_001)] {
            assert!(text.parse::<Script>().is_err(), "`{text}` was read as a script");
        }
    }
}
