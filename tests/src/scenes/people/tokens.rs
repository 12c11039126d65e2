//! Tokens of a real provider: which are bearer tokens, and which are not.

use crate::identity_provider::TokenAlgorithm;
use crate::scene::Whose::Common;
use crate::scene::{Row, Scene};
use crate::scenes::people::Result;
use crate::scenes::people::provider::things;
use crate::site::{RESOURCE, Site};

pub(super) fn scenes() -> Vec<Scene> {
    TokenAlgorithm::ALL
        .into_iter()
        .map(|algorithm| {
            let name = format!("an access token of the provider, {}", algorithm.name());
            Scene::on_site(name, Common, move |site| Box::pin(access(site, algorithm)))
        })
        .collect()
}

async fn access(site: &Site, algorithm: TokenAlgorithm) -> Result {
    let token = site.provider().await.client_credentials_token(algorithm.name(), RESOURCE).await?;
    let seen = site.circuit().edge().send(&things(site).bearer(&token), site.circuit().node()).await?;
    Ok(Row::of(&seen)
        .status(200)
        .pool("api")
        .holds("the application sees who", seen.application_saw("Countersign-Subject", algorithm.name()))
        .holds("and no token", seen.application_saw_no("Authorization")))
}
