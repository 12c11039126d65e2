//! The examples of `haproxy/examples`: what each README says is to be seen.

mod bots;
mod canary;
mod cors;
mod grpc;
mod shielding;
mod two_data_centres;
mod websocket;

use crate::scene::Scene;

pub(super) fn scenes() -> Vec<Scene> {
    [
        canary::scenes(),
        cors::scenes(),
        grpc::scenes(),
        bots::scenes(),
        two_data_centres::scenes(),
        shielding::scenes(),
        websocket::scenes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
