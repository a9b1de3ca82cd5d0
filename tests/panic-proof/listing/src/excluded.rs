//! What is not proven, and why that is all right.

/// Traits whose functions are not proven, and why.
pub const EXCLUDED_TRAITS: [(&str, &str); 4] = [
    ("Debug", "for a person with a debugger: core::fmt pads and slices with checks"),
    ("Display", "for people: core::fmt pads and slices with checks, and nothing on the run loop formats"),
    ("Format", "for logs on a device: what defmt's transport does is not the core's"),
    ("Default", "constants, evaluated by the compiler"),
];

/// Functions that are not proven, and why.
pub const EXCLUDED: [(&str, &str); 10] = [
    ("Permit::drop", DROPPED),
    ("Seat::drop", DROPPED),
    ("Turnstile::leave", DROPPED),
    ("C::now", HANDED_ON),
    ("C::sleep_until", HANDED_ON),
    ("L::with", HANDED_ON),
    ("RefCell::with", "panics where it is called from within, which the contract of `Lock` forbids: nothing here does"),
    ("Instant::from", EMBASSY),
    ("EmbassyClock::now", EMBASSY),
    ("EmbassyClock::sleep_until", EMBASSY),
];

const DROPPED: &str = "cannot be called from outside; a permit is dropped in the proof, and a turn with its seat";
const EMBASSY: &str = "links only where a device's time driver is; it multiplies and divides by the tick rate, a constant, \
    and the firmware in the emulator runs it";
const HANDED_ON: &str = "hands on to the clock or lock that a runtime supplies";
