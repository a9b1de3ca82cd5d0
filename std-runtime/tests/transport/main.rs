//! The HTTP client over loopback. One program, so that it is linked once.

mod http;
mod interrupt;
mod support;
mod tls;
