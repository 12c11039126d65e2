//! gRPC (the project's "gRPC over HTTP2"): which request is a call, what its client reads of a refusal, and where the
//! status stands in an answer.

use crate::answer::OwnAnswer;
use crate::platform::{OriginHead, Protocol, Received};
use crate::refusal::{Refusal, Status};

/// What every call's content type begins with.
const CONTENT_TYPE: &str = "application/grpc";
/// The header that a status stands in.
const STATUS: &str = "grpc-status";
/// Headers of an answer that are HTTP's and not the call's.
const OF_HTTP: [&str; 7] =
    ["alt-svc", "content-length", "content-type", "date", "server", "trailer", "transfer-encoding"];

/// Whether a request is a call. It is one by HTTP/2 or newer; what browsers send in its place (grpc-web) is a
/// request as any other.
#[must_use]
pub fn is_call(received: &Received) -> bool {
    let [content_type] = received.content_type.as_slice() else { return false };
    let is_of_call = content_type.split_at_checked(CONTENT_TYPE.len()).is_some_and(|(name, rest)| {
        name.eq_ignore_ascii_case(CONTENT_TYPE.as_bytes())
            && matches!(rest.trim_ascii_start().first(), None | Some(b'+' | b';'))
    });
    is_of_call && received.method == b"POST" && received.protocol == Protocol::Http2
}

/// The answer for a refusal: a client reads the status at the end of a call, and takes what any other one says for a
/// fault of something on the way.
#[must_use]
pub fn refusal(refusal: &Refusal) -> OwnAnswer {
    let status = refusal.status();
    let mut answer = OwnAnswer::of(refusal, CONTENT_TYPE, String::new());
    answer.status = 200;
    // No title has a character that would have to be encoded.
    answer.trailers = vec![(STATUS, code(status).to_string()), ("grpc-message", status.title().to_owned())];
    answer.trailers.extend(refusal.retry_after().map(|seconds| ("retry-after", seconds.to_string())));
    answer
}

/// The headers of an answer that go to its end. A server that has nothing but a status sends it in the head, as the
/// last frame (Trailers-Only); the platform may send another one after it, and then it has to stand there.
#[must_use]
pub fn trailers(received: &Received, origin: &OriginHead) -> Vec<String> {
    if !is_call(received) || !origin.header_names.iter().any(|name| name == STATUS) {
        return Vec::new();
    }
    let names = origin.header_names.iter();
    names.filter(|name| !OF_HTTP.contains(&name.as_str())).cloned().collect()
}

/// The status of a call for ours: by gRPC's own table ("HTTP to gRPC Status Code Mapping"), and by a word that says
/// more where there is one.
const fn code(status: Status) -> u8 {
    match status {
        // UNAUTHENTICATED
        Status::Unauthorized => 16,
        // UNAVAILABLE: another try, by another way, may succeed.
        Status::MisdirectedRequest | Status::ServiceUnavailable => 14,
        // INTERNAL: no client of gRPC sends this.
        Status::BadRequest => 13,
        // UNIMPLEMENTED
        Status::NotFound | Status::MethodNotAllowed | Status::NotImplemented => 12,
        // RESOURCE_EXHAUSTED
        Status::TooManyRequests | Status::HeaderFieldsTooLarge => 8,
        // PERMISSION_DENIED
        Status::Forbidden => 7,
    }
}
