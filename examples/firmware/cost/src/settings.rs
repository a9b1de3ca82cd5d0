//! Checked when it is compiled, so that no check is in the program.

use core::time::Duration;

use tidegate_core::{
    CallConfig, CallPolicy, Gate, GateConfig,
    latency::{LatencyConfig, RotatingBuckets},
};

pub(crate) const POLICY: CallPolicy = match CallPolicy::new(CallConfig::DEFAULT) {
    Ok(policy) => policy,
    Err(_) => panic!("the default is valid"),
};

pub(crate) const GATE: Gate = match Gate::new(GateConfig::DEFAULT) {
    Ok(gate) => gate,
    Err(_) => panic!("the default is valid"),
};

pub(crate) type Recent = RotatingBuckets<{ LatencyConfig::DEFAULT.cells() }>;

pub(crate) const LATENCIES: Recent = match Recent::new(LatencyConfig::DEFAULT, Duration::from_secs(60)) {
    Ok(latencies) => latencies,
    Err(_) => panic!("the default is valid"),
};
