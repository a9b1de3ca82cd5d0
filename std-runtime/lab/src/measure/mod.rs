//! From samples to figures that hold, and from figures to advice.
//!
//! A benchmark goes wrong in its arithmetic as easily as in its load: a p99 of forty samples, a mean over the warm-up, a
//! curve drawn far past the last point. Everything here is a pure function of what was recorded, so each such trap is
//! closed by a test.
//!
//! | step | module | what it refuses |
//! |---|---|---|
//! | which run comes when | [`schedule`] | an order in which drift looks like scaling |
//! | which samples count | [`steady`] | warm-up and drain |
//! | what the samples say | [`percentile`], [`histogram`] | a percentile that the sample does not carry |
//! | whether they can be true | [`little`] | a gauge and a clock that contradict each other |
//! | how throughput scales | [`scaling`] | a fit to data that determine none |
//! | what to do about it | [`advice`] | a number beyond twice the measured range |
//! | whether that is good enough | [`requirement`] | a gate passed for want of samples |
//!
//! Latencies are whole microseconds, throughput is per second, shares run from 0 to 1.

pub mod advice;
pub mod histogram;
pub mod little;
pub mod percentile;
pub mod requirement;
pub mod scaling;
pub mod schedule;
pub mod steady;
pub mod text;
