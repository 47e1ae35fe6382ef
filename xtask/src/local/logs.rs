//! `logs`: what a function or a part of the platform wrote.

use std::{
    fs::File,
    io::{self, Read, Write},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    StateArgs,
    local::{daemons, deploy, services},
    processes, python,
    site::Site,
};

#[derive(Args)]
pub(crate) struct LogsArgs {
    /// A function (the folders of functions/), or ministack, simulators, mailbox, redis, deploy, python. Without it: the names.
    name: Option<String>,
    /// Keep printing what is written, until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
    /// How far back, for functions.
    #[arg(long, default_value_t = 60)]
    minutes: u32,
    #[command(flatten)]
    site: StateArgs,
}

pub(crate) async fn logs(args: &LogsArgs) -> Result<()> {
    let site = args.site.site()?;
    let functions = site.functions()?;
    let Some(name) = &args.name else {
        println!("functions: {}", functions.join(", "));
        println!("platform:  {}", platform(&site).join(", "));
        return Ok(());
    };
    if functions.contains(name) {
        return function(&site, name, args).await;
    }
    let path = site.log(name);
    if !path.is_file() {
        bail!(
            "there is no log of {name}; functions: {}; platform: {}",
            functions.join(", "),
            platform(&site).join(", ")
        );
    }
    let mut file = File::open(&path).with_context(|| format!("failed to open {}", path.display()))?;
    loop {
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        io::stdout().write_all(&text)?;
        io::stdout().flush()?;
        if !args.follow {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn function(site: &Site, name: &str, args: &LogsArgs) -> Result<()> {
    if !daemons::is_running(site, services::EMULATOR) {
        let retained = site.state.join("logs/functions").join(format!("{name}.log"));
        if !retained.is_file() {
            bail!("the stack does not run; start it with `cargo xtask up`");
        }
        println!("{}", std::fs::read_to_string(retained)?);
        return Ok(());
    }
    let mut command = python::script(site, "stack.py")?;
    command.args(["logs", "--function", &physical(name), "--minutes", &args.minutes.to_string()]);
    if args.follow {
        command.arg("--follow");
    }
    processes::watch("reading the log", command).await
}

fn physical(name: &str) -> String {
    format!("hiring-integrations-{}-{name}", deploy::STAGE)
}

fn platform(site: &Site) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(site.state.join("logs")) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.strip_suffix(".log").map(str::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// Saves the logs of all functions as files, because they live in the emulator. Best effort: it runs after a failure.
pub(crate) async fn collect(site: &Site) {
    if !daemons::is_running(site, services::EMULATOR) {
        return;
    }
    let (Ok(functions), Ok(mut command)) = (site.functions(), python::script(site, "stack.py")) else { return };
    command.args(["collect", "--folder"]).arg(site.state.join("logs/functions"));
    command.args(functions.iter().map(|name| physical(name)));
    // What cannot be saved is no reason to hide the failure that comes after this.
    let _ = processes::log("saving the logs of the functions", command, &site.log("collect")).await;
}
