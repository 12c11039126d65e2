#![doc = include_str!("../README.md")]

pub mod peers;
pub mod spop;
pub mod varint;
