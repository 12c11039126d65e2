//! The least that a program before HAProxy can do: each request is sent on, and its answer sent back.

#[cfg(target_arch = "wasm32")]
fn main() -> std::process::ExitCode {
    use fastly::handle::{CacheOverride, client_request_and_body};

    let (mut request, body) = client_request_and_body();
    request.set_cache_override(&CacheOverride::Pass);
    match request.send(body, "haproxy") {
        Ok((response, body)) => {
            response.send_to_client(body);
            std::process::ExitCode::SUCCESS
        }
        Err(_) => std::process::ExitCode::FAILURE,
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    eprintln!("this program runs on Fastly's local runtime: `cargo xtask bench edge` builds and starts it");
    std::process::ExitCode::from(2)
}
