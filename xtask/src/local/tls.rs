//! The certificate of the local stack. Its authority exists for this stack only, and its key is never stored.

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::{processes, python, site::Site};

/// Makes the certificate where there is none that is still valid. Answers a fingerprint of it.
pub(crate) async fn ensure(site: &Site) -> Result<String> {
    let mut command = python::script(site, "certificate.py")?;
    command.arg(site.state.join("tls"));
    processes::log("making a certificate for localhost", command, &site.log("tls")).await?;
    let certificate = std::fs::read(site.state.join("tls/server.pem")).context("failed to read the certificate")?;
    Ok(hex::encode(Sha256::digest(certificate)))
}
