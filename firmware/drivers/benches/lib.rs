//! The benchmarks of mtcae-drivers, in `benches/`; nothing is to be called.
