//! embassy-net's driver for the Ethernet controller of the LM3S6965 (QEMU: `-nic user,model=stellaris`).
//!
//! One frame at a time goes through a FIFO in RAM of the controller's own, word by word; there is no DMA. Register
//! names and bits are those of the LM3S6965 data sheet, chapter "Ethernet Controller".
//!
//! QEMU models the MAC and takes the PHY for granted. Real silicon also wants the system clock at 20 MHz or more, the
//! clock gates of MAC and PHY opened (RCGC2) and the PHY's link awaited over MII (MACMCTL): do that before
//! [`Ethernet::new`], and report the link from [`Driver::link_state`].

use core::task::Context;

use cortex_m::{interrupt::InterruptNumber, peripheral::NVIC};
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::waitqueue::AtomicWaker;
use volatile_register::{RO, RW, WO};

/// The controller's interrupt, by its place in the vector table.
pub const INTERRUPT: u16 = 42;

/// The network task waits here for a frame, or for room to send one.
static WAITING: AtomicWaker = AtomicWaker::new();

/// The controller, with a buffer for a frame in each direction.
pub struct Ethernet {
    registers: &'static Registers,
    address: [u8; 6],
    received: Frame,
    sending: Frame,
}

impl Ethernet {
    /// Takes over the controller and turns it on with hardware address `address`.
    ///
    /// # Safety
    /// To be called once, and [`on_interrupt`] from the handler of [`INTERRUPT`].
    pub unsafe fn new(address: [u8; 6]) -> Self {
        let registers = registers();
        let [a, b, c, d, e, f] = address;
        // SAFETY (all writes): this is the order of the data sheet's initialisation, with the controller quiet.
        unsafe {
            registers.im.write(0);
            registers.ris_iack.write(IACK_ALL);
            registers.ia0.write(u32::from_le_bytes([a, b, c, d]));
            registers.ia1.write(u32::from_le_bytes([e, f, 0, 0]));
            registers.rctl.write(RCTL_RSTFIFO);
            registers.rctl.write(RCTL_RXEN);
            registers.tctl.write(TCTL_TXEN | TCTL_PADEN | TCTL_CRC | TCTL_DUPLEX);
            registers.im.write(RIS_RXINT | RIS_TXEMP);
            NVIC::unmask(Interrupt);
        }
        Self { registers, address, received: Frame::EMPTY, sending: Frame::EMPTY }
    }
}

/// Tells the network task that a frame has come in, or that one has gone out.
pub fn on_interrupt() {
    // Never TXER: acknowledging a transmit error empties the transmit FIFO, where a frame may be half written.
    // SAFETY: acknowledging touches these two flags only.
    unsafe { registers().ris_iack.write(RIS_RXINT | RIS_TXEMP) };
    WAITING.wake();
}

impl Driver for Ethernet {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, cx: &mut Context) -> Option<(Received<'_>, Sending<'_>)> {
        // First the waker, then the look: a frame that comes in between is not missed.
        WAITING.register(cx.waker());
        let frames = self.registers.np.read() & NP_MASK;
        (frames > 0 && self.can_send()).then_some((
            Received { registers: self.registers, frame: &mut self.received },
            Sending { registers: self.registers, frame: &mut self.sending },
        ))
    }

    fn transmit(&mut self, cx: &mut Context) -> Option<Sending<'_>> {
        WAITING.register(cx.waker());
        self.can_send().then_some(Sending { registers: self.registers, frame: &mut self.sending })
    }

    fn link_state(&mut self, _cx: &mut Context) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_MAX;
        capabilities.max_burst_size = Some(1);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
    }
}

impl Ethernet {
    /// The last frame has left the transmit FIFO.
    fn can_send(&self) -> bool {
        self.registers.tr.read() & TR_NEWTX == 0
    }
}

/// A frame waiting in the receive FIFO.
pub struct Received<'a> {
    registers: &'static Registers,
    frame: &'a mut Frame,
}

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        let data = &self.registers.data;
        // The first word begins with a length that counts itself, the frame and its four bytes of CRC. All of it has to
        // be read, also what is dropped here, for the controller to go on to the next frame.
        let first = data.read();
        let length = usize::from(first as u16);
        self.frame.0[0] = first;
        for word in 1..length.div_ceil(4) {
            let value = data.read();
            if let Some(place) = self.frame.0.get_mut(word) {
                *place = value;
            }
        }
        read(self.frame.bytes(length.saturating_sub(LENGTH_BYTES + CRC_BYTES)))
    }
}

/// Room for a frame in the transmit FIFO.
pub struct Sending<'a> {
    registers: &'static Registers,
    frame: &'a mut Frame,
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let length = length.clamp(HEADER_BYTES, FRAME_MAX);
        let result = write(self.frame.bytes(length));
        // The first word begins with the length of the payload, without the Ethernet header.
        self.frame.0[0] = (self.frame.0[0] & 0xffff_0000) | (length - HEADER_BYTES) as u32;
        for &word in &self.frame.0[..(LENGTH_BYTES + length).div_ceil(4)] {
            // SAFETY: the FIFO was empty when this token was given out, and holds a whole frame.
            unsafe { self.registers.data.write(word) };
        }
        // SAFETY: a whole frame is in the FIFO.
        unsafe { self.registers.tr.write(TR_NEWTX) };
        result
    }
}

/// A frame as the FIFO sees it: two bytes of length, then the frame, in little-endian words.
struct Frame([u32; (LENGTH_BYTES + FRAME_MAX).div_ceil(4)]);

impl Frame {
    const EMPTY: Self = Self([0; _]);

    /// The first `length` bytes of the frame proper, as far as there is room.
    fn bytes(&mut self, length: usize) -> &mut [u8] {
        let words = self.0.as_mut_slice();
        // SAFETY: every word is four initialised bytes, borrowed for as long as the result.
        let bytes = unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), size_of_val(words)) };
        &mut bytes[LENGTH_BYTES..LENGTH_BYTES + length.min(FRAME_MAX)]
    }
}

/// The registers, in the order of their addresses.
#[repr(C)]
struct Registers {
    /// 0x00 Raw interrupt status; writing ones acknowledges.
    ris_iack: RW<u32>,
    /// 0x04 Interrupt mask.
    im: RW<u32>,
    /// 0x08 Receive control.
    rctl: RW<u32>,
    /// 0x0c Transmit control.
    tctl: RW<u32>,
    /// 0x10 Both FIFOs.
    data: RW<u32>,
    /// 0x14 Hardware address, bytes 0 to 3.
    ia0: WO<u32>,
    /// 0x18 Hardware address, bytes 4 and 5.
    ia1: WO<u32>,
    /// 0x1c to 0x33: transmit threshold, and MII management of the PHY.
    _thr_to_mrxd: [RO<u32>; 6],
    /// 0x34 Number of frames in the receive FIFO.
    np: RO<u32>,
    /// 0x38 Transmission request.
    tr: RW<u32>,
}

fn registers() -> &'static Registers {
    // SAFETY: the controller's registers are at this address on this part, for ever, and volatile cells allow sharing.
    unsafe { &*(0x4004_8000 as *const Registers) }
}

#[derive(Clone, Copy)]
struct Interrupt;

// SAFETY: the number is the one of this part's vector table, and always the same.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        INTERRUPT
    }
}

/// A frame with its header and without its CRC.
const FRAME_MAX: usize = HEADER_BYTES + 1500;
const HEADER_BYTES: usize = 14;
const LENGTH_BYTES: usize = 2;
const CRC_BYTES: usize = 4;

/// A frame was received.
const RIS_RXINT: u32 = 1 << 0;
/// The transmit FIFO has run empty.
const RIS_TXEMP: u32 = 1 << 2;
/// All seven flags, TXER among them: for a start from nothing only.
const IACK_ALL: u32 = 0x7f;
const RCTL_RXEN: u32 = 1 << 0;
const RCTL_RSTFIFO: u32 = 1 << 4;
const TCTL_TXEN: u32 = 1 << 0;
/// Pad short frames to 60 bytes.
const TCTL_PADEN: u32 = 1 << 1;
/// Append the CRC.
const TCTL_CRC: u32 = 1 << 2;
const TCTL_DUPLEX: u32 = 1 << 4;
const NP_MASK: u32 = 0x3f;
/// Set to send; clear once the frame has left.
const TR_NEWTX: u32 = 1 << 0;
