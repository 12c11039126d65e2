//! One signature and one MAC, timed where the edge program makes them. Each request is answered by two
//! numbers: nanoseconds for a signature, and for a MAC.

#[cfg(target_arch = "wasm32")]
fn main() -> std::process::ExitCode {
    use std::hint::black_box;
    use std::io::Write as _;
    use std::process::ExitCode;
    use std::time::Instant;

    use countersign_contract::mac_keys::MacKey;
    use ed25519_dalek::{Signer as _, SigningKey};
    use fastly::handle::{BodyHandle, ResponseHandle};

    /// As long as a session, and as what an assertion signs.
    const MESSAGE: [u8; 300] = [b'm'; 300];
    /// Few, so that a run is short beside the scheduler's turns.
    const SIGNATURES: u32 = 10;
    const MACS: u32 = 100;

    fn nanoseconds(times: u32, mut call: impl FnMut()) -> u128 {
        // Not timed: touches code and tables.
        call();
        let began = Instant::now();
        for _ in 0..times {
            call();
        }
        began.elapsed().as_nanos() / u128::from(times)
    }

    let Ok(mac) = MacKey::from_base64url("bW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW0") else {
        return ExitCode::FAILURE;
    };
    let key = SigningKey::from_bytes(&[7; 32]);
    let signature = nanoseconds(SIGNATURES, || {
        black_box(key.sign(black_box(&MESSAGE)));
    });
    let mac = nanoseconds(MACS, || {
        black_box(mac.mac(black_box(&MESSAGE)));
    });
    let mut body = BodyHandle::new();
    if write!(body, "{signature} {mac}").is_err() {
        return ExitCode::FAILURE;
    }
    ResponseHandle::new().send_to_client(body);
    ExitCode::SUCCESS
}

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    eprintln!("this program runs on Fastly's local runtime: `cargo xtask bench edge` builds and starts it");
    std::process::ExitCode::from(2)
}
