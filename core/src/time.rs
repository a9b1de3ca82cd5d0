//! Instants that the driver hands in, and the ticks they may be made of.
//!
//! The core reads no clock. A driver picks an origin (boot, the start of the process) and passes nanoseconds since
//! then as [`Instant`]. All arithmetic saturates: 292 years after the origin time stands still, and nothing panics.

use core::time::Duration;

/// Nanoseconds since an origin that the driver picks.
///
/// Invariant: less than 2^63, so that differences fit a signed 64-bit integer. Constructors saturate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

impl Instant {
    /// The origin itself.
    pub const ORIGIN: Self = Self(0);
    /// The latest instant there is, 292 years after the origin. As an alarm it means "not before something happens".
    pub const MAX: Self = Self(i64::MAX as u64);

    /// The instant `nanos` nanoseconds after the origin; saturates at [`Instant::MAX`].
    pub const fn from_nanos(nanos: u64) -> Self {
        if nanos > Self::MAX.0 { Self::MAX } else { Self(nanos) }
    }

    /// The instant `micros` microseconds after the origin; saturates.
    pub const fn from_micros(micros: u64) -> Self {
        Self::from_nanos(micros.saturating_mul(1_000))
    }

    /// The instant `millis` milliseconds after the origin; saturates.
    pub const fn from_millis(millis: u64) -> Self {
        Self::from_nanos(millis.saturating_mul(1_000_000))
    }

    /// The instant `secs` seconds after the origin; saturates.
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_nanos(secs.saturating_mul(1_000_000_000))
    }

    /// The instant at which a counter of `hz` ticks per second, zero at the origin, shows `ticks`.
    ///
    /// Rounds down, exact to the nanosecond for every rate: a reading that is early can only make a wait longer.
    /// A rate of zero is a counter that stands still.
    pub const fn from_ticks(ticks: u64, hz: u32) -> Self {
        if hz == 0 {
            return Self::ORIGIN;
        }
        let hz = hz as u64;
        let whole_ns = (ticks / hz).saturating_mul(1_000_000_000);
        // The remainder is below 2^32, so the product is below 2^62.
        let rest_ns = (ticks % hz) * 1_000_000_000 / hz;
        Self::from_nanos(whole_ns.saturating_add(rest_ns))
    }

    /// Nanoseconds since the origin, always less than 2^63.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This instant moved `span` into the future; saturates at [`Instant::MAX`].
    #[must_use = "an instant is moved by value"]
    pub const fn saturating_add(self, span: Duration) -> Self {
        self.plus_ns(nanos(span))
    }

    /// How long after `earlier` this instant is; zero where it is not.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.since_ns(earlier))
    }

    pub(crate) const fn plus_ns(self, span_ns: u64) -> Self {
        // Both are at most 2^63 in any state that construction lets through; `saturating_add` covers the rest.
        Self::from_nanos(self.0.saturating_add(span_ns))
    }

    /// As [`Instant::plus_ns`], for a span that cannot leave 64 bits.
    pub(crate) const fn plus(self, span: Millis) -> Self {
        // Below 2^63 + 2^52.
        Self::from_nanos(self.0.wrapping_add(span.ns()))
    }

    pub(crate) const fn since_ns(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// As [`Instant::since_ns`], but at least 2^63 where this instant is before `earlier`.
    pub(crate) const fn wrapping_since_ns(self, earlier: Self) -> u64 {
        self.0.wrapping_sub(earlier.0)
    }

    /// `None` where this instant is before `earlier`.
    pub(crate) const fn checked_since_ns(self, earlier: Self) -> Option<u64> {
        self.0.checked_sub(earlier.0)
    }

    /// For differences that may be negative: lossless, since an instant is below 2^63.
    pub(crate) const fn signed(self) -> i64 {
        self.0 as i64
    }

    /// The instant of a signed count; what lies before the origin is the origin.
    pub(crate) const fn from_signed(ns: i64) -> Self {
        if ns < 0 { Self::ORIGIN } else { Self(ns as u64) }
    }

    /// `<`, where comparison operators are not const.
    pub(crate) const fn is_before(self, other: Self) -> bool {
        self.0 < other.0
    }

    pub(crate) const fn max(self, other: Self) -> Self {
        if self.0 >= other.0 { self } else { other }
    }

    pub(crate) const fn min(self, other: Self) -> Self {
        if self.0 <= other.0 { self } else { other }
    }
}

/// A span of configuration in whole milliseconds: four bytes instead of the sixteen of a [`Duration`].
///
/// Rounded up, so that a delay is never shorter than asked for; at most 49 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Millis(u32);

impl Millis {
    pub(crate) const ZERO: Self = Self(0);
    pub(crate) const MAX: Duration = Duration::from_millis(u32::MAX as u64);

    /// `None` where the span is longer than [`Millis::MAX`].
    pub(crate) const fn round_up(span: Duration) -> Option<Self> {
        if nanos(span) > nanos(Self::MAX) { None } else { Some(Self::from_ns_up(nanos(span))) }
    }

    /// Saturates at [`Millis::MAX`].
    pub(crate) const fn from_ns_up(span_ns: u64) -> Self {
        let ms = span_ns.div_ceil(1_000_000);
        if ms > u32::MAX as u64 { Self(u32::MAX) } else { Self(ms as u32) }
    }

    pub(crate) const fn ns(self) -> u64 {
        // Below 2^32 · 10^6 < 2^52.
        self.0 as u64 * 1_000_000
    }

    pub(crate) const fn to_le_bytes(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }

    pub(crate) const fn from_le_bytes(bytes: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(bytes))
    }

    /// A third, rounded up: three of them are at least the whole.
    pub(crate) const fn third_up(self) -> Self {
        Self(self.0.div_ceil(3))
    }

    pub(crate) const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// A number below 2^42 in two bytes, right to a thousandth: what is remembered of a measure, not what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Compact(u16);

impl Compact {
    pub(crate) const ZERO: Self = Self(0);
    pub(crate) const MAX: Self = Self(u16::MAX);
    /// Eleven bits of the number, and how far they were shifted.
    const BITS: u32 = 11;

    /// Rounds down; saturates at [`Compact::MAX`].
    pub(crate) const fn of(number: u64) -> Self {
        if number >> 42 != 0 {
            return Self::MAX;
        }
        // 64-bit shifts by a variable are slow on a small device, and most numbers are below 2^32.
        let (number, upper) = if number >> 32 == 0 { (number as u32, 0) } else { ((number >> 21) as u32, 21) };
        let shift = (u32::BITS - Self::BITS).saturating_sub(number.leading_zeros());
        Self((((shift + upper) << Self::BITS) | (number >> shift)) as u16)
    }

    /// Saturates at 2^32 − 1.
    pub(crate) const fn get_up_to_32_bits(self) -> u32 {
        let shift = self.0 >> Self::BITS;
        let bits = (self.0 & ((1 << Self::BITS) - 1)) as u32;
        if shift <= 21 { bits << shift } else { u32::MAX }
    }

    pub(crate) const fn get(self) -> u64 {
        let shift = self.0 >> Self::BITS;
        let bits = (self.0 & ((1 << Self::BITS) - 1)) as u32;
        if shift <= 21 { (bits << shift) as u64 } else { ((bits << (shift - 21)) as u64) << 21 }
    }
}

/// About how many microseconds `span_ns` is, for explanations: right to 0.1 %, saturating at 71 minutes, no division.
pub(crate) const fn about_micros(span_ns: u64) -> u32 {
    let units = span_ns >> 10;
    if units >= 1 << 32 {
        return u32::MAX;
    }
    // 1.024 µs per unit, as 1049 / 1024.
    let micros = (units * 1_049) >> 10;
    if micros > u32::MAX as u64 { u32::MAX } else { micros as u32 }
}

/// The nanoseconds of a duration, saturating at 2^63 − 1, which is 292 years.
pub(crate) const fn nanos(span: Duration) -> u64 {
    let ns = span.as_nanos();
    if ns > Instant::MAX.0 as u128 { Instant::MAX.0 } else { ns as u64 }
}

/// Extends a wrapping 32-bit tick counter to 64 bits.
///
/// Invariant: what it returns never decreases. It has to be read at least once in every half turn of the counter
/// (2^31 ticks: 35 minutes at 1 MHz, 24 days at 1 kHz); a reading more than half a turn ahead is taken for one that
/// is late, and no time passes.
///
/// ```
/// use tidegate_core::time::{Instant, TickExtender};
///
/// let mut ticks = TickExtender::new();
/// assert_eq!(ticks.extend(0xffff_fff0), 0xffff_fff0);
/// assert_eq!(ticks.extend(0x0000_0010), 0x1_0000_0010); // wrapped
/// assert_eq!(ticks.extend(0xffff_ffff), 0x1_0000_0010); // an interrupt's older reading: no time has passed
/// assert_eq!(Instant::from_ticks(0x1_0000_0010, 1_000_000), Instant::from_micros(0x1_0000_0010));
/// ```
#[derive(Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TickExtender {
    latest: u64,
    started: bool,
}

impl TickExtender {
    /// An extender whose first reading is taken as it is.
    pub const fn new() -> Self {
        Self { latest: 0, started: false }
    }

    /// The 64-bit count for the counter's present `reading`.
    pub const fn extend(&mut self, reading: u32) -> u64 {
        if !self.started {
            self.started = true;
            self.latest = reading as u64;
            return self.latest;
        }
        let ahead = reading.wrapping_sub(self.latest as u32);
        if ahead < 1 << 31 {
            self.latest = self.latest.saturating_add(ahead as u64);
        }
        self.latest
    }
}

const _: () = assert!(size_of::<Instant>() == 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Instant::MAX.saturating_add(Duration::MAX), Instant::MAX);
        assert_eq!(Instant::from_nanos(u64::MAX), Instant::MAX);
        assert_eq!(Instant::from_secs(u64::MAX), Instant::MAX);
        assert_eq!(Instant::ORIGIN.saturating_since(Instant::MAX), Duration::ZERO);
        assert_eq!(nanos(Duration::MAX), Instant::MAX.as_nanos());
    }

    #[test]
    fn instants_are_compared_subtracted_and_signed() {
        let (early, late) = (Instant::from_nanos(3), Instant::from_nanos(10));
        assert_eq!((late.since_ns(early), early.since_ns(late), early.since_ns(early)), (7, 0, 0));
        assert_eq!([early.is_before(late), late.is_before(early), early.is_before(early)], [true, false, false]);
        assert_eq!([early.max(late), late.max(early), early.min(late), late.min(early)], [late, late, early, early]);
        for instant in [Instant::ORIGIN, early, late, Instant::MAX] {
            assert_eq!(Instant::from_signed(instant.signed()), instant);
        }
        assert_eq!(late.signed(), 10);
        assert_eq!([Instant::from_signed(-1), Instant::from_signed(i64::MIN)], [Instant::ORIGIN; 2]);
    }

    #[test]
    fn milliseconds_round_up_and_say_when_they_cannot_hold_a_span() {
        assert_eq!(Millis::round_up(Duration::from_nanos(1)), Some(Millis(1)));
        assert_eq!(Millis::round_up(Duration::from_millis(250)).map(Millis::ns), Some(250_000_000));
        assert_eq!(
            Millis::round_up(Duration::from_millis(u64::from(u32::MAX))).map(Millis::ns),
            Some(4_294_967_295_000_000)
        );
        assert_eq!(Millis::round_up(Duration::MAX), None);
        let beyond = (u64::from(u32::MAX) + 7) * 1_000_000;
        assert_eq!([0, 1, 2_000_000, beyond].map(Millis::from_ns_up), [0, 1, 2, u32::MAX].map(Millis));
        assert_eq!([0, 1, 3, 4].map(|ms| Millis(ms).third_up()), [0, 1, 1, 2].map(Millis));
        assert_eq!([Millis::ZERO, Millis(1)].map(Millis::is_zero), [true, false]);
    }

    #[test]
    fn a_compact_number_is_right_to_a_thousandth_and_never_above() {
        let numbers = (0..42).flat_map(|bit| [1 << bit, (1 << bit) + (1 << bit) / 3, (2 << bit) - 1]);
        for number in numbers.chain([0, 2_047, 2_048]) {
            let kept = Compact::of(number).get();
            assert!(kept <= number && number - kept <= number / 1_024, "{number} is kept as {kept}");
            let short = Compact::of(number).get_up_to_32_bits();
            assert_eq!(u64::from(short), kept.min(u32::MAX.into()), "{number} in 32 bits");
        }
        assert_eq!([1 << 42, u64::MAX].map(Compact::of), [Compact::MAX; 2]);
    }

    #[test]
    fn explanations_in_microseconds_are_right_to_a_thousandth() {
        for ns in [1_024, 10_000, 50_000_000, 1_000_000_000, 60_000_000_000] {
            let exact = ns / 1_000;
            let about = u64::from(about_micros(ns));
            assert!(exact.abs_diff(about) <= exact / 1_000 + 1, "{ns} ns came out as {about} µs");
        }
        // 71 minutes fit, 72 do not.
        assert!(about_micros(71 * 60 * 1_000_000_000).abs_diff(71 * 60 * 1_000_000) <= 71 * 60 * 1_000);
        assert_eq!([72 * 60 * 1_000_000_000, u64::MAX].map(about_micros), [u32::MAX; 2]);
    }

    #[test]
    fn ticks_convert_exactly_at_rates_that_do_not_divide_a_second() {
        // 32,768 ticks are one second; one tick is 30,517.578125 ns, rounded down.
        assert_eq!(Instant::from_ticks(32_768, 32_768), Instant::from_secs(1));
        assert_eq!(Instant::from_ticks(1, 32_768).as_nanos(), 30_517);
        assert_eq!(Instant::from_ticks(3, 32_768).as_nanos(), 91_552);
        assert_eq!(Instant::from_ticks(u64::MAX, 1), Instant::MAX);
        assert_eq!(Instant::from_ticks(u64::MAX, u32::MAX).as_nanos(), 4_294_967_297_000_000_000);
        assert_eq!(Instant::from_ticks(7, 0), Instant::ORIGIN);
    }

    #[test]
    fn time_running_backwards_does_not_move_the_tick_extender() {
        let mut ticks = TickExtender::new();
        assert_eq!(ticks.extend(1_000), 1_000);
        assert_eq!(ticks.extend(999), 1_000);
        assert_eq!(ticks.extend(1_001), 1_001);
    }

    #[test]
    fn the_first_reading_of_ticks_is_taken_as_it_is_and_half_a_turn_ahead_is_late() {
        let mut ticks = TickExtender::new();
        assert_eq!(ticks.extend(0xffff_fff0), 0xffff_fff0);
        assert_eq!(ticks.extend(0x7fff_fff0), 0xffff_fff0, "exactly half a turn");
        assert_eq!(ticks.extend(0x7fff_ffef), 0x1_7fff_ffef, "one less than that");
    }

    #[test]
    fn the_tick_extender_survives_many_wraps() {
        let mut ticks = TickExtender::new();
        let mut truth = 0u64;
        for _ in 0..1_000 {
            assert_eq!(ticks.extend(truth as u32), truth);
            truth += (1 << 31) - 1;
        }
    }
}
