//! Memory shared with another process, which is taken for hostile.
