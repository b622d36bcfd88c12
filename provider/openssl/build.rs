//! How the module is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The code stays mapped after a dlclose: thread-local destructors of the Rust runtime may still have to run.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    // A symbol that can't be found shows when the module is built, not in somebody's server.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,defs");
}
