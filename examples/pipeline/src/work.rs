//! A step for processors: each tile is unpacked and packed again as small as can be.
//!
//! It runs on threads of its own, as many as are asked for, and takes no more than it can work on: blocking work has no place
//! among the tasks, and a pool without a bound would take the whole machine.

use std::{
    io::{self, Read as _, Write as _},
    thread::{self, JoinHandle},
};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use smol::channel::{Receiver, Sender};
use tidegate_core::TileId;

use crate::download::Downloaded;

/// What the work came to.
pub(crate) struct Worked {
    pub(crate) tile: TileId,
    pub(crate) received: usize,
    pub(crate) unpacked: usize,
    pub(crate) packed: Vec<u8>,
}

/// Starts the threads. They end when there is nothing more to work on, or nobody to hand it to.
pub(crate) fn start(
    count: usize,
    to_work: &Receiver<Downloaded>,
    worked: &Sender<Worked>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let thread = |number| {
        let (to_work, worked) = (to_work.clone(), worked.clone());
        thread::Builder::new().name(format!("work-{number}")).spawn(move || {
            while let Ok(downloaded) = to_work.recv_blocking() {
                if worked.send_blocking(work(&downloaded)).is_err() {
                    return;
                }
            }
        })
    };
    (1..=count).map(thread).collect()
}

fn work(downloaded: &Downloaded) -> Worked {
    let Downloaded { tile, fetched } = downloaded;
    let mut plain = Vec::new();
    if fetched.packed {
        let unpacked = MultiGzDecoder::new(&*fetched.body).read_to_end(&mut plain);
        unpacked.expect("it was unpacked once already, when it was verified");
    } else {
        plain.extend_from_slice(&fetched.body);
    }
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&plain).expect("a vector takes everything");
    let packed = packer.finish().expect("a vector takes everything");
    Worked { tile: *tile, received: fetched.body.len(), unpacked: plain.len(), packed }
}
