//! The cheapest agent that can be written by hand: no library, no runtime, no checks.
//!
//! One thread a connection, blocking reads into one buffer, the answer copied together from constants,
//! one write for all that one read brought. It believes whatever HAProxy sends; nobody should run it
//! for anything but a comparison.

use std::convert::Infallible;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Frame types of SPOE.txt, section 3.2.
const HAPROXY_HELLO: u8 = 1;
const HAPROXY_DISCONNECT: u8 = 2;
const NOTIFY: u8 = 3;
const ACK: u8 = 103;

/// AGENT-HELLO with its length: `version` 2.0, `max-frame-size` 16380, `capabilities` pipelining.
const AGENT_HELLO: &[u8] =
    b"\x00\x00\x00\x40\x65\x00\x00\x00\x01\x00\x00\x07version\x08\x032.0\x0emax-frame-size\x03\xfc\xf0\x06\x0ccapabilities\x08\x0apipelining";
/// AGENT-DISCONNECT with its length: `status-code` 0, `message` bye.
const AGENT_DISCONNECT: &[u8] =
    b"\x00\x00\x00\x22\x66\x00\x00\x00\x01\x00\x00\x0bstatus-code\x03\x00\x07message\x08\x03bye";
/// Flags FIN, which stand behind the type of a frame.
const FIN: [u8; 4] = [0, 0, 0, 1];
/// Set `verdict` in the scope of the transaction to the string `allow`.
const VERDICT: &[u8] = b"\x01\x03\x02\x07verdict\x08\x05allow";
/// The other variables that the whole agent sets on the bench's request, with values of the same length.
const OTHERS: &[u8] = b"\x01\x03\x02\x0bdecision_id\x08\x2000112233445566778899aabbccddeeff\
    \x01\x03\x02\x05route\x08\x03api\x01\x03\x02\x04mode\x08\x07enforce\
    \x01\x03\x02\x07subject\x08\x12alice@example.test\x01\x03\x02\x06groups\x08\x14engineering,everyone\
    \x01\x03\x02\x09client_ip\x06\xc6\x33\x64\x07\x01\x03\x02\x06reason\x08\x07granted\
    \x01\x03\x02\x04pool\x08\x03api";

/// What a NOTIFY is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Constant {
    /// `verdict` alone.
    Verdict,
    /// Every variable of a request that is allowed.
    EveryVariable,
}

impl Constant {
    fn actions(self) -> Vec<u8> {
        match self {
            Self::Verdict => VERDICT.to_vec(),
            Self::EveryVariable => [OTHERS, VERDICT].concat(),
        }
    }
}

/// Answers the same `allow` to every NOTIFY, after `work` for each of them.
///
/// # Errors
/// The socket can't be listened on, or no more connection can be taken.
pub(crate) fn serve(
    socket: &Path,
    constant: Constant,
    work: impl Fn() + Clone + Send + 'static,
) -> io::Result<Infallible> {
    let listener = UnixListener::bind(socket)?;
    eprintln!("ready");
    loop {
        let (stream, _) = listener.accept()?;
        let work = work.clone();
        std::thread::spawn(move || converse(stream, &constant.actions(), work));
    }
}

/// Until HAProxy closes; nothing as the answer means that it did.
fn converse(mut stream: UnixStream, actions: &[u8], work: impl Fn()) -> Option<()> {
    let mut input = vec![0; 256 << 10];
    let mut out = Vec::with_capacity(64 << 10);
    let mut filled = 0;
    loop {
        match stream.read(input.get_mut(filled..)?) {
            Ok(length) if length > 0 => filled += length,
            _ => return None,
        }
        let mut taken = 0;
        while let Some(frame) = frame(input.get(taken..filled)?) {
            taken += 4 + frame.len();
            match frame.first() {
                Some(&NOTIFY) => {
                    work();
                    acknowledge(frame, actions, &mut out)?;
                }
                Some(&HAPROXY_HELLO) => out.extend_from_slice(AGENT_HELLO),
                Some(&HAPROXY_DISCONNECT) => out.extend_from_slice(AGENT_DISCONNECT),
                _ => return None,
            }
        }
        stream.write_all(&out).ok()?;
        out.clear();
        input.copy_within(taken..filled, 0);
        filled -= taken;
    }
}

/// The first frame without its length, if all of it is there.
fn frame(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Stream id and frame id go back as the bytes that came.
fn acknowledge(frame: &[u8], actions: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let behind = frame.get(5..)?;
    let stream = varint(behind)?;
    let ids = behind.get(..stream + varint(behind.get(stream..)?)?)?;
    let length = 5 + ids.len() + actions.len();
    out.extend_from_slice(&u32::try_from(length).ok()?.to_be_bytes());
    out.push(ACK);
    out.extend_from_slice(&FIN);
    out.extend_from_slice(ids);
    out.extend_from_slice(actions);
    Some(())
}

/// Length of a number (SPOE.txt, section 3.1): one byte below 240, else up to the first below 128.
fn varint(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        0..240 => Some(1),
        _ => bytes.iter().skip(1).position(|byte| *byte < 128).map(|last| last + 2),
    }
}
