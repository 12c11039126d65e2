//! The service manager: systemd, or whatever sets `NOTIFY_SOCKET`.

use std::os::unix::net::UnixDatagram;

/// Says `READY=1` where a service manager asks for it (sd_notify(3)), so that a rolling restart
/// stops the second process only when the first is back.
pub(super) fn say_ready() {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let told = UnixDatagram::unbound().and_then(|from| from.send_to(b"READY=1", &socket));
    if let Err(error) = told {
        tracing::warn!(%error, "the service manager can't be told that all is ready");
    }
}
