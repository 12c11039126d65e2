//! The cheapest receiver of a resync that can be written by hand: it counts updates and acknowledges.
//!
//! Blocking reads into one buffer, nothing of an entry is looked at, nothing is kept. It believes
//! whatever HAProxy sends; nobody should run it for anything but a comparison.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Control messages of peers-v2.0.txt, all without a body: class 0 and a type.
const RESYNC_REQUEST: [u8; 2] = [0, 0];
const RESYNC_FINISHED: [u8; 2] = [0, 1];
const RESYNC_CONFIRM: [u8; 2] = [0, 3];
/// Class and types of messages about stick tables.
const STICK_TABLE: u8 = 10;
const UPDATE: u8 = 0x80;
const INCREMENTAL: u8 = 0x81;
const DEFINE: u8 = 0x82;
const ACK: u8 = 0x84;
const TIMED: u8 = 0x85;
const INCREMENTAL_TIMED: u8 = 0x86;
/// Types from here on have a length and a body.
const WITH_LENGTH: u8 = 128;

/// What a lesson was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    /// Entries.
    pub(crate) updates: u64,
    /// From the request to the end.
    pub(crate) took: Duration,
}

/// Takes HAProxy's hello, asks it for everything, and acknowledges until all of it was told.
pub(crate) fn hear(stream: UnixStream) -> io::Result<Heard> {
    let mut reader = BufReader::new(stream);
    let mut hello = String::new();
    for _ in 0..3 {
        reader.read_line(&mut hello)?;
    }
    let mut stream = reader.into_inner();
    stream.write_all(b"200\n")?;
    stream.write_all(&RESYNC_REQUEST)?;
    let began = Instant::now();
    let mut input = vec![0; 256 << 10];
    let mut lesson = Lesson::default();
    let mut filled = 0;
    loop {
        let length = stream.read(input.get_mut(filled..).unwrap_or_default())?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += length;
        let mut unread = input.get(..filled).unwrap_or_default();
        while let Some(rest) = lesson.message(unread) {
            unread = rest;
        }
        let rest = filled - unread.len()..filled;
        filled = unread.len();
        input.copy_within(rest, 0);
        stream.write_all(&lesson.acknowledgement())?;
        if lesson.over {
            stream.write_all(&RESYNC_CONFIRM)?;
            return Ok(Heard { updates: lesson.updates, took: began.elapsed() });
        }
    }
}

#[derive(Default)]
struct Lesson {
    updates: u64,
    over: bool,
    /// The number of the table, as it stands in a message.
    table: Vec<u8>,
    /// The number of the last update, and of the last one that was acknowledged.
    last: u32,
    acknowledged: u32,
}

impl Lesson {
    /// Takes one message off the front, if all of it is there.
    fn message<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let ([class, kind], rest) = bytes.split_first_chunk()?;
        if *kind < WITH_LENGTH {
            self.over |= [*class, *kind] == RESYNC_FINISHED;
            return Some(rest);
        }
        let (length, rest) = varint(rest)?;
        let (body, rest) = rest.split_at_checked(length)?;
        match (*class, *kind) {
            (STICK_TABLE, UPDATE | TIMED) => {
                self.updates += 1;
                self.last = u32::from_be_bytes(*body.first_chunk()?);
            }
            (STICK_TABLE, INCREMENTAL | INCREMENTAL_TIMED) => {
                self.updates += 1;
                self.last = self.last.wrapping_add(1);
            }
            (STICK_TABLE, DEFINE) => {
                let (_, behind) = varint(body)?;
                self.table = body.get(..body.len() - behind.len())?.to_vec();
            }
            _ => {}
        }
        Some(rest)
    }

    /// The bytes that acknowledge what came since.
    fn acknowledgement(&mut self) -> Vec<u8> {
        if self.last == self.acknowledged {
            return Vec::new();
        }
        self.acknowledged = self.last;
        let last = self.last.to_be_bytes();
        let length = u8::try_from(self.table.len() + last.len()).unwrap_or(u8::MAX);
        [[STICK_TABLE, ACK, length].as_slice(), &self.table, &last].concat()
    }
}

/// A number (SPOE.txt, section 3.1) and what is behind it.
fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    let mut value = usize::from(*first);
    if value < 240 {
        return Some((value, rest));
    }
    let mut shift = 4;
    loop {
        let (byte, behind) = rest.split_first()?;
        value = value.wrapping_add(usize::from(*byte).wrapping_shl(shift));
        (rest, shift) = (behind, shift + 7);
        if *byte < 128 {
            return Some((value, rest));
        }
    }
}
