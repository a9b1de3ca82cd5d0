//! The HTTP client over loopback. One program, so that it is linked once.

mod http;
mod interrupt;
mod privacy;
mod support;
mod tls;
