//! Device events: uevents, received and sent.
