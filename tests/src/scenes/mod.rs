//! Every scene, in the order of the table that the demo prints.

mod arms;
mod bots;
mod caching;
mod circuit;
mod cors;
mod crossing;
mod examples;
mod grpc;
mod hostile;
mod listed;
mod outage;
pub mod people;
mod rates;
pub mod reason;
mod receipts;
mod reputation;
mod restart;
mod routes;
mod services;
mod sessions;
mod shapes;
mod spelling;
mod websocket;

use crate::scene::Scene;

/// All scenes.
#[must_use]
pub fn all() -> Vec<Scene> {
    [
        routes::scenes(),
        sessions::scenes(),
        bots::scenes(),
        arms::scenes(),
        rates::scenes(),
        cors::scenes(),
        caching::scenes(),
        crossing::scenes(),
        hostile::scenes(),
        services::scenes(),
        receipts::scenes(),
        listed::scenes(),
        spelling::scenes(),
        websocket::scenes(),
        shapes::scenes(),
        grpc::scenes(),
        outage::scenes(),
        restart::scenes(),
        reputation::scenes(),
        circuit::scenes(),
        people::scenes(),
        examples::scenes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
