//! Tests of several modules together.

mod small_worlds;
