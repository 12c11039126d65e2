//! The three pools of the operator's own applications, one server each.

use std::net::SocketAddr;

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

/// Where HAProxy finds the only server of each pool.
#[derive(Debug, Clone, Copy)]
pub struct PoolAddresses {
    /// Of pool `api`.
    pub api: SocketAddr,
    /// Of pool `admin`.
    pub admin: SocketAddr,
    /// Of pool `web`.
    pub web: SocketAddr,
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

    /// Where they listen.
    #[must_use]
    pub fn addresses(&self) -> PoolAddresses {
        PoolAddresses { api: self.api.address(), admin: self.admin.address(), web: self.web.address() }
    }

    /// Requests that all applications together have answered.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.api.served() + self.admin.served() + self.web.served()
    }
}
