//! Heads as the platform holds them, read without its parsers.

use countersign_contract::header;
use countersign_edge::platform::{OriginHead, Protocol, Received};
use fastly::handle::{RequestHandle, ResponseHandle};
use fastly::http::{HeaderName, HeaderValue, Method};

use super::abi;

/// Room for names and values as they usually are.
const USUAL_BUFFER: usize = 4 * 1024;
/// More than the platform takes for a whole head.
const LARGEST_BUFFER: usize = 128 * 1024;

/// Reads what the pipeline looks at. Values of other headers stay on the platform's side.
pub(super) fn read(request: &RequestHandle) -> Received {
    let mut too_large = None;
    let header_names = names(|size| request.get_header_names(size).collect());
    let header_names = header_names.unwrap_or_else(|fault| {
        too_large.get_or_insert(fault);
        Vec::new()
    });
    let mut note = |what: Result<Vec<Vec<u8>>, String>| {
        what.unwrap_or_else(|fault| {
            too_large.get_or_insert(fault);
            Vec::new()
        })
    };
    let mut values = |name: &'static str| {
        // Each look-up is a call to the platform.
        if !header_names.iter().any(|there| there == name) {
            return Vec::new();
        }
        let name = HeaderName::from_static(name);
        note(with_growing_buffer(|size| {
            let values: Result<Vec<HeaderValue>, _> = request.get_header_values(&name, size).collect();
            values.map(|values| values.into_iter().map(|value| value.as_bytes().to_vec()).collect())
        }))
    };
    let host = values("host");
    let cookie = values("cookie");
    let authorization = values("authorization");
    let assertion = values(header::ASSERTION);
    let upgrade = values("upgrade");
    let accept = values("accept");
    let content_type = values("content-type");
    let content_length = values("content-length");
    let fetch_mode = values("sec-fetch-mode");
    let fetch_dest = values("sec-fetch-dest");
    let fetch_site = values("sec-fetch-site");
    let origin = values("origin");
    let asks_for_method = values("access-control-request-method");
    let asks_for_headers = values("access-control-request-headers");
    let signature = values("signature");
    let signature_input = values("signature-input");
    let signature_agent = values("signature-agent");
    let url = abi::url(request).unwrap_or_else(|fault| {
        too_large.get_or_insert(fault);
        Vec::new()
    });
    let method = abi::method(request).unwrap_or_default();
    Received {
        url,
        method,
        protocol: if abi::is_http1(request) { Protocol::Http1 } else { Protocol::Http2 },
        client: abi::client_address(request),
        header_names,
        host,
        cookie,
        authorization,
        assertion,
        upgrade,
        accept,
        content_type,
        content_length,
        fetch_mode,
        fetch_dest,
        fetch_site,
        origin,
        asks_for_method,
        asks_for_headers,
        signature,
        signature_input,
        signature_agent,
        too_large,
    }
}

/// Reads the head of the origin's answer.
pub(super) fn read_origin(response: &ResponseHandle) -> Result<OriginHead, String> {
    let status = abi::status(response)?;
    let header_names = names(|size| response.get_header_names(size).collect())?;
    let values = |name: &'static str| {
        if !header_names.iter().any(|there| there == name) {
            return Ok(Vec::new());
        }
        let values = self::values(response, &HeaderName::from_static(name))?;
        Ok::<_, String>(values.into_iter().map(|value| value.as_bytes().to_vec()).collect())
    };
    let (decisions, receipts) = (values(header::DECISION)?, values(header::RECEIPT)?);
    Ok(OriginHead { status, header_names, decisions, receipts })
}

/// All values of a header of an answer.
pub(super) fn values(response: &ResponseHandle, name: &HeaderName) -> Result<Vec<HeaderValue>, String> {
    with_growing_buffer(|size| {
        response.get_header_values(name, size).collect::<Result<Vec<HeaderValue>, _>>()
    })
}

/// A request with the same method, target and headers, and no body yet.
pub(super) fn copy(request: &RequestHandle) -> Result<RequestHandle, String> {
    let mut same = RequestHandle::new();
    let url = abi::url(request)?;
    let method = abi::method(request).unwrap_or_default();
    same.set_method(&Method::from_bytes(&method).map_err(|_| "the method is no token".to_owned())?);
    abi::set_url(&same, std::str::from_utf8(&url).map_err(|_| "the URL is not UTF-8".to_owned())?)?;
    for name in names(|size| request.get_header_names(size).collect())? {
        let Ok(name) = HeaderName::try_from(name.as_str()) else { continue };
        let values = with_growing_buffer(|size| {
            request.get_header_values(&name, size).collect::<Result<Vec<HeaderValue>, _>>()
        })?;
        same.set_header_values(&name, values.iter());
    }
    Ok(same)
}

fn names<E>(read: impl Fn(usize) -> Result<Vec<HeaderName>, E>) -> Result<Vec<String>, String> {
    let names = with_growing_buffer(read)?;
    Ok(names.into_iter().map(|name| name.as_str().to_owned()).collect())
}

fn with_growing_buffer<T, E>(read: impl Fn(usize) -> Result<T, E>) -> Result<T, String> {
    read(USUAL_BUFFER)
        .or_else(|_| read(LARGEST_BUFFER))
        .map_err(|_| format!("a header is longer than {LARGEST_BUFFER} bytes"))
}
