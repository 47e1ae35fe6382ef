//! The way out of the simulators that send: to this machine only.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use reqwest::{Certificate, Client};
use url::{Host, Url};

use crate::control::Refused;

const TIMEOUT: Duration = Duration::from_secs(30);

/// A simulator must never reach another machine, whatever a test writes into an URL: a client for this one
/// only.
///
/// # Errors
/// The order cannot be done; the sentence names the field, which for the CA's file is `field`.
pub fn client(url: &Url, field: &str, ca_file: Option<&str>) -> Result<Client, Refused> {
    let outside = || {
        Refused("url: must be http or https on this machine (localhost, *.localhost or a loopback address)".to_owned())
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(outside());
    }
    let mut builder = Client::builder().no_proxy().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
    match url.host().ok_or_else(outside)? {
        Host::Ipv4(address) if address.is_loopback() => {}
        Host::Ipv6(address) if address.is_loopback() => {}
        Host::Domain(name) if name == "localhost" || name.ends_with(".localhost") => {
            // Not every resolver knows the names below localhost.
            let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), url.port_or_known_default().unwrap_or(0));
            builder = builder.resolve(name, address);
        }
        Host::Ipv4(_) | Host::Ipv6(_) | Host::Domain(_) => return Err(outside()),
    }
    if let Some(file) = ca_file {
        let pem = std::fs::read(file).map_err(|error| Refused(format!("{field}: {error}")))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| Refused(format!("{field}: {error}")))?;
        builder = builder.tls_certs_only(certificates);
    }
    builder.build().map_err(|error| Refused(format!("url: {error}")))
}

/// The whole chain: the top of a TLS error alone says nothing of its cause.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
