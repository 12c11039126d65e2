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
    /// What the server of pool `api` speaks.
    pub api_speaks: Speaks,
}

/// The protocol between HAProxy and a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 without TLS.
    Http2,
}

impl Speaks {
    /// A server's address and the words behind it in HAProxy's configuration.
    #[must_use]
    pub fn server(self, address: SocketAddr) -> String {
        match self {
            Self::Http1 => address.to_string(),
            Self::Http2 => format!("{address} proto h2"),
        }
    }
}

impl PoolAddresses {
    /// One server for all pools.
    #[must_use]
    pub fn all_at(address: SocketAddr) -> Self {
        Self { api: address, admin: address, web: address, api_speaks: Speaks::Http1 }
    }
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
        PoolAddresses {
            api: self.api.address(),
            admin: self.admin.address(),
            web: self.web.address(),
            api_speaks: Speaks::Http1,
        }
    }

    /// Requests that all applications together have answered.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.api.served() + self.admin.served() + self.web.served()
    }
}
