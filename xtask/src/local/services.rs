//! Starts the services of a stack: the AWS emulator, the simulators of third parties, the SMTP server, Redis.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::{
    local::{
        daemons::{self, Daemons, Program},
        mode::Mode,
        time_scale::TimeScale,
    },
    processes, report,
    site::Site,
};

pub(crate) const EMULATOR: &str = "ministack";
pub(crate) const SIMULATORS: &str = "simulators";
pub(crate) const MAILBOX: &str = "mailbox";
pub(crate) const REDIS: &str = "redis";

/// User name and password of the SMTP server; the functions get the same from the parameter store.
const SMTP_USER: &str = "hiring";
const SMTP_PASSWORD: &str = "local-smtp-password";

/// Starts the services that do not run, and restarts those with other inputs. True when the emulator was started, which
/// means that it is empty.
pub(crate) async fn ensure(site: &Site, daemons: &Daemons<'_>, certificate: &str, mode: &Mode) -> Result<bool> {
    let began = Instant::now();
    fs::create_dir_all(site.state.join("tmp"))?;
    fs::create_dir_all(site.fault_points())?;
    let fresh = ensure_one(site, daemons, &emulator(site, certificate, mode)?, site.gateway)?;
    ensure_one(site, daemons, &simulators(site, certificate, mode.time)?, site.simulators())?;
    ensure_one(site, daemons, &mailbox(site, certificate, mode.time)?, site.smtp())?;
    ensure_one(site, daemons, &redis(site)?, site.redis())?;
    let ports = [
        (EMULATOR, site.gateway),
        (SIMULATORS, site.simulators()),
        (MAILBOX, site.smtp()),
        (MAILBOX, site.mailbox()),
        (SIMULATORS, site.calls()),
        (REDIS, site.redis()),
    ];
    for (name, port) in ports {
        answers(site, name, port).await?;
    }
    if fresh {
        report::tick(
            began,
            format!(
                "AWS emulator at {} (IAM enforced), simulators on {}, SMTP on {}, mailbox on {}, calls counted on {}, Redis on {}",
                site.endpoint(),
                site.simulators(),
                site.smtp(),
                site.mailbox(),
                site.calls(),
                site.redis()
            ),
        );
    }
    Ok(fresh)
}

fn emulator(site: &Site, certificate: &str, mode: &Mode) -> Result<Program> {
    let script = site.script("emulator.py");
    let containers = mode.containers;
    let mut environment = site.environment();
    // Of the functions, too, which inherit the emulator's environment; and of its schedules.
    environment.extend(mode.time.environment());
    let tls = site.state.join("tls");
    for (name, value) in [
        ("GATEWAY_PORT", site.gateway.to_string()),
        // Every caller with its well-known key is root there, and could run any program: never on the network by default.
        ("BIND_HOST", if containers { "0.0.0.0" } else { "127.0.0.1" }.to_owned()),
        ("AUTH", "true".to_owned()),
        ("USE_SSL", "1".to_owned()),
        ("MINISTACK_SSL_CERT", tls.join("server.pem").display().to_string()),
        ("MINISTACK_SSL_KEY", tls.join("server.key").display().to_string()),
        ("IOT_MTLS_ENABLED", "0".to_owned()),
        ("SFTP_ENABLED", "0".to_owned()),
        // Of the functions, which inherit the emulator's environment.
        ("FUNCTIONS_ENDPOINT_URL", site.functions_endpoint()),
        ("FAULT_POINTS", site.fault_points().display().to_string()),
    ] {
        environment.insert(name.to_owned(), value);
    }
    let fingerprint = fingerprint(
        &[&script, &site.script("requirements.txt")],
        &format!("{certificate} {containers} {environment:?}"),
    )?;
    let arguments = vec![site.tool("python").into(), script.into()];
    Ok(Program { name: EMULATOR, arguments, environment, fingerprint })
}

fn simulators(site: &Site, certificate: &str, time: TimeScale) -> Result<Program> {
    let binary = site.binaries().join("simulators");
    let port = site.simulators().to_string();
    let fingerprint = fingerprint(&[&binary], &format!("{certificate} {port} {time:?}"))?;
    let arguments = vec![
        binary.into(),
        "--time-scale".into(),
        time.factor.to_string().into(),
        "--time-origin-ms".into(),
        time.origin_ms.to_string().into(),
        "--port".into(),
        port.into(),
        "--calls-port".into(),
        site.calls().to_string().into(),
        "--gateway".into(),
        site.endpoint().into(),
        "--ca".into(),
        site.ca().into(),
    ];
    Ok(Program { name: SIMULATORS, arguments, environment: site.environment(), fingerprint })
}

fn mailbox(site: &Site, certificate: &str, time: TimeScale) -> Result<Program> {
    let script = site.root.join("tests/simulators/smtp_sink.py");
    let tls = site.state.join("tls");
    let fingerprint = fingerprint(&[&script], &format!("{certificate} {} {time:?}", site.smtp()))?;
    let arguments = vec![
        site.tool("python").into(),
        script.into(),
        "--smtp-port".into(),
        site.smtp().to_string().into(),
        "--time-scale".into(),
        time.factor.to_string().into(),
        "--http-port".into(),
        site.mailbox().to_string().into(),
        "--cert".into(),
        tls.join("server.pem").into(),
        "--key".into(),
        tls.join("server.key").into(),
        "--user".into(),
        SMTP_USER.into(),
        "--password".into(),
        SMTP_PASSWORD.into(),
    ];
    Ok(Program { name: MAILBOX, arguments, environment: site.environment(), fingerprint })
}

/// A cache and nothing else: it writes nothing to disk, and forgets the oldest when it is full.
fn redis(site: &Site) -> Result<Program> {
    let binary = site.redis_server();
    let port = site.redis().to_string();
    let fingerprint = fingerprint(&[&site.script("redis.txt")], &port)?;
    let arguments = [
        binary.as_os_str().to_owned(),
        "--port".into(),
        port.into(),
        "--bind".into(),
        "127.0.0.1".into(),
        "--save".into(),
        "".into(),
        "--appendonly".into(),
        "no".into(),
        "--maxmemory".into(),
        "64mb".into(),
        "--maxmemory-policy".into(),
        "allkeys-lru".into(),
        "--dir".into(),
        site.state.join("tmp").into(),
    ];
    Ok(Program { name: REDIS, arguments: arguments.into(), environment: site.environment(), fingerprint })
}

fn fingerprint(files: &[&Path], more: &str) -> Result<String> {
    let mut hash = Sha256::new();
    for file in files {
        hash.update(fs::read(file).with_context(|| format!("failed to read {}", file.display()))?);
    }
    hash.update(more);
    Ok(hex::encode(hash.finalize()))
}

fn ensure_one(site: &Site, daemons: &Daemons<'_>, program: &Program, port: u16) -> Result<bool> {
    if !daemons::is_running(site, program.name) && listens(port) {
        bail!(
            "port {port} is taken by a program that this command did not start; end it, or use another port with --port \
             and another folder with --state"
        );
    }
    daemons.ensure(program)
}

/// Waits until a program listens, or says why it ended.
async fn answers(site: &Site, name: &str, port: u16) -> Result<()> {
    let log = site.log(name);
    let deadline = Instant::now() + Duration::from_secs(30);
    while !listens(port) {
        if !daemons::is_running(site, name) {
            bail!("{name} ended at its start; log: {}\n{}", log.display(), processes::tail(&log, 15));
        }
        if Instant::now() > deadline {
            bail!("{name} does not listen on port {port} after 30 s; log: {}", log.display());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn listens(port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_millis(300)).is_ok()
}
