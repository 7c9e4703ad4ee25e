//! Tests of the whole system: they drive the real binaries.
