//! See the library.

fn main() -> std::process::ExitCode {
    hotspare_emulator::main()
}
