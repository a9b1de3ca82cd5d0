//! A share as an integer fraction.

/// `part` of `whole`: "16 of 32", "1 of 4". Shares are compared by multiplication, never divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Share {
    /// The part, 1 to `whole`.
    pub part: u8,
    /// The whole, at least `part`.
    pub whole: u8,
}

impl Share {
    /// `part` of `whole`.
    pub const fn of(part: u8, whole: u8) -> Self {
        Self { part, whole }
    }

    /// Whether this is more than nothing and at most everything.
    pub(crate) const fn is_valid(self) -> bool {
        self.part > 0 && self.part <= self.whole
    }

    /// The least count of `total` that reaches this share, a valid one: at most `total`.
    pub(crate) const fn of_up(self, total: u8) -> u8 {
        // No share is of nothing, which division cannot see.
        let whole = if self.whole == 0 { 1 } else { self.whole as u32 };
        (total as u32 * self.part as u32).div_ceil(whole) as u8
    }

    /// Whether `count` of `total` is at least this share. `total` of zero reaches nothing.
    pub(crate) const fn is_reached(self, count: u32, total: u32) -> bool {
        // Counts are below 2^20, so the products stay below 2^28 and nothing wraps.
        total > 0 && count.wrapping_mul(self.whole as u32) >= total.wrapping_mul(self.part as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn a_share_is_reached_exactly() {
        assert!(Share::of(1, 2).is_reached(8, 16) && !Share::of(1, 2).is_reached(7, 15));
        assert!(Share::of(1, 1).is_reached(5, 5) && !Share::of(1, 1).is_reached(4, 5));
        assert!(!Share::of(1, 255).is_reached(0, 0), "nothing of nothing");
    }

    #[test]
    fn a_share_is_more_than_nothing_and_at_most_everything() {
        let valid = |part, whole| Share::of(part, whole).is_valid();
        assert!(valid(1, 1) && valid(1, 255) && valid(255, 255));
        assert!(!valid(0, 0) && !valid(0, 1) && !valid(2, 1) && !valid(255, 254));
    }
}
