//! The sockets of the stand-in: HTTP/1.1, and ways to answer that a server should not have.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::answer::Answer;
use super::record;
use super::state::{Manner, Outcome, State};

/// Longest body that is read, in bytes; a body beyond the API's own limit is read to the end, so that
/// its sender gets an answer in place of a reset.
const MAX_READ: usize = 8 << 20;

type Body = BoxBody<Bytes, Infallible>;

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("the connection was cut as planned")]
    Planned,
    #[error("no whole request came: {0}")]
    Unreadable(Box<dyn std::error::Error + Send + Sync>),
    #[error("the answer is no HTTP: {0}")]
    Answer(#[from] hyper::http::Error),
}

/// Accepts connections until it is aborted, and ends them with it.
pub(super) async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(converse(stream, Arc::clone(&state)));
        }
    }
}

async fn converse(stream: TcpStream, state: Arc<Mutex<State>>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| respond(request, &state));
    // A cut is an error here: hyper closes without an answer, which is what was planned.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(request: Request<Incoming>, state: &Mutex<State>) -> Result<Response<Body>, Cut> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_READ).collect().await.map_err(Cut::Unreadable)?;
    let token = head.headers.get("fastly-key").and_then(|token| token.to_str().ok());
    let request = record::Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        token: token.map(str::to_owned),
        body: body.to_bytes().to_vec(),
    };
    let outcome = state.lock().unwrap_or_else(PoisonError::into_inner).handle(&request);
    match outcome {
        Outcome::Cut => Err(Cut::Planned),
        Outcome::Answered(answer, Manner::AtOnce) => whole(answer),
        Outcome::Answered(answer, Manner::After(delay)) => {
            tokio::time::sleep(delay).await;
            whole(answer)
        }
        Outcome::Answered(answer, Manner::InPieces { piece, pause }) => {
            let pieces: Vec<Bytes> =
                answer.body.as_bytes().chunks(piece.max(1)).map(Bytes::copy_from_slice).collect();
            let stream = futures_util::stream::unfold(pieces.into_iter(), move |mut pieces| async move {
                let next = pieces.next()?;
                tokio::time::sleep(pause).await;
                Some((Ok(Frame::data(next)), pieces))
            });
            written(&answer, StreamBody::new(stream).boxed())
        }
    }
}

fn whole(answer: Answer) -> Result<Response<Body>, Cut> {
    let body = Full::new(Bytes::from(answer.body.clone()));
    written(&answer, body.boxed())
}

fn written(answer: &Answer, body: Body) -> Result<Response<Body>, Cut> {
    let mut response = Response::builder().status(answer.status).header("cache-control", "no-store");
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    Ok(response.body(body)?)
}
