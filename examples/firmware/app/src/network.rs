//! The IP stack over the board's Ethernet.
//!
//! Addresses are those of QEMU's user network, which is always the same: the device is 10.0.2.15, and what it sends to
//! 10.0.2.2 arrives at the host's loopback. A product asks DHCP instead (embassy-net's feature `dhcpv4`).

use board::ethernet::{self, Ethernet};
use embassy_executor::Spawner;
use embassy_net::{Config, Ipv4Address, Ipv4Cidr, Runner, Stack, StackResources, StaticConfigV4};
use static_cell::StaticCell;

/// The host's loopback, as the device sees it.
pub const HOST: Ipv4Address = Ipv4Address::new(10, 0, 2, 2);

/// Most sockets there can be at a time.
pub const SOCKETS: usize = 4;

/// Brings the network up; `seed` decides ports and sequence numbers.
///
/// # Panics
/// If it is called twice: there is one network controller.
pub fn start(spawner: Spawner, seed: u64) -> Stack<'static> {
    static RESOURCES: StaticCell<StackResources<SOCKETS>> = StaticCell::new();
    let resources = RESOURCES.init(StackResources::new());
    let config = Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(Ipv4Address::new(10, 0, 2, 15), 24),
        gateway: Some(HOST),
        dns_servers: heapless::Vec::new(),
    });
    // SAFETY: the cell above lets nobody come here twice, and the handler below serves the interrupt.
    let device = unsafe { Ethernet::new(ADDRESS) };
    // By reference, because a task keeps two copies of what it is given, and there are two frames in it.
    static DEVICE: StaticCell<Ethernet> = StaticCell::new();
    let (stack, runner) = embassy_net::new(DEVICE.init(device), config, resources, seed);
    spawner.spawn(run(runner).expect("started once"));
    stack
}

#[embassy_executor::task]
async fn run(mut runner: Runner<'static, &'static mut Ethernet>) -> ! {
    runner.run().await
}

/// Every interrupt but the processor's own exceptions.
// SAFETY: the handler shares nothing with the tasks but the controller's flags and its waker.
#[cortex_m_rt::exception]
unsafe fn DefaultHandler(number: i16) {
    match u16::try_from(number) {
        Ok(ethernet::INTERRUPT) => ethernet::on_interrupt(),
        _ => panic!("interrupt {number} has no handler"),
    }
}

/// Locally administered, so it is nobody's.
const ADDRESS: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
