//! The scaler's program.

fn main() {}
