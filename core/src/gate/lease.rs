//! Tickets that are out, counted by age, so that none can be lost for good.
//!
//! A gate hands out tickets and keeps no list of them. It counts starts in four rotating cells, each a third of a lease long; a
//! settled ticket is taken out of the cell it started in. When a cell is older than the lease, what is left in it was lost.
//!
//! Where the lease changes while tickets are out, cells of two lengths are turning for a while: none of them gives up a ticket
//! before both leases end. When no ticket is out, or none of the old cells is left, only the new length counts.

use crate::{
    ticket::Ticket,
    time::{Instant, Millis},
};

/// Starts in rotating cells. 24 bytes.
///
/// Invariant: each ticket is counted once, from its start until it is settled or reclaimed, and is reclaimed not before its
/// lease ends and at most a third of a lease later; while the lease changes, of the longer one.
///
/// The lease that a cell is a third of is kept by the gate's breaker, for its probes: it is handed in where it may have changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Leases {
    /// The end of the present cell.
    cell_end: Instant,
    /// The length of a cell, kept because a third is a division; while the lease changes, the longest of those that began before.
    cell: Millis,
    starts: [u16; CELLS],
    /// The present cell, counted on for ever; its place is the remainder by `CELLS`.
    generation: u8,
    /// Cells that have begun since the lease changed, up to [`CHANGED`].
    cells_since: u8,
    /// The last byte of the breaker era that the youngest ticket was given in.
    era: u8,
    /// How many cells have begun since that era's first ticket, up to `CELLS`: only these hold no ticket of an earlier one.
    era_cells: u8,
}

impl Leases {
    pub(super) const fn new(lease: Millis) -> Self {
        Self {
            cell_end: Instant::ORIGIN,
            cell: lease.third_up(),
            starts: [0; CELLS],
            generation: 0,
            cells_since: CHANGED,
            era: 0,
            era_cells: CELLS_U8,
        }
    }

    /// From here on cells have the length of another lease.
    pub(super) fn change(&mut self, before: Millis, lease: Millis) {
        if before != lease {
            // A change within a change: the longest of all.
            self.cell = self.cell.max(before.third_up());
            self.cells_since = 0;
            // Ages are not told by cells of two lengths.
            self.era_cells = 0;
        }
    }

    /// Whether there may be cells of another length than the present one.
    pub(super) const fn is_changing(&self) -> bool {
        self.cells_since < CHANGED
    }

    /// Where nothing is out there is nothing to wait for.
    pub(super) fn end_change_early(&mut self, now: Instant, lease: Millis) {
        if self.is_changing() && self.is_empty() {
            self.begin_anew(now, lease);
        }
    }

    /// Whether time has come to the end of the present cell: then [`Leases::advance`] is due.
    pub(super) fn turns(&self, now: Instant) -> bool {
        now >= self.cell_end
    }

    /// Begins as many cells as time has passed and says how many tickets that gave up.
    pub(super) fn advance(&mut self, now: Instant, lease: Millis) -> u16 {
        let mut reclaimed = 0u16;
        if !self.is_empty() {
            for _ in 0..CELLS {
                self.generation = self.generation.wrapping_add(1);
                self.era_cells = self.era_cells.wrapping_add(1).min(CELLS_U8);
                let cell = if self.is_changing() { self.next_in_change(lease) } else { self.cell };
                self.cell_end = self.cell_end.plus(cell);
                reclaimed = reclaimed.wrapping_add(core::mem::take(self.place(self.generation)));
                if now < self.cell_end {
                    return reclaimed;
                }
            }
        }
        // Nothing is out, or everything is older than a lease.
        self.begin_anew(now, lease);
        reclaimed
    }

    /// Where the cells begin does not depend on the origin of time.
    fn begin_anew(&mut self, now: Instant, lease: Millis) {
        if self.is_changing() {
            (self.cell, self.cells_since) = (lease.third_up(), CHANGED);
        }
        self.cell_end = now.plus(self.cell);
    }

    /// The length of the cell that begins now.
    #[cold]
    #[inline(never)]
    fn next_in_change(&mut self, lease: Millis) -> Millis {
        self.cells_since = self.cells_since.wrapping_add(1);
        self.era_cells = 0;
        let cell = self.length_in_change(self.cells_since, lease);
        if !self.is_changing() {
            self.cell = cell;
        }
        cell
    }

    /// The length of the cell that is the `cells_since`-th to begin after the lease changed; 0 for all before.
    fn length_in_change(&self, cells_since: u8, lease: Millis) -> Millis {
        // Tickets of the last cell before the change are out under the old lease for three more cells, and under the new one too.
        match cells_since {
            0 => self.cell,
            1..CELLS_U8 => self.cell.max(lease.third_up()),
            CELLS_U8.. => lease.third_up(),
        }
    }

    /// Counts a start in a breaker's era and names its cell.
    pub(super) fn start(&mut self, era: u16) -> u8 {
        if self.is_empty() {
            self.era_cells = CELLS_U8;
        } else if self.era != era as u8 {
            self.era_cells = 0;
        }
        self.era = era as u8;
        self.start_as_before()
    }

    /// Whether a start in this era only has to be counted: all cells are of this era.
    pub(super) fn is_as_before(&self, era: u16) -> bool {
        self.era == era as u8 && self.era_cells == CELLS_U8
    }

    /// [`Leases::start`] where it [is as before](Leases::is_as_before).
    #[inline]
    pub(super) fn start_as_before(&mut self) -> u8 {
        // At most as many as may be in flight.
        let place = self.place(self.generation);
        *place = place.wrapping_add(1);
        self.generation
    }

    /// Whether it counts this ticket, if that is younger than a lease and no lease has changed: not one that was reclaimed, nor
    /// one that is not from here.
    pub(super) fn counts_young(&self, ticket: &Ticket) -> bool {
        let back = self.generation.wrapping_sub(ticket.generation);
        usize::from(back) < CELLS && self.starts[usize::from(ticket.generation) % CELLS] > 0
    }

    /// Whether it counts this ticket, however old that is: after 256 cells the generations come round.
    pub(super) fn counts(&self, ticket: &Ticket, lease: Millis) -> bool {
        let back = self.generation.wrapping_sub(ticket.generation);
        // Four cells are below 2^55.
        let oldest_ns = if self.is_changing() {
            (0..=back.min(CELLS_U8)).fold(0u64, |sum, back| {
                sum.wrapping_add(self.length_in_change(self.cells_since.saturating_sub(back), lease).ns())
            })
        } else {
            self.cell.ns().wrapping_mul(u64::from(back) + 1)
        };
        self.counts_young(ticket) && self.cell_end.since_ns(ticket.started) <= oldest_ns
    }

    /// Takes a ticket out that [counts](Leases::counts).
    pub(super) fn settle(&mut self, ticket: &Ticket) {
        let place = self.place(ticket.generation);
        *place = place.wrapping_sub(1);
    }

    /// How many tickets of this breaker era are certainly out for at least `span_ns`, at the end of the present cell or later. None
    /// is known to be while the lease changes.
    pub(super) fn overdue(&mut self, now: Instant, span_ns: u64, era: u16) -> u16 {
        if self.era != era as u8 {
            return 0;
        }
        let mut overdue = 0u16;
        // The youngest ticket in a cell started before its end, which is past in the present one. Four cells are below 2^55.
        let mut age_ns = now.since_ns(self.cell_end);
        for back in 0..self.era_cells {
            if age_ns >= span_ns {
                // At most as many as may be in flight.
                overdue = overdue.wrapping_add(*self.place(self.generation.wrapping_sub(back)));
            }
            age_ns = age_ns.wrapping_add(self.cell.ns());
        }
        overdue
    }

    /// When the oldest ticket that is out will be reclaimed.
    pub(super) fn next_reclaim(&mut self, lease: Millis) -> Instant {
        let mut until = self.cell_end;
        for ahead in 1..=CELLS_U8 {
            // The oldest cell first: its place is that of the next to begin.
            if ahead == CELLS_U8 || *self.place(self.generation.wrapping_add(ahead)) > 0 {
                break;
            }
            let cell = if self.is_changing() {
                self.length_in_change(self.cells_since.saturating_add(ahead), lease)
            } else {
                self.cell
            };
            until = until.plus(cell);
        }
        until
    }

    fn is_empty(&self) -> bool {
        self.starts == [0; CELLS]
    }

    fn place(&mut self, generation: u8) -> &mut u16 {
        &mut self.starts[usize::from(generation) % CELLS]
    }
}

const CELLS: usize = 4;
const CELLS_U8: u8 = CELLS as u8;
/// From here on all four cells have begun with the new length: three wait for what is out under the old lease.
const CHANGED: u8 = 2 * CELLS_U8 - 1;

const _: () = assert!(size_of::<Leases>() == 24);

#[cfg(test)]
impl Leases {
    /// How many tickets are out.
    pub(super) fn counted(&self) -> u16 {
        self.starts.iter().sum()
    }
}
