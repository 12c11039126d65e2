//! The program that Fastly Compute runs for each request.

#[cfg(target_arch = "wasm32")]
mod compute;

#[cfg(target_arch = "wasm32")]
fn main() {
    compute::serve();
}

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    eprintln!(
        "this program runs on Fastly Compute: build it with \
         `cargo build --profile edge --target wasm32-wasip1 -p countersign-edge`"
    );
    std::process::ExitCode::from(2)
}
