//! Any bytes loaded into a gate, also with a checksum that fits.

use tidegate_core::{
    Admission, Gate, GateConfig, Instant, Try,
    gate::{Downtime, SNAPSHOT_BYTES, SnapshotError},
};

use super::input::{Input, START};

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut bytes = [0; SNAPSHOT_BYTES];
    bytes.iter_mut().for_each(|byte| *byte = input.byte());
    let downtime = if input.coin() { Downtime::Unknown } else { Downtime::AtLeast(input.span()) };
    let config = input.sound_config();

    // As they are.
    let mut fresh = Gate::new(config).expect("sound settings");
    let taken_up = fresh.restore(START, &bytes, downtime);
    assert!(taken_up.is_ok() || admits(fresh, config) == admits(Gate::new(config).expect("sound settings"), config));

    // With what makes them look whole.
    bytes[0] = version(config);
    let [body @ .., c0, c1, c2, c3] = &mut bytes;
    [*c0, *c1, *c2, *c3] = crc32(body).to_le_bytes();
    let mut loaded = Gate::new(config).expect("sound settings");
    match loaded.restore(START, &bytes, downtime) {
        Ok(()) => {}
        Err(SnapshotError::Checksum) => panic!("the checksum does not fit"),
        Err(SnapshotError::Version) => panic!("the version does not fit"),
    }
    let fresh = Gate::new(config).expect("sound settings");
    for ((at, loaded), (_, fresh)) in admits(loaded, config).into_iter().zip(admits(fresh, config)) {
        assert!(loaded <= fresh, "at {at:?} a loaded gate had admitted {loaded}, a fresh one {fresh}");
    }
}

/// The version that the code under test writes.
fn version(config: GateConfig) -> u8 {
    Gate::new(config).expect("sound settings").snapshot(START)[0]
}

/// How many were admitted up to each of some instants, if everybody hangs.
fn admits(mut gate: Gate, config: GateConfig) -> Vec<(Instant, u32)> {
    let mut admitted = 0;
    // Before anything is slow: then calls that hang count against the breaker, and of two gates the one that admitted more
    // closes first.
    let step = config.slow_after / 16;
    (0..10)
        .map(|number| {
            let now = START.saturating_add(step * number);
            while let Admission::Go(_ticket) = gate.poll(now, Try::First) {
                admitted += 1;
            }
            (now, admitted)
        })
        .collect()
}

/// CRC-32 of IEEE 802.3, a bit at a time: beside the one in the core, so that both would have to be wrong.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
