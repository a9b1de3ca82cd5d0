//! Fetching through the gate, on virtual time and without a network.

mod ends;
mod many;
mod on_time;
mod stories;
mod support;
mod upstream;
