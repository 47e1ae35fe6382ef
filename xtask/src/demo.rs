//! `demo`: the six main flows on real input, through the public API of a running stack.

mod client;
mod flow_a;
mod flow_b;
mod flow_c;
mod flow_d;
mod flow_e;
mod flow_f;

use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;

use self::client::Client;
use crate::{
    StateArgs,
    local::{daemons::Daemons, logs, mode::Mode, stack::Stack, up},
    report,
    site::Site,
};

#[derive(Args)]
pub(crate) struct DemoArgs {
    /// Wait for EventBridge Scheduler to start the polling (up to 70 s) instead of starting it at once.
    #[arg(long)]
    wait_for_schedule: bool,
    /// Run the flows against what `sam build` made.
    #[arg(long)]
    sam_build: bool,
    #[command(flatten)]
    site: StateArgs,
}

pub(crate) async fn demo(args: &DemoArgs) -> Result<()> {
    let site = args.site.site()?;
    let _lock = site.lock()?;
    let daemons = Daemons::new(&site);
    let began = Instant::now();
    let stack = up::up(&site, &daemons, &Mode { sam_build: args.sam_build, ..Mode::default() }).await?;
    let outcome = flows(&site, &stack, args.wait_for_schedule).await;
    // From here on the stack stays, also after a failed flow: it holds what one wants to look at.
    daemons.keep();
    if let Err(error) = outcome {
        logs::collect(&site).await;
        return Err(error.context(format!(
            "the demo stopped; the stack is still up, and the logs of the functions are also in {}",
            site.display(&site.state.join("logs/functions"))
        )));
    }
    report::heading(format!("All six flows passed in {}.", report::duration(began.elapsed())));
    stack.explain(&site);
    Ok(())
}

async fn flows(site: &Site, stack: &Stack, wait_for_schedule: bool) -> Result<()> {
    let org = stack.orgs.first().context("the stack has no organisation")?;
    let other = stack.orgs.get(1).context("the stack has no second organisation")?;
    let client = Client::new(stack, org)?;
    let stranger = Client::new(stack, other)?;
    let application = flow_a::run(site, &client, &stranger, org).await?;
    flow_b::run(&client, &application).await?;
    flow_c::run(site, stack, &client, org, wait_for_schedule).await?;
    flow_d::run(&client, &stranger).await?;
    flow_e::run(site, stack, &client, (&stranger, other)).await?;
    flow_f::run(site, stack, &client, org, wait_for_schedule).await
}
