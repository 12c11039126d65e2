//! The three pools of the operator's own applications, one server each.

use crate::application::Application;
use crate::trouble::Trouble;

/// The applications behind HAProxy.
#[derive(Debug)]
pub struct Pools {
    /// Pool `api`.
    pub api: Application,
    /// Pool `admin`.
    pub admin: Application,
    /// Pool `web`: static files and all the rest.
    pub web: Application,
}

impl Pools {
    /// Starts all of them.
    ///
    /// # Errors
    /// [`Trouble::Io`] when no port can be bound.
    pub async fn start() -> Result<Self, Trouble> {
        let (api, admin, web) = tokio::try_join!(
            Application::start("api"),
            Application::start("admin"),
            Application::start("web")
        )?;
        Ok(Self { api, admin, web })
    }

    /// Requests that all applications together have answered.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.api.served() + self.admin.served() + self.web.served()
    }
}
