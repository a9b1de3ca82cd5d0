//! What the firmware needs of a board, one file for each power.
//!
//! | module | power | on a real board |
//! |---|---|---|
//! | [`executor`] | runs tasks, sleeps when there is nothing to do | your HAL's executor, or this one |
//! | [`time`] | embassy's clock and alarms on SysTick | your HAL's time driver |
//! | [`ethernet`] | frames in and out of the LM3S6965's controller | your network chip's driver |
//! | [`flash`] | a page that survives a reset | your part's flash driver |
//! | [`stack`] | how deep the stack ever was | as it is |
//! | [`host`] | command line and exit code, over semihosting | a debug probe serves the same calls |
//!
//! The boards are those that QEMU emulates: `lm3s6965evb` (Cortex-M3, 256 KiB of flash, 64 KiB of RAM, Ethernet),
//! `microbit` (Cortex-M0, 16 KiB of RAM) and, for the core alone, `virt` (riscv32imc). The build script chooses by
//! target. Panics print to the host's stderr and end the program with exit code 101.
#![no_std]

#[cfg(board = "lm3s6965evb")]
pub mod ethernet;
#[cfg(target_arch = "arm")]
pub mod executor;
pub mod flash;
pub mod host;
#[cfg(target_arch = "arm")]
pub mod stack;
#[cfg(target_arch = "arm")]
pub mod time;

// Linked for what it defines: the critical section of a single hart.
#[cfg(target_arch = "riscv32")]
use riscv as _;

/// The entry attribute of the processor's runtime.
#[cfg(target_arch = "arm")]
pub use cortex_m_rt::entry;
#[cfg(target_arch = "riscv32")]
pub use riscv_rt::entry;

/// Processor cycles per second, as QEMU clocks the board after reset.
#[cfg(board = "lm3s6965evb")]
pub const CORE_HZ: u32 = 12_500_000;
/// Processor cycles per second, as QEMU clocks the board after reset.
#[cfg(board = "microbit")]
pub const CORE_HZ: u32 = 16_000_000;
