//! `simulators --port P`: serves every simulated third party on a loopback address until SIGTERM or SIGINT.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Parser;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// How long open requests (one may be in a long latency fault) get after the signal before the process leaves anyway.
const GRACE: Duration = Duration::from_secs(2);

/// Wire-faithful stand-ins for third parties (ATS, model, mail providers) for the local stack and for tests.
///
/// A provider answers at http://HOST:PORT/<provider>, its control at http://HOST:PORT/_control/<provider>;
/// GET /_control lists every control route.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Port to listen on; 0 lets the system choose one (it is printed).
    #[arg(long)]
    port: u16,
    /// Loopback address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Port of the proxy that counts the calls of the functions to AWS (GET, DELETE /_calls); needs --gateway and --ca.
    #[arg(long, requires_all = ["gateway", "ca"])]
    calls_port: Option<u16>,
    /// The AWS emulator that the proxy stands before, such as https://localhost:4566.
    #[arg(long)]
    gateway: Option<String>,
    /// The authority (PEM) that signed the emulator's certificate.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Seconds that pass for the third parties in a second of the machine.
    #[arg(long, default_value_t = 1)]
    time_scale: u32,
    /// When their clock showed the machine's time, in milliseconds since 1970 UTC.
    #[arg(long, default_value_t = 0)]
    time_origin_ms: i64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if !arguments.host.is_loopback() {
        bail!("--host must be a loopback address: the control routes have no authentication");
    }
    simulators::clock::run_at(arguments.time_scale, arguments.time_origin_ms);
    let address = SocketAddr::new(arguments.host, arguments.port);
    let listener = TcpListener::bind(address).await.with_context(|| format!("failed to listen on {address}"))?;
    println!("simulators listen on http://{}", listener.local_addr()?);

    if let (Some(port), Some(gateway), Some(ca)) = (arguments.calls_port, &arguments.gateway, &arguments.ca) {
        let ca = fs::read(ca).with_context(|| format!("failed to read {}", ca.display()))?;
        let calls = simulators::calls::app(gateway, &ca)?;
        let address = SocketAddr::new(arguments.host, port);
        let listener = TcpListener::bind(address).await.with_context(|| format!("failed to listen on {address}"))?;
        // It ends with the process.
        tokio::spawn(async move { axum::serve(listener, calls).await });
    }

    let (stop, mut stopped) = watch::channel(false);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let serving = axum::serve(listener, simulators::app()).with_graceful_shutdown(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stop.send_replace(true);
    });
    tokio::select! {
        served = serving => served.context("failed to serve"),
        () = async {
            // An error means that the server itself is gone, which ends the process as well.
            let _ = stopped.wait_for(|stop| *stop).await;
            simulators::clock::wall_sleep(GRACE).await;
        } => Ok(()),
    }
}
