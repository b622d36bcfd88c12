//! What goes between driver and emulator.
