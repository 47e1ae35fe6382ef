//! Many notifications over the providers with a lookup, each message delivered twice, while providers lose replies and
//! fail: as many mails are accepted as there are notifications, one for each.

use std::time::{Duration, Instant};

use domain::notification::NotificationKind;
use futures::future::join_all;
use futures::stream::{self, StreamExt as _};
use reqwest::Method;
use serde_json::json;

use crate::e2e::harness::claims::{Mailer, Simulator, disturbing_first};
use crate::e2e::harness::stack::{Stack, run};

const PROVIDERS: [&str; 4] = ["sendgrid", "mailgun", "brevo", "gmail"];
/// Notifications of each provider: 1,000 in all, and in the short form 60.
const EACH: usize = 250;
const SHORT: usize = 15;
/// What all of them may take: breakers may open and be waited for, each time for longer, up to a quarter of an hour.
const LONGEST: Duration = Duration::from_secs(1800);

/// Of a hundred calls, lookups included, five lose their reply after the provider did the work, and five end in a 5xx,
/// in some of which the provider has done it, too.
async fn misbehave(stack: &Stack, provider: &str) {
    assert!(stack.control(provider, Method::POST, "/reset", None).await.status.is_success());
    for order in [
        json!({"every": 20, "drop_after_bytes": 0}),
        json!({"every": 40, "after": 7, "status": 503}),
        json!({"every": 40, "after": 13, "status": 504, "acts_first": true}),
    ] {
        let answer = stack.control(provider, Method::POST, "/faults", Some(order)).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }
}

#[test]
fn of_many_notifications_under_faults_each_becomes_one_mail() {
    let _guard = disturbing_first(&PROVIDERS.map(Simulator), &[Mailer]);
    run(async {
        let stack = Stack::open();
        let each = if std::env::var_os("PROVE_LONG").is_some() { EACH } else { SHORT };
        let mut all = Vec::new();
        for provider in PROVIDERS {
            misbehave(&stack, provider).await;
            let tenant = stack.tenant(&[provider]).await;
            let recorded = stream::iter(0..each)
                .map(|_| stack.record_notification(&tenant, NotificationKind::FlagResolved, "many@example.com"))
                .buffered(8)
                .collect::<Vec<_>>()
                .await;
            all.extend(recorded.into_iter().map(|mail| (provider, mail)));
        }
        let begin = Instant::now();
        // Each message twice, and the two far apart, so that different processes have them.
        let jobs: Vec<String> = all.iter().map(|(_, mail)| mail.job()).collect();
        for batch in jobs.chunks(10).chain(jobs.chunks(10)) {
            stack.send_batch("email", batch).await;
        }
        stack.until_empty("email", begin + LONGEST).await;
        let took = begin.elapsed();
        let (mut accepted, mut doubled, mut lost, mut review) = (0, 0, 0, 0);
        for (provider, mail) in &all {
            let (mails, notification) = tokio::join!(stack.mails_at(provider, mail), mail.read(&stack));
            let state = notification["state"].as_str().unwrap_or("?").to_owned();
            accepted += mails;
            doubled += u64::from(mails > 1);
            lost += u64::from(mails == 0);
            review += u64::from(state == "needs_review");
            assert_eq!((mails, state.as_str()), (1, "accepted"), "{provider}: {notification}");
        }
        let faults = join_all(PROVIDERS.map(|provider| stack.control(provider, Method::GET, "/faults", None))).await;
        let hits =
            |at: usize| faults.iter().filter_map(|answer| answer.body["items"][at]["hits"].as_u64()).sum::<u64>();
        let (gone, failed) = (hits(0), hits(1) + hits(2));
        println!(
            "many: notifications={} messages={} accepted={accepted} doubled={doubled} lost={lost} replies_lost={gone} \
             failures={failed} took={took:.0?}",
            all.len(),
            2 * all.len()
        );
        println!("measured: mail_cells=0 mail_doubled={doubled} mail_lost={lost} mail_needs_review={review}");
        assert!(gone > 0 && failed > 0, "nothing went wrong, so nothing was shown");
        for provider in PROVIDERS {
            assert!(stack.control(provider, Method::POST, "/reset", None).await.status.is_success());
        }
    });
}
