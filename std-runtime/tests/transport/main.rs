//! The HTTP client over loopback. One program, so that it is linked once.

mod answers;
mod bodies;
mod connections;
mod interrupt;
mod privacy;
mod proxies;
mod redirects;
mod requests;
mod support;
mod tls;
