//! Published counters: a small file for each process.
