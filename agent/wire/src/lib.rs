#![doc = include_str!("../README.md")]

pub mod spop;
pub mod varint;
