//! The calls to the platform's ABI that the SDK hides, or that it panics in.
//!
//! Each function asks the host to fill a buffer of ours. What the host promises is the same for
//! all: it writes at most as many bytes as it was told there is room for, says how many it wrote,
//! and keeps no pointer once the call has returned.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use countersign_edge::certificate::{ClientCertificate, Standing};
use countersign_edge::platform::StoreFault;
use fastly::handle::{BodyHandle, RequestHandle, ResponseHandle};
use fastly_shared::{ClientCertVerifyResult, FastlyStatus};
use fastly_sys::{
    fastly_config_store, fastly_http_body, fastly_http_downstream, fastly_http_req, fastly_http_resp,
    fastly_log,
};

/// Room for values as they usually are.
const USUAL_BUFFER: usize = 4 * 1024;
/// The 8000 characters of the longest item, while they are ASCII as ours are: read at the first go, since a
/// second one is a second look-up.
const ITEM_BUFFER: usize = 8 * 1024;
/// More than an item or a head may have.
const LARGEST_BUFFER: usize = 128 * 1024;

/// A store of items. Opening it through the SDK panics where the store is there and broken.
pub(super) struct ConfigStore {
    name: &'static str,
    handle: u32,
}

impl ConfigStore {
    pub(super) fn open(name: &'static str) -> Result<Self, StoreFault> {
        let mut handle = u32::MAX - 1;
        // SAFETY: name and handle outlive the call; see the promise of the host above.
        let status = unsafe { fastly_config_store::open(name.as_ptr(), name.len(), &raw mut handle) };
        match status {
            FastlyStatus::OK => Ok(Self { name, handle }),
            FastlyStatus::BADF => Err(StoreFault::Absent(name)),
            other => Err(StoreFault::Unreadable { store: name, status: describe(other) }),
        }
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<String>, StoreFault> {
        let fault = |status| StoreFault::Unreadable { store: self.name, status };
        let read = filled(ITEM_BUFFER, |buffer, written| {
            // SAFETY: key, buffer and count outlive the call; see the promise of the host above.
            unsafe {
                fastly_config_store::get(
                    self.handle,
                    key.as_ptr(),
                    key.len(),
                    buffer.as_mut_ptr(),
                    buffer.len(),
                    written,
                )
            }
        });
        match read {
            Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|e| fault(e.to_string())),
            Err(FastlyStatus::NONE) => Ok(None),
            Err(other) => Err(fault(describe(other))),
        }
    }
}

/// The request's URL as the platform holds it. The SDK shows a normalised one, and panics on a
/// host that it can't parse.
pub(super) fn url(request: &RequestHandle) -> Result<Vec<u8>, String> {
    let handle = request.as_u32();
    filled(USUAL_BUFFER, |buffer, written| {
        // SAFETY: buffer and count outlive the call; see the promise of the host above.
        unsafe { fastly_http_req::uri_get(handle, buffer.as_mut_ptr(), buffer.len(), written) }
    })
    .map_err(|status| format!("the URL can't be read: {}", describe(status)))
}

/// Sets the URL of a request of our own. The SDK would parse it first, and panic.
pub(super) fn set_url(request: &RequestHandle, url: &str) -> Result<(), String> {
    // SAFETY: the URL outlives the call; see the promise of the host above.
    let status = unsafe { fastly_http_req::uri_set(request.as_u32(), url.as_ptr(), url.len()) };
    if status.is_ok() { Ok(()) } else { Err(describe(status)) }
}

/// The request's method as it was sent.
pub(super) fn method(request: &RequestHandle) -> Option<Vec<u8>> {
    let handle = request.as_u32();
    filled(USUAL_BUFFER, |buffer, written| {
        // SAFETY: buffer and count outlive the call; see the promise of the host above.
        unsafe { fastly_http_req::method_get(handle, buffer.as_mut_ptr(), buffer.len(), written) }
    })
    .ok()
}

/// Whether the request came by HTTP/1.1 or older. The SDK panics on a version that it doesn't know.
pub(super) fn is_http1(request: &RequestHandle) -> bool {
    /// `HttpVersion` of fastly-shared: 0 is 0.9, 1 is 1.0, 2 is 1.1, 3 is 2.0, 4 is 3.0.
    const HTTP_11: u32 = 2;
    let mut version = 0;
    // SAFETY: the number outlives the call; see the promise of the host above.
    let status = unsafe { fastly_http_req::version_get(request.as_u32(), &raw mut version) };
    status.is_err() || version <= HTTP_11
}

/// The address of the client's end of the connection.
pub(super) fn client_address(request: &RequestHandle) -> Option<IpAddr> {
    let mut octets = [0; 16];
    let mut written = 0;
    // SAFETY: 16 octets are what the host writes at most; both outlive the call.
    let status = unsafe {
        fastly_http_downstream::downstream_client_ip_addr(
            request.as_u32(),
            octets.as_mut_ptr(),
            &raw mut written,
        )
    };
    let [a, b, c, d, ..] = octets;
    match (status, written) {
        (FastlyStatus::OK, 4) => Some(Ipv4Addr::new(a, b, c, d).into()),
        (FastlyStatus::OK, 16) => Some(Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

/// The certificate of the client's end of the connection. Whatever the platform can't tell is none.
pub(super) fn client_certificate(request: &RequestHandle) -> Option<ClientCertificate> {
    let handle = request.as_u32();
    let pem = filled(USUAL_BUFFER, |buffer, written| {
        // SAFETY: buffer and count outlive the call; see the promise of the host above.
        unsafe {
            fastly_http_downstream::downstream_tls_raw_client_certificate(
                handle,
                buffer.as_mut_ptr(),
                buffer.len(),
                written,
            )
        }
    })
    .ok()?;
    let mut result = 0;
    // SAFETY: the number outlives the call; see the promise of the host above.
    let status =
        unsafe { fastly_http_downstream::downstream_tls_client_cert_verify_result(handle, &raw mut result) };
    if status.is_err() {
        return None;
    }
    // Where a service has no mutual TLS the platform says `Ok` of no certificate, so the certificate comes first.
    let standing = match ClientCertVerifyResult::from_u32(result) {
        ClientCertVerifyResult::Ok => Standing::Trusted,
        ClientCertVerifyResult::UnknownCa => Standing::UnknownAuthority,
        _ => Standing::Refused,
    };
    ClientCertificate::from_pem(&pem, standing)
}

/// The status of an answer. The SDK panics on one outside 100 to 999.
pub(super) fn status(response: &ResponseHandle) -> Result<u16, String> {
    let mut status = 0;
    // SAFETY: the number outlives the call; see the promise of the host above.
    let result = unsafe { fastly_http_resp::status_get(response.as_u32(), &raw mut status) };
    if result.is_ok() { Ok(status) } else { Err(format!("no status: {}", describe(result))) }
}

/// Puts a field behind a body. The SDK does so at the end of a stream alone, and panics where the host says no.
pub(super) fn append_trailer(body: &mut BodyHandle, name: &str, value: &[u8]) {
    // SAFETY: name and value outlive the call; see the promise of the host above.
    let _ = unsafe {
        fastly_http_body::trailer_append(
            body.as_u32(),
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    };
}

/// Writes one line to a log endpoint, if there is one.
pub(super) fn log(endpoint: &str, line: &str) {
    let mut handle = 0;
    // SAFETY: name and handle outlive the call; see the promise of the host above.
    let status = unsafe { fastly_log::endpoint_get(endpoint.as_ptr(), endpoint.len(), &raw mut handle) };
    if status.is_ok() {
        let mut written = 0;
        // SAFETY: line and count outlive the call; see the promise of the host above.
        let _ = unsafe { fastly_log::write(handle, line.as_ptr(), line.len(), &raw mut written) };
    }
}

/// Calls with a buffer of that size, and once more with a larger one if the host asks for it.
fn filled(
    size: usize,
    call: impl Fn(&mut [u8], *mut usize) -> FastlyStatus,
) -> Result<Vec<u8>, FastlyStatus> {
    let mut written = 0;
    let mut buffer = vec![0; size];
    let mut status = call(&mut buffer, &raw mut written);
    if status == FastlyStatus::BUFLEN && written <= LARGEST_BUFFER {
        buffer.resize(written, 0);
        status = call(&mut buffer, &raw mut written);
    }
    if status.is_err() {
        return Err(status);
    }
    buffer.truncate(written);
    Ok(buffer)
}

fn describe(status: FastlyStatus) -> String {
    format!("the platform says {status:?}")
}
