//! Lays the memory of the microcontroller where the linker looks for it.

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=memory.x");
    let var = |name| std::env::var(name).unwrap_or_default();
    if var("CARGO_CFG_TARGET_OS") != "none" {
        return;
    }
    let out = PathBuf::from(var("OUT_DIR"));
    std::fs::copy("memory.x", out.join("memory.x")).expect("memory.x can be copied to OUT_DIR");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
}
