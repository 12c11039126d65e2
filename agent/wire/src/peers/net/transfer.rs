//! One step of bytes over a stream, in whichever direction is possible.

use super::connection::Duplex;
use super::inbox::Inbox;
use bytes::{Buf, BytesMut};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

/// What went over.
#[derive(Debug)]
pub(super) enum Moved {
    /// So much came; 0 is the end.
    Read(usize),
    /// Something left.
    Wrote,
    /// The stream takes nothing more.
    Unwritable(io::Error),
}

/// What is to be sent.
#[derive(Debug)]
pub(super) struct Outbox {
    bytes: BytesMut,
    // TLS may hold back what it took.
    held: bool,
    shut: bool,
}

impl Outbox {
    pub(super) fn of(bytes: BytesMut) -> Self {
        Self { bytes, held: false, shut: false }
    }

    /// Where to append what is to be sent.
    pub(super) fn bytes(&mut self) -> &mut BytesMut {
        // Nobody will read it.
        if self.shut {
            self.bytes.clear();
        }
        &mut self.bytes
    }

    pub(super) fn len(&self) -> usize {
        if self.shut { 0 } else { self.bytes.len() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0 && !self.held
    }

    /// Nothing leaves any more.
    pub(super) fn shut(&mut self) {
        self.bytes.clear();
        (self.held, self.shut) = (false, true);
    }

    /// Writes once.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut Box<dyn Duplex>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut stream = Pin::new(stream);
        if !self.bytes.is_empty() {
            match ready!(stream.as_mut().poll_write(cx, &self.bytes))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                length => self.bytes.advance(length.min(self.bytes.len())),
            }
            self.held = true;
            if !self.bytes.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        match stream.poll_flush(cx)? {
            Poll::Ready(()) => self.held = false,
            // The bytes left us, though not all of them the stream.
            Poll::Pending => return Poll::Pending,
        }
        Poll::Ready(Ok(()))
    }
}

/// Writes once, or else reads once if there is a size to read with.
pub(super) fn poll_transfer(
    stream: &mut Box<dyn Duplex>,
    outbox: &mut Outbox,
    inbox: &mut Inbox,
    size: Option<usize>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Moved>> {
    if !outbox.is_empty()
        && let Poll::Ready(written) = outbox.poll_write(stream, cx)
    {
        return Poll::Ready(Ok(match written {
            Ok(()) => Moved::Wrote,
            Err(error) => Moved::Unwritable(error),
        }));
    }
    let Some(size) = size else { return Poll::Pending };
    let mut space = ReadBuf::new(inbox.space(size));
    let read = Pin::new(stream).poll_read(cx, &mut space);
    let length = space.filled().len();
    read.map_ok(|()| {
        inbox.filled(length);
        Moved::Read(length)
    })
}
