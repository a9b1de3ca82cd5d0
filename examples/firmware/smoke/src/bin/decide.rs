//! Takes the core's decisions on this processor and compares them with those of a host.
//!
//! With the features `defmt` and `embassy-time`, which must not change any of them, it also uses what they bring, so that
//! it is linked.
#![no_std]
#![no_main]

#[board::entry]
fn main() -> ! {
    let (digest, gate) = decisions::digest();
    tell(digest, &gate);
    end(digest == decisions::EXPECTED)
}

#[cfg(not(feature = "defmt"))]
fn tell(digest: u64, _gate: &tidegate_core::Gate) {
    semihosting::println!("decisions {digest:#018x}, expected {:#018x}", decisions::EXPECTED);
}

/// Standard output belongs to defmt's frames.
#[cfg(feature = "defmt")]
fn tell(digest: u64, gate: &tidegate_core::Gate) {
    use defmt_semihosting as _;

    defmt::info!("decisions {=u64:#018x}, expected {=u64:#018x}, taken by {}", digest, decisions::EXPECTED, gate);
}

#[cfg(not(feature = "embassy-time"))]
fn end(agrees: bool) -> ! {
    board::host::exit(agrees)
}

#[cfg(feature = "embassy-time")]
fn end(agrees: bool) -> ! {
    board::time::start(cortex_m::Peripherals::take().expect("nothing has taken them before").SYST);
    board::executor::run(|spawner| spawner.spawn(sleep(agrees).expect("started once")))
}

/// Sleeps on embassy's clock until an instant of the core's: not less, and not much more.
#[cfg(feature = "embassy-time")]
#[embassy_executor::task]
async fn sleep(agrees: bool) {
    use tidegate_core::{Instant, drive::Clock as _, embassy::EmbassyClock};

    let until = Instant::from_millis(1_500);
    EmbassyClock.sleep_until(until).await;
    let now = EmbassyClock.now();
    board::host::exit(agrees && now >= until && now.saturating_since(until).as_millis() <= 1)
}
