//! What is fuzzed: each module's `run` takes any bytes and panics where something is wrong.

pub mod body;
pub mod gate;
pub mod http;
mod input;
pub mod snapshot;
pub mod text;
