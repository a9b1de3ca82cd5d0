//! Latency buckets of the default range.

use core::time::Duration;

use tidegate_core::{
    Instant, LatencyBuckets, LatencyConfig, Quantile, RotatingBuckets,
    latency::{LatencyError, LatencyView, RangesDiffer},
};

const CELLS: usize = LatencyConfig::DEFAULT.cells();

type Buckets = LatencyBuckets<CELLS>;
type Rotating = RotatingBuckets<CELLS>;

#[unsafe(no_mangle)]
pub fn proven_latency_cells(config: &LatencyConfig) -> usize {
    LatencyConfig::cells(config)
}

#[unsafe(no_mangle)]
pub fn proven_latency_new(config: LatencyConfig) -> Result<Buckets, LatencyError> {
    LatencyBuckets::new(config)
}

#[unsafe(no_mangle)]
pub fn proven_latency_record(buckets: &mut Buckets, latency: Duration) {
    LatencyBuckets::record(buckets, latency);
}

#[unsafe(no_mangle)]
pub fn proven_latency_record_since(buckets: &mut Buckets, now: Instant, started: Instant) {
    LatencyBuckets::record_since(buckets, now, started);
}

#[unsafe(no_mangle)]
pub fn proven_latency_merge(buckets: &mut Buckets, other: &Buckets) -> Result<(), RangesDiffer> {
    LatencyBuckets::merge(buckets, other)
}

#[unsafe(no_mangle)]
pub fn proven_latency_clear(buckets: &mut Buckets) {
    LatencyBuckets::clear(buckets);
}

#[unsafe(no_mangle)]
pub fn proven_latency_view(buckets: &Buckets) -> LatencyView<'_, CELLS> {
    LatencyBuckets::view(buckets)
}

#[unsafe(no_mangle)]
pub fn proven_rotating_new(config: LatencyConfig, window: Duration) -> Result<Rotating, LatencyError> {
    RotatingBuckets::new(config, window)
}

#[unsafe(no_mangle)]
pub fn proven_rotating_record(buckets: &mut Rotating, now: Instant, latency: Duration) {
    RotatingBuckets::record(buckets, now, latency);
}

#[unsafe(no_mangle)]
pub fn proven_rotating_record_since(buckets: &mut Rotating, now: Instant, started: Instant) {
    RotatingBuckets::record_since(buckets, now, started);
}

#[unsafe(no_mangle)]
pub fn proven_rotating_view(buckets: &Rotating, now: Instant) -> LatencyView<'_, CELLS> {
    RotatingBuckets::view(buckets, now)
}

#[unsafe(no_mangle)]
pub fn proven_view_counts(view: &LatencyView<'_, CELLS>) -> [u32; 3] {
    [LatencyView::count(view), LatencyView::below(view), LatencyView::above(view)]
}

#[unsafe(no_mangle)]
pub fn proven_view_spans(view: &LatencyView<'_, CELLS>) -> [Option<Duration>; 3] {
    [LatencyView::min(view), LatencyView::max(view), LatencyView::mean(view)]
}

#[unsafe(no_mangle)]
pub fn proven_view_quantile(view: &LatencyView<'_, CELLS>, parts: u16) -> Option<Duration> {
    LatencyView::quantile(view, Quantile::per_10_000(parts))
}
