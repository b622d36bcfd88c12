//! The files in which a device shows its state and health, as the kernel driver has them.
