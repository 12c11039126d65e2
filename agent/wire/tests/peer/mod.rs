//! A scripted agent and a client that plays HAProxy, for tests of the server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use bytes::BytesMut;
use haproxy_wire::spop::server::{Address, Agent, Answer, Counters, Drained, Limits, Readiness, Server};
use haproxy_wire::spop::{
    Ack, Action, Actions, AgentHello, Disconnect, Frame, FrameId, FrameType, HaproxyHello, MaxFrameSize,
    Notify, NotifyWriter, Purpose, Scope, Sender, Status, Value,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Longer than any step of a test takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Does what the message's name says; the first argument is a number of milliseconds or bytes.
pub(crate) struct Scripted;

fn verdict(actions: &mut Actions, text: &str) {
    actions.set_var(Scope::Transaction, "verdict", Value::text(text)).unwrap();
}

impl Agent for Scripted {
    fn notify(&self, notify: &Notify<'_>, actions: &mut Actions) -> Answer {
        let message = notify.messages().next().expect("a message");
        let number = message.args().next().and_then(|(_, value)| value.as_i64()).unwrap_or_default();
        let number = number.unsigned_abs();
        match message.name() {
            b"now" => {
                verdict(actions, "allow");
                Answer::Ready
            }
            b"slow" => Answer::Later(Box::pin(async move {
                sleep(Duration::from_millis(number)).await;
                let mut actions = Actions::new();
                verdict(&mut actions, "later");
                actions
            })),
            b"large" => Answer::Later(Box::pin(async move {
                let mut actions = Actions::new();
                let text = "x".repeat(usize::try_from(number).unwrap());
                actions.set_var(Scope::Transaction, "text", Value::text(&text)).unwrap();
                actions
            })),
            b"fill" => {
                let text = "x".repeat(usize::try_from(number).unwrap());
                actions.set_var(Scope::Transaction, "text", Value::text(&text)).unwrap();
                Answer::Ready
            }
            b"panic" => {
                verdict(actions, "half");
                panic!("asked to")
            }
            b"panic-later" => Answer::Later(Box::pin(async { panic!("asked to") })),
            other => panic!("message {other:?}"),
        }
    }
}

/// A server that runs until it is told to drain.
pub(crate) struct Running {
    pub(crate) address: Address,
    pub(crate) counters: Arc<Counters>,
    pub(crate) readiness: Readiness,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Drained>,
}

impl Running {
    pub(crate) async fn start(address: &str, limits: Limits) -> Self {
        let readiness = Readiness::ready();
        let address: Address = address.parse().unwrap();
        let server = Server::bind(&[address], Arc::new(Scripted), limits, readiness.clone()).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let (address, counters) = (server.addresses()[0].clone(), server.counters());
        let task = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { address, counters, readiness, stop: Some(stop), task }
    }

    pub(crate) async fn tcp(limits: Limits) -> Self {
        Self::start("tcp:127.0.0.1:0", limits).await
    }

    pub(crate) async fn unix(folder: &Path, limits: Limits) -> Self {
        Self::start(&format!("unix:{}", folder.join("agent.sock").display()), limits).await
    }

    /// Begins the drain.
    pub(crate) fn stop(&mut self) {
        let _ = self.stop.take().expect("stopped once").send(());
    }

    /// Waits for the end of the drain.
    pub(crate) async fn drained(self) -> Drained {
        timeout(PATIENCE, self.task).await.expect("drained in time").unwrap()
    }

    pub(crate) async fn end(mut self) -> Drained {
        self.stop();
        self.drained().await
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.address).await
    }

    /// A client that exchanged HELLO.
    pub(crate) async fn session(&self) -> Client {
        let mut client = self.client().await;
        client.hello(Purpose::Session, 16_380).await;
        client
    }
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What an agent sent, with its bytes taken out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Hello {
        max_frame_size: u32,
        capabilities: String,
    },
    /// The stream's identifier and the text of the last variable, if any.
    Ack(u64, Option<String>),
    Disconnect(Status),
    /// The connection ended.
    Closed,
}

pub(crate) struct Client {
    stream: Box<dyn Stream>,
    input: BytesMut,
}

impl Client {
    pub(crate) async fn connect(address: &Address) -> Self {
        let stream: Box<dyn Stream> = match address {
            Address::Unix(path) => Box::new(UnixStream::connect(path).await.unwrap()),
            Address::Tcp(address) => Box::new(TcpStream::connect(address).await.unwrap()),
        };
        Self { stream, input: BytesMut::new() }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends to a peer that may have closed; tells whether it was still there.
    pub(crate) async fn sends(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    pub(crate) async fn send_hello(&mut self, purpose: Purpose, max_frame_size: u32) {
        let capabilities = if purpose == Purpose::Session { &b"pipelining,async"[..] } else { b"" };
        let engine_id = None;
        let mut out = BytesMut::new();
        HaproxyHello { supported_versions: b"2.0", max_frame_size, capabilities, purpose, engine_id }
            .encode(&mut out)
            .unwrap();
        self.send(&out).await;
    }

    pub(crate) async fn hello(&mut self, purpose: Purpose, max_frame_size: u32) {
        self.send_hello(purpose, max_frame_size).await;
        let said = self.said().await;
        assert!(matches!(said, Said::Hello { .. }), "{said:?}");
    }

    pub(crate) async fn ask(&mut self, stream: u64, name: &str, number: i64) {
        self.send(&question(stream, name, number)).await;
    }

    pub(crate) async fn disconnect(&mut self, status: Status) {
        let mut out = BytesMut::new();
        Disconnect::new(status, "bye").encode(Sender::Haproxy, &mut out).unwrap();
        self.send(&out).await;
    }

    /// The next thing the agent says.
    pub(crate) async fn said(&mut self) -> Said {
        timeout(PATIENCE, self.next()).await.expect("said in time")
    }

    /// Does the agent say nothing for this time?
    pub(crate) async fn is_quiet_for(&mut self, time: Duration) -> bool {
        timeout(time, self.next()).await.is_err()
    }

    async fn next(&mut self) -> Said {
        loop {
            if let Ok((frame, rest)) = Frame::decode(&self.input, MaxFrameSize::DEFAULT) {
                let said = read(&frame);
                let consumed = self.input.len() - rest.len();
                let _ = self.input.split_to(consumed);
                return said;
            }
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) | Err(_) => {
                    assert!(self.input.is_empty(), "closed inside a frame");
                    return Said::Closed;
                }
                Ok(_) => {}
            }
        }
    }
}

fn read(frame: &Frame<'_>) -> Said {
    match frame.kind {
        FrameType::AgentHello => {
            let hello = AgentHello::from_frame(frame).unwrap();
            let capabilities = String::from_utf8(hello.capabilities.to_vec()).unwrap();
            Said::Hello { max_frame_size: hello.max_frame_size, capabilities }
        }
        FrameType::Ack => {
            let ack = Ack::from_frame(frame).unwrap();
            let last = ack.actions().last().map(|action| match action {
                Action::SetVar { value, .. } => value.as_str().unwrap().to_owned(),
                Action::UnsetVar { .. } => String::new(),
            });
            Said::Ack(ack.id().stream, last)
        }
        FrameType::AgentDisconnect => {
            Said::Disconnect(Disconnect::from_frame(frame, Sender::Agent).unwrap().status().unwrap())
        }
        other => panic!("{other}"),
    }
}

/// A NOTIFY with one message of one number.
pub(crate) fn question(stream: u64, name: &str, number: i64) -> BytesMut {
    let mut writer = NotifyWriter::new();
    writer.message(name).arg("number", Value::Int64(number)).unwrap();
    let mut out = BytesMut::new();
    writer.encode(FrameId { stream, frame: 1 }, MaxFrameSize::DEFAULT, &mut out).unwrap();
    out
}

pub(crate) fn ack(stream: u64, text: &str) -> Said {
    Said::Ack(stream, Some(text.to_owned()))
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let waited = timeout(PATIENCE, async {
        while !holds() {
            sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}
