//! How an octave, the range from a power of two to the next, is divided into cells.

/// How finely latencies are told apart: the most by which a reported quantile exceeds the true one.
///
/// | resolution | error | cells per octave | cells from 1 ms to 60 s |
/// |---|---|---|---|
/// | [`Quarter`](Self::Quarter) | 25 % | 4 | 65 |
/// | [`Eighth`](Self::Eighth) | 12.5 % | 6 | 96 |
/// | [`Sixteenth`](Self::Sixteenth) | 6.25 % | 13 | 207 |
/// | [`ThirtySecond`](Self::ThirtySecond) | 3.125 % | 27 | 430 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Resolution {
    /// At most a quarter above the true value.
    Quarter,
    /// At most an eighth above the true value.
    Eighth,
    /// At most a sixteenth above the true value.
    Sixteenth,
    /// At most a thirty-second above the true value.
    ThirtySecond,
}

impl Resolution {
    pub(super) const fn octave(self) -> &'static Octave {
        match self {
            Self::Quarter => &QUARTER,
            Self::Eighth => &EIGHTH,
            Self::Sixteenth => &SIXTEENTH,
            Self::ThirtySecond => &THIRTY_SECOND,
        }
    }
}

/// One way to divide an octave. Edges lie on 64ths of the octave's lower end, so that a cell is found by a shift and a
/// look at the six bits after the leading one.
#[derive(Debug)]
pub(super) struct Octave {
    /// The cell that each 64th of the octave belongs to.
    cell_of: [u8; STEPS],
    cell_count: u8,
}

impl Octave {
    /// Divides so that each cell's upper edge is at most one `share`-th above its lower edge, in as few cells as whole
    /// steps allow.
    const fn divide(share: usize) -> Self {
        let mut cell_of = [0; STEPS];
        let mut cell = 0;
        let mut edge = STEPS;
        while edge < 2 * STEPS {
            let next = edge + edge / share;
            while edge < next && edge < 2 * STEPS {
                cell_of[edge - STEPS] = cell;
                edge += 1;
            }
            cell += 1;
        }
        Self { cell_of, cell_count: cell }
    }

    /// The number of the cell that holds a value, counted from the one that begins at 64. Smaller values are taken for
    /// 64. A shift, a look at the table and a multiplication; no division.
    pub(super) const fn cell(&self, value: u32) -> u32 {
        let value = if value < STEPS as u32 { STEPS as u32 } else { value };
        // The position of the leading one above 64's, at most 25; the masks change nothing and prove the bounds.
        let octave = 25 - (value.leading_zeros() & 31);
        let step = (value >> (octave & 31)) as usize & (STEPS - 1);
        octave.wrapping_mul(self.cell_count as u32).wrapping_add(self.cell_of[step] as u32)
    }

    /// The first value beyond a cell; at most 2^32.
    pub(super) fn end(&self, cell: u32) -> u64 {
        // Every table has cells; `checked_div` says so without a panic path.
        let count = u32::from(self.cell_count);
        let octave = cell.checked_div(count).unwrap_or(0);
        let within = cell.wrapping_sub(octave.wrapping_mul(count));
        let steps = self.cell_of.iter().position(|&other| u32::from(other) > within).unwrap_or(STEPS);
        ((STEPS + steps) as u64).wrapping_shl(octave)
    }
}

/// Steps per octave: six bits after the leading one.
const STEPS: usize = 64;

static QUARTER: Octave = Octave::divide(4);
static EIGHTH: Octave = Octave::divide(8);
static SIXTEENTH: Octave = Octave::divide(16);
static THIRTY_SECOND: Octave = Octave::divide(32);

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    const ALL: [(Resolution, u64, u8); 4] = [
        (Resolution::Quarter, 4, 4),
        (Resolution::Eighth, 8, 6),
        (Resolution::Sixteenth, 16, 13),
        (Resolution::ThirtySecond, 32, 27),
    ];

    /// All lower edges from 64 up to below 2^32, made without the table.
    fn edges(share: u64) -> Vec<u64> {
        let mut edges = Vec::new();
        for octave in 0..26u32 {
            let mut edge = 64u64;
            while edge < 128 {
                edges.push(edge << octave);
                edge += edge / share;
            }
        }
        edges
    }

    #[test]
    fn the_eighth_divides_an_octave_at_these_edges() {
        let first: Vec<_> = edges(8).into_iter().take(7).collect();
        assert_eq!(first, [64, 72, 81, 91, 102, 114, 128]);
    }

    #[test]
    fn every_cell_begins_and_ends_where_a_plain_list_of_edges_says() {
        for (resolution, share, cell_count) in ALL {
            let octave = resolution.octave();
            assert_eq!(octave.cell_count, cell_count);
            let edges = edges(share);
            let ends = edges.iter().skip(1).copied().chain([1 << 32]);
            for (cell, (&begin, end)) in (0..).zip(edges.iter().zip(ends)) {
                assert_eq!(octave.end(cell), end, "{resolution:?}, cell {cell}");
                for value in [begin, (begin + end) / 2, end - 1] {
                    assert_eq!(octave.cell(value as u32), cell, "{resolution:?}, value {value}");
                }
                assert!((end - begin) * share <= begin, "{resolution:?}, cell {cell} is wider than it says");
            }
        }
    }

    #[test]
    fn every_small_value_is_in_the_cell_that_a_search_finds() {
        for (resolution, share, _) in ALL {
            let edges = edges(share);
            let mut cell = 0;
            for value in 0..200_000 {
                if edges.get(cell + 1).is_some_and(|&next| next <= value) {
                    cell += 1;
                }
                assert_eq!(resolution.octave().cell(value as u32), cell as u32, "{resolution:?}, value {value}");
            }
        }
    }
}
