#![doc = include_str!("../README.md")]

pub mod peers;
pub mod spop;
pub mod varint;

#[cfg(feature = "server")]
mod accept_error;
#[cfg(feature = "server")]
mod unix_socket;
