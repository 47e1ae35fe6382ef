//! The SMTP mailer against a real SMTP server: TLS, every way to sign in, and what a failure at each step means.
//!
//! The server is the local stack's, started here on ports of the system's choice. Its authority is trusted by `SSL_CERT_FILE`,
//! which is read once a process: so the dialogues run in a second process of this binary, which has it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use domain::stage::Stage;
use jiff::Timestamp;
use providers::mail::port::{Accepted, Mail, MailError, MailSetup, Mailer};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::e2e::harness::stack::run;
use crate::repo::source::root;

const USER: &str = "hiring";
const PASSWORD: &str = "password-of-the-test";
const REFRESH: &str = "refresh-token-of-the-test";
const PATIENT: Duration = Duration::from_secs(20);
/// Where the second process finds the servers.
const SINKS: &str = "SMTP_TEST_SINKS";

/// A server and its folder, both gone when the test is, however it ends.
struct Sinks {
    folder: PathBuf,
    children: Vec<Child>,
}

impl Drop for Sinks {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
        let _gone = fs::remove_dir_all(&self.folder);
    }
}

impl Sinks {
    /// Starts one and gives its ports: SMTP, mailbox, SMTP over TLS.
    fn start(&mut self, python: &Path, mechanisms: &str) -> Value {
        let token = format!("{}{REFRESH}", simulators::mail::google::TOKEN);
        let mut child = Command::new(python)
            .arg(root().join("tests/simulators/smtp_sink.py"))
            .args(["--smtp-port", "0", "--http-port", "0", "--smtps-port", "0", "--user", USER, "--password", PASSWORD])
            .args(["--mechanisms", mechanisms, "--token", &token, "--cert"])
            .arg(self.folder.join("server.pem"))
            .arg("--key")
            .arg(self.folder.join("server.key"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let output = child.stdout.take().expect("an output");
        self.children.push(child);
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).expect("a line");
        let port = |text: &str| text.rsplit(':').next().and_then(|port| port.trim().parse::<u16>().ok());
        let ports: Vec<u16> = line.split(", ").filter_map(port).collect();
        let [smtp, mailbox, smtps] = ports.as_slice() else { panic!("three ports in {line:?}") };
        json!({"smtp": smtp, "mailbox": mailbox, "smtps": smtps})
    }
}

#[test]
fn every_way_to_hand_a_mail_to_a_relay() {
    if env::var_os(SINKS).is_some() {
        return;
    }
    let tools = env::var_os("PYTHON_TOOLS").map_or_else(|| root().join(".venv"), PathBuf::from);
    let python = tools.join("bin/python");
    let usable = |python: &Path| {
        let import = Command::new(python).args(["-c", "import aiosmtpd, cryptography"]).stderr(Stdio::null()).status();
        import.is_ok_and(|status| status.success())
    };
    if !usable(&python) {
        eprintln!("not run: {} has no aiosmtpd", python.display());
        return;
    }
    let folder = env::temp_dir().join(format!("smtp-{}", uuid::Uuid::new_v4()));
    let mut sinks = Sinks { folder: folder.clone(), children: Vec::new() };
    let made = Command::new(&python).arg(root().join("xtask/platform/certificate.py")).arg(&folder).status();
    assert!(made.expect("Python runs").success(), "the certificate");
    let ports = json!({"any": sinks.start(&python, "PLAIN,LOGIN"), "login": sinks.start(&python, "LOGIN")});
    let dialogues = Command::new(env::current_exe().expect("this binary"))
        .args(["contract::smtp::dialogues", "--exact", "--nocapture"])
        .env("SSL_CERT_FILE", folder.join("ca.pem"))
        .env(SINKS, ports.to_string())
        .output()
        .expect("the second process");
    let said = String::from_utf8_lossy(&dialogues.stdout);
    assert!(
        dialogues.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&dialogues.stderr)
    );
}

/// Runs in the second process only; elsewhere there is nothing to talk to.
#[test]
fn dialogues() {
    let Ok(ports) = env::var(SINKS) else { return };
    let ports: Value = serde_json::from_str(&ports).expect("ports");
    run(async {
        let bench = Bench::new(&ports).await;
        bench.every_way_in_leads_to_the_mailbox().await;
        bench.who_is_not_let_in_sends_nothing().await;
        bench.each_step_of_the_dialogue_has_its_error().await;
        bench.credentials_go_over_no_open_line().await;
    });
}

struct Bench {
    any: Value,
    login: Value,
    http: reqwest::Client,
    tokens: String,
}

/// What differs between two set-ups.
#[derive(Clone, Copy, Default)]
struct Way {
    implicit: bool,
    xoauth2: bool,
}

fn mail() -> Mail {
    let id = uuid::Uuid::new_v4();
    Mail {
        from: "hiring@example.com".into(),
        to: format!("{id}@bücher.example"),
        subject: "Grüße".into(),
        text: "Hello Ada,\n\nGrüße\n".into(),
        html: "<p>Hello</p>".into(),
        message_id: format!("<{id}@example.com>"),
        reference: format!("acme_{id}").parse().expect("a reference"),
        unsubscribe: None,
    }
}

impl Bench {
    async fn new(ports: &Value) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let tokens = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, simulators::app()).await });
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { any: ports["any"].clone(), login: ports["login"].clone(), http, tokens }
    }

    fn mailer(&self, port: &Value, Way { implicit, xoauth2 }: Way) -> Box<dyn Mailer> {
        let setting = |name| match name {
            "SMTP_HOST" => Some("localhost".to_owned()),
            "SMTP_PORT" => Some(port.to_string()),
            "SMTP_TLS" if implicit => Some("implicit".to_owned()),
            "SMTP_AUTH" if xoauth2 => Some("xoauth2".to_owned()),
            _ => None,
        };
        let replacement = Some(self.tokens.as_str());
        let setup = MailSetup { stage: Stage::Local, domain: "example.com", replacement, setting: &setting };
        (providers::mail::smtp::PROVIDER.set_up)(&setup).expect("set up")
    }

    async fn send(&self, port: &Value, way: Way, secret: &str) -> Result<(Mail, Accepted), MailError> {
        self.within(port, way, secret, PATIENT).await
    }

    async fn within(
        &self,
        port: &Value,
        way: Way,
        secret: &str,
        time: Duration,
    ) -> Result<(Mail, Accepted), MailError> {
        let (mail, secrets) = (mail(), [USER, secret].map(SecretString::from));
        let accepted = self.mailer(port, way).send(&mail, &secrets, time, Timestamp::now()).await?;
        Ok((mail, accepted))
    }

    /// The only fault of the one server from now on.
    async fn fault(&self, fault: Value) {
        let url = format!("http://127.0.0.1:{}/faults", self.any["mailbox"]);
        assert!(self.http.delete(&url).send().await.expect("an answer").status().is_success());
        if !fault.is_null() {
            assert!(self.http.post(&url).json(&fault).send().await.expect("an answer").status().is_success());
        }
    }

    async fn mails(&self, sink: &Value) -> Vec<Value> {
        let answer = self.http.get(format!("http://127.0.0.1:{}/", sink["mailbox"])).send().await;
        answer.expect("an answer").json().await.expect("JSON")
    }

    async fn every_way_in_leads_to_the_mailbox(&self) {
        let client = oauth_client(REFRESH);
        let (starttls, implicit) = (Way::default(), Way { implicit: true, xoauth2: false });
        for (sink, port, way, secret) in [
            (&self.any, "smtp", starttls, PASSWORD),
            (&self.any, "smtps", implicit, PASSWORD),
            (&self.login, "smtp", starttls, PASSWORD),
            (&self.login, "smtps", implicit, PASSWORD),
            (&self.any, "smtp", Way { xoauth2: true, ..starttls }, &client),
            (&self.login, "smtps", Way { xoauth2: true, ..implicit }, &client),
        ] {
            let before = self.mails(sink).await.len();
            let (mail, accepted) = self.send(&sink[port], way, secret).await.expect(port);
            let mails = self.mails(sink).await;
            assert_eq!(mails.len(), before + 1);
            let got = mails.last().expect("a mail");
            assert_eq!((&got["from"], &got["subject"]), (&json!(mail.from), &json!(mail.subject)));
            assert_eq!(got["to"], json!([mail.to.replace("bücher", "xn--bcher-kva")]));
            assert_eq!(got["message_id"], mail.message_id);
            assert_eq!(got["headers"]["X-Notification-Id"], mail.reference.notification.to_string());
            assert!(got["text"].as_str().is_some_and(|text| text.contains("Grüße")), "{got}");
            let queue_id = got["queue_id"].as_str().expect("an id");
            assert!(accepted.provider_message_id.contains(queue_id), "{accepted:?}");
        }
    }

    async fn who_is_not_let_in_sends_nothing(&self) {
        let way = |xoauth2| Way { xoauth2, ..Way::default() };
        for (xoauth2, secret) in [
            (false, "wrong".to_owned()),
            (true, oauth_client("another-token")),
            (true, oauth_client("revoked")),
            (true, PASSWORD.to_owned()),
        ] {
            for sink in [&self.any, &self.login] {
                let before = self.mails(sink).await.len();
                let refused = self.send(&sink["smtp"], way(xoauth2), &secret).await;
                assert!(matches!(refused, Err(MailError::Stopped(_))), "{refused:?}");
                let said = format!("{refused:?}");
                assert!(!said.contains(&secret) && !said.contains(PASSWORD), "{said}");
                assert_eq!(self.mails(sink).await.len(), before);
            }
        }
    }

    async fn each_step_of_the_dialogue_has_its_error(&self) {
        /// Whether it is this kind of failure.
        type Wanted = fn(&MailError) -> bool;
        let not_sent: Wanted = |error| matches!(error, MailError::NotSent(_));
        let rejected: Wanted = |error| matches!(error, MailError::Rejected(_));
        let unreachable: Wanted = |error| matches!(error, MailError::Unreachable(_));
        let unknown: Wanted = |error| matches!(error, MailError::Unknown(_));
        for (fault, wanted, arrives) in [
            (json!({"stage": "connect", "code": 421}), unreachable, 0),
            (json!({"stage": "connect", "drop": true}), unreachable, 0),
            (json!({"stage": "mail", "code": 451}), not_sent, 0),
            (json!({"stage": "mail", "drop": true}), unreachable, 0),
            (json!({"stage": "rcpt", "code": 450}), not_sent, 0),
            (json!({"stage": "rcpt", "code": 550}), rejected, 0),
            (json!({"stage": "rcpt", "delay_ms": 60_000}), unreachable, 0),
            (json!({"stage": "data", "code": 451}), not_sent, 0),
            (json!({"stage": "data", "code": 421}), not_sent, 0),
            (json!({"stage": "data", "code": 554}), rejected, 0),
            (json!({"stage": "after_data", "drop": true}), unknown, 1),
            (json!({"stage": "after_data", "delay_ms": 60_000}), unknown, 1),
        ] {
            self.fault(fault.clone()).await;
            let before = self.mails(&self.any).await.len();
            // Short where the server is silent, so that the test is not.
            let time = if fault["delay_ms"].is_null() { PATIENT } else { Duration::from_secs(4) };
            let failed = self.within(&self.any["smtp"], Way::default(), PASSWORD, time).await;
            let failed = failed.expect_err("a failure");
            assert!(wanted(&failed), "{fault}: {failed:?}");
            assert_eq!(self.mails(&self.any).await.len(), before + arrives, "{fault}");
        }
        self.fault(Value::Null).await;
        self.send(&self.any["smtp"], Way::default(), PASSWORD).await.expect("without a fault");
    }

    /// A relay without STARTTLS, or with a foreign certificate, receives no credentials.
    async fn credentials_go_over_no_open_line(&self) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = json!(listener.local_addr().expect("an address").port());
        let heard = tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.expect("a client");
            client.write_all(b"220 open ESMTP\r\n").await.expect("a greeting");
            let (mut heard, mut part) = (Vec::new(), [0; 512]);
            while let Ok(length @ 1..) = client.read(&mut part).await {
                heard.extend_from_slice(&part[..length]);
                if client.write_all(b"250-open\r\n250 AUTH PLAIN LOGIN\r\n").await.is_err() {
                    break;
                }
            }
            String::from_utf8_lossy(&heard).into_owned()
        });
        let refused = self.send(&port, Way::default(), PASSWORD).await;
        assert!(matches!(refused, Err(MailError::Unreachable(_))), "{refused:?}");
        let heard = heard.await.expect("what it heard");
        assert!(heard.starts_with("EHLO") && !heard.contains("AUTH") && !heard.contains("MAIL"), "{heard}");
        // TLS from the first byte is not spoken where STARTTLS is.
        let wrong = Way { implicit: true, xoauth2: false };
        let refused = self.send(&self.any["smtp"], wrong, PASSWORD).await;
        assert!(matches!(refused, Err(MailError::Unreachable(_))), "{refused:?}");
    }
}

fn oauth_client(refresh_token: &str) -> String {
    json!({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": refresh_token})
        .to_string()
}
