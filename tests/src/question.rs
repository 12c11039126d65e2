//! Asks an agent on its own socket, as HAProxy asks it, to hear what it says by itself.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use haproxy_wire::spop::{
    Ack, Action, DecodeError, Frame, FrameId, FrameType, HaproxyHello, MaxFrameSize, NotifyWriter, Purpose,
    TooLarge, Value,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::client::Request;
use crate::forge::HEADER;
use crate::trouble::Trouble;

/// Longest wait for an answer; HAProxy waits a quarter of it.
const PATIENCE: Duration = Duration::from_secs(1);

/// What an agent said of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// `allow` or `deny`.
    pub verdict: String,
    /// Why.
    pub reason: String,
}

/// A connection to an agent.
#[derive(Debug)]
pub struct Questioner {
    stream: UnixStream,
    input: BytesMut,
    asked: u64,
}

impl Questioner {
    /// Connects and says HELLO.
    ///
    /// # Errors
    /// [`Trouble::Io`] when nobody listens, [`Trouble::NoAnswer`] without a HELLO.
    pub async fn connect(socket: &Path) -> Result<Self, Trouble> {
        let stream = UnixStream::connect(socket).await.map_err(Trouble::io("connect to the agent"))?;
        let mut questioner = Self { stream, input: BytesMut::new(), asked: 0 };
        let mut hello = BytesMut::new();
        HaproxyHello {
            supported_versions: b"2.0",
            max_frame_size: MaxFrameSize::DEFAULT.bytes(),
            capabilities: b"pipelining",
            purpose: Purpose::Session,
            engine_id: None,
        }
        .encode(&mut hello)
        .map_err(too_large)?;
        questioner.exchange(&hello, |frame| (frame.kind == FrameType::AgentHello).then_some(())).await?;
        Ok(questioner)
    }

    /// Asks about one request, in the words of the shipped SPOE file.
    ///
    /// # Errors
    /// [`Trouble::NoAnswer`] when no ACK comes.
    pub async fn ask(&mut self, request: &Request) -> Result<Said, Trouble> {
        self.asked += 1;
        let mut notify = BytesMut::new();
        let id = FrameId { stream: self.asked, frame: 1 };
        question(request, id, &mut notify).map_err(too_large)?;
        self.exchange(&notify, |frame| {
            let ack = Ack::from_frame(frame).ok()?;
            (ack.id() == id).then(|| said(&ack))
        })
        .await
    }

    /// Sends, and reads frames until one is what was waited for.
    async fn exchange<T>(
        &mut self,
        bytes: &[u8],
        mut wanted: impl FnMut(&Frame<'_>) -> Option<T>,
    ) -> Result<T, Trouble> {
        let no_answer = |why: String| Trouble::NoAnswer { peer: "the agent".into(), why };
        let exchange = async {
            self.stream.write_all(bytes).await.map_err(|error| no_answer(error.to_string()))?;
            loop {
                match Frame::decode(&self.input, MaxFrameSize::DEFAULT) {
                    Ok((frame, rest)) => {
                        let (found, consumed) = (wanted(&frame), self.input.len() - rest.len());
                        self.input.advance(consumed);
                        if let Some(found) = found {
                            return Ok(found);
                        }
                    }
                    Err(DecodeError::Incomplete { .. }) => {
                        match self.stream.read_buf(&mut self.input).await {
                            Ok(0) => return Err(no_answer("it closed the connection".into())),
                            Ok(_) => {}
                            Err(error) => return Err(no_answer(error.to_string())),
                        }
                    }
                    Err(error) => return Err(no_answer(error.to_string())),
                }
            }
        };
        timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| Err(no_answer(format!("nothing within {PATIENCE:?}"))))
    }
}

fn question(request: &Request, id: FrameId, out: &mut BytesMut) -> Result<(), TooLarge> {
    let assertions: Vec<&str> = request
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(HEADER))
        .map(|(_, value)| value.as_str())
        .collect();
    let count = i64::try_from(assertions.len()).unwrap_or(i64::MAX);
    let mut writer = NotifyWriter::new();
    writer
        .message("request")
        .arg("id", Value::text("0b2b2c1e-6d50-4c2e-9f0e-3a1f5f2d7c11"))?
        .arg("method", Value::text(&request.method))?
        .arg("host", Value::text(request.host()))?
        .arg("hosts", Value::Int64(1))?
        .arg("target", Value::text(&request.target))?
        .arg("src", Value::Ipv4(Ipv4Addr::LOCALHOST))?
        .arg("assertions", Value::Int64(count))?
        .arg("assertion", assertions.last().map_or(Value::Null, |assertion| Value::text(assertion)))?;
    writer.encode(id, MaxFrameSize::DEFAULT, out)
}

fn said(ack: &Ack<'_>) -> Said {
    let mut said = Said::default();
    for action in ack.actions() {
        let Action::SetVar { name, value, .. } = action else { continue };
        let text = value.as_str().unwrap_or_default().to_owned();
        match name {
            b"verdict" => said.verdict = text,
            b"reason" => said.reason = text,
            _ => {}
        }
    }
    said
}

fn too_large(error: TooLarge) -> Trouble {
    Trouble::unexpected("a question that fits a frame", error.to_string())
}
