//! Tickets that are out, counted by age, so that none can be lost for good.
//!
//! A gate hands out tickets and keeps no list of them. It counts starts in four rotating cells; a settled ticket is taken
//! out of the cell it started in. When a cell is older than the lease, what is left in it was lost.

use crate::{
    ticket::Ticket,
    time::{Instant, Millis},
};

/// Starts in rotating cells. 24 bytes.
///
/// Invariant: each ticket is counted once, from its start until it is settled or reclaimed, and is reclaimed not before its
/// lease ends and at most a third of a lease later.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Leases {
    /// The end of the present cell.
    cell_end: Instant,
    cell: Millis,
    starts: [u16; CELLS],
    /// The present cell, counted on for ever; its place is the remainder by `CELLS`.
    generation: u8,
    /// How many cells of the present length the age of a ticket that is out can reach.
    life_cells: u8,
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
            life_cells: CELLS as u8,
            era: 0,
            era_cells: 0,
        }
    }

    /// Cells that begin from here on have the length of another lease.
    pub(super) fn set_lease(&mut self, lease: Millis) {
        let cell = lease.third_up();
        // Up: tickets that are out under a longer lease settle as before. No lease is zero, which division cannot see.
        let life_cells = self.life_ns().div_ceil(cell.ns().max(1));
        self.life_cells = life_cells.clamp(CELLS as u64, LIFE_CELLS_MAX) as u8;
        self.cell = cell;
        // The ages of the cells before the present one are not known any more.
        self.era_cells = 0;
    }

    /// Whether time has come to the end of the present cell: then [`Leases::advance`] is due.
    pub(super) fn turns(&self, now: Instant) -> bool {
        now >= self.cell_end
    }

    /// Begins as many cells as time has passed and says how many tickets that gave up.
    pub(super) fn advance(&mut self, now: Instant) -> u16 {
        if self.is_empty() {
            // Where the cells begin does not depend on the origin of time.
            self.cell_end = now.plus(self.cell);
            return 0;
        }
        let mut reclaimed = 0u16;
        for _ in 0..CELLS {
            self.generation = self.generation.wrapping_add(1);
            self.era_cells = self.era_cells.wrapping_add(1).min(CELLS as u8);
            self.cell_end = self.cell_end.plus(self.cell);
            reclaimed = reclaimed.wrapping_add(core::mem::take(self.place(self.generation)));
            if now < self.cell_end {
                return reclaimed;
            }
        }
        // Everything is older than a lease: cells begin anew from here.
        self.cell_end = now.plus(self.cell);
        reclaimed
    }

    /// Counts a start in a breaker's era and names its cell.
    pub(super) fn start(&mut self, era: u16) -> u8 {
        if self.is_empty() {
            self.era_cells = CELLS as u8;
        } else if self.era != era as u8 {
            self.era_cells = 0;
        }
        self.era = era as u8;
        self.start_as_before()
    }

    /// Whether a start in this era only has to be counted: all cells are of this era.
    pub(super) fn is_as_before(&self, era: u16) -> bool {
        self.era == era as u8 && self.era_cells == CELLS as u8
    }

    /// [`Leases::start`] where it [is as before](Leases::is_as_before).
    #[inline]
    pub(super) fn start_as_before(&mut self) -> u8 {
        // At most as many as may be in flight.
        let place = self.place(self.generation);
        *place = place.wrapping_add(1);
        self.generation
    }

    /// The longest that a ticket which is out can have been so.
    pub(super) fn life_ns(&self) -> u64 {
        self.cell.ns() * u64::from(self.life_cells)
    }

    /// Whether it counts a ticket that is not older than [`Leases::life_ns`] (after 256 cells the generations come round): not one
    /// that was reclaimed, nor one that is not from here.
    pub(super) fn counts(&self, ticket: &Ticket) -> bool {
        let cells = self.generation.wrapping_sub(ticket.generation);
        usize::from(cells) < CELLS && self.starts[usize::from(ticket.generation) % CELLS] > 0
    }

    /// Takes a ticket out that [counts](Leases::counts).
    pub(super) fn settle(&mut self, ticket: &Ticket) {
        let place = self.place(ticket.generation);
        *place = place.wrapping_sub(1);
    }

    /// How many tickets of this breaker era are certainly out for at least `span_ns`, at the end of the present cell or later.
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
    pub(super) fn next_reclaim(&mut self) -> Instant {
        let mut until = self.cell_end;
        for back in (0..CELLS as u8).rev() {
            if *self.place(self.generation.wrapping_sub(back)) > 0 {
                break;
            }
            until = until.plus(self.cell);
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
/// Below the 253 cells after which the generation of a reclaimed ticket looks young again.
const LIFE_CELLS_MAX: u64 = 250;

const _: () = assert!(size_of::<Leases>() == 24);

#[cfg(test)]
impl Leases {
    /// How many tickets are out.
    pub(super) fn counted(&self) -> u16 {
        self.starts.iter().sum()
    }
}
