//! Signed calls to the emulator's AWS APIs, for what a test must do behind the product's back: send a message twice, look into
//! a dead-letter queue, invoke a function.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::Method;
use serde_json::{Value, json};

use crate::e2e::harness::stack::{PATIENCE, Stack};

const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";

impl Stack {
    async fn signed(
        &self,
        method: Method,
        service: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, Value) {
        let identity = Credentials::new("test", "test", None, None, "tests").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .expect("signing parameters")
            .into();
        let signable =
            SignableRequest::new(method.as_str(), url, headers.iter().copied(), SignableBody::Bytes(body.as_bytes()))
                .expect("a request that can be signed");
        let (instructions, _) = sign(signable, &params).expect("a signature").into_parts();
        let mut request = self.http.request(method, url).body(body.to_owned());
        for (name, value) in headers.iter().copied().chain(instructions.headers()) {
            request = request.header(name, value);
        }
        let response = request.send().await.expect("an answer of the emulator");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn json_call(&self, service: &str, target: &str, version: &str, body: Value) -> Value {
        let (status, answer) = self.json_answer(service, target, version, body).await;
        assert_eq!(status, 200, "{target}: {answer}");
        answer
    }

    /// The same for a call that may be refused.
    async fn json_answer(&self, service: &str, target: &str, version: &str, body: Value) -> (u16, Value) {
        let content_type = format!("application/x-amz-json-{version}");
        let headers = [("content-type", content_type.as_str()), ("x-amz-target", target)];
        self.signed(Method::POST, service, self.text("/aws_endpoint"), &headers, &body.to_string()).await
    }

    /// Invokes a function and gives its answer, or its error.
    pub(crate) async fn invoke(&self, function: &str, event: &Value) -> Result<Value, Value> {
        let url = format!(
            "{}/2015-03-31/functions/hiring-integrations-local-{function}/invocations",
            self.text("/aws_endpoint")
        );
        let (status, answer) = self
            .signed(Method::POST, "lambda", &url, &[("content-type", "application/json")], &event.to_string())
            .await;
        if status == 200 && answer.get("errorType").is_none() { Ok(answer) } else { Err(answer) }
    }

    /// The environment of a deployed function.
    pub(crate) async fn environment(&self, function: &str) -> Value {
        self.configuration(Method::GET, function, "").await["Environment"]["Variables"].clone()
    }

    /// Replaces the environment of a deployed function, as a new deployment with other parameters would.
    pub(crate) async fn set_environment(&self, function: &str, variables: &Value) {
        let body = json!({"Environment": {"Variables": variables}}).to_string();
        self.configuration(Method::PUT, function, &body).await;
    }

    async fn configuration(&self, method: Method, function: &str, body: &str) -> Value {
        let endpoint = self.text("/aws_endpoint");
        let url = format!("{endpoint}/2015-03-31/functions/hiring-integrations-local-{function}/configuration");
        let (status, answer) = self.signed(method, "lambda", &url, &[("content-type", "application/json")], body).await;
        assert_eq!(status, 200, "{function}: {answer}");
        answer
    }

    /// The names of the secrets of a connection.
    pub(crate) async fn secrets_of(&self, org: &str, connection: &str) -> Vec<String> {
        let path = format!("/hiring-integrations/local/orgs/{org}/connections/{connection}/");
        let answer = self.json_call("ssm", "AmazonSSM.GetParametersByPath", "1.1", json!({"Path": path})).await;
        let names = answer["Parameters"].as_array().cloned().unwrap_or_default();
        let mut names: Vec<String> = names
            .iter()
            .filter_map(|parameter| parameter["Name"].as_str()?.rsplit('/').next().map(str::to_owned))
            .collect();
        names.sort();
        names
    }

    async fn sqs(&self, action: &str, body: Value) -> Value {
        self.json_call("sqs", &format!("AmazonSQS.{action}"), "1.0", body).await
    }

    /// The URL of a queue, by the last part of its name, for example `email` or `email-dlq`.
    pub(crate) async fn queue_url(&self, queue: &str) -> String {
        let name = format!("hiring-integrations-local-{queue}");
        let answer = self.sqs("GetQueueUrl", json!({"QueueName": name, "QueueOwnerAWSAccountId": ACCOUNT})).await;
        answer["QueueUrl"].as_str().expect("a URL").to_owned()
    }

    pub(crate) async fn send_message(&self, queue: &str, body: &str) {
        let url = self.queue_url(queue).await;
        self.sqs("SendMessage", json!({"QueueUrl": url, "MessageBody": body})).await;
    }

    /// Puts an event of SES onto the event bus, as SES does.
    pub(crate) async fn put_event(&self, mut detail: Value) {
        detail["mail"]["tags"]["ses:configuration-set"] = json!(["hiring-integrations-local"]);
        let kind = detail["eventType"].as_str().expect("an event type");
        let entry = json!({"Source": "aws.ses", "DetailType": format!("Email {kind}"), "Detail": detail.to_string()});
        let body = json!({"Entries": [entry]});
        let answer = self.json_call("events", "AWSEvents.PutEvents", "1.1", body).await;
        assert_eq!(answer["FailedEntryCount"], 0, "{answer}");
    }

    /// Sends messages in one call, so that a worker gets them as one batch.
    pub(crate) async fn send_batch(&self, queue: &str, bodies: &[String]) {
        let url = self.queue_url(queue).await;
        let entries: Vec<Value> =
            bodies.iter().enumerate().map(|(at, body)| json!({"Id": format!("m{at}"), "MessageBody": body})).collect();
        let answer = self.sqs("SendMessageBatch", json!({"QueueUrl": url, "Entries": entries})).await;
        assert_eq!(answer["Successful"].as_array().map(Vec::len), Some(bodies.len()), "{answer}");
    }

    /// Waits for a message of a queue whose body is as given, removes it, and gives its attributes.
    pub(crate) async fn take_message(&self, queue: &str, body: &str) -> Value {
        let url = self.queue_url(queue).await;
        let begin = std::time::Instant::now();
        while begin.elapsed() < PATIENCE {
            let answer = self
                .sqs(
                    "ReceiveMessage",
                    json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1,
                           "VisibilityTimeout": 1, "MessageAttributeNames": ["All"]}),
                )
                .await;
            let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
            if let Some(found) = messages.into_iter().find(|message| message["Body"] == body) {
                self.sqs("DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": found["ReceiptHandle"]})).await;
                return found["MessageAttributes"].clone();
            }
        }
        panic!("{queue} does not hold the message {body} after {PATIENCE:?}");
    }

    /// Waits until a queue holds no message, hidden ones included.
    pub(crate) async fn until_empty(&self, queue: &str, deadline: std::time::Instant) {
        while self.messages_in(queue).await > 0 {
            assert!(std::time::Instant::now() < deadline, "messages are left in {queue}");
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }

    /// Sets for how many seconds of the machine a queue hides a message that it hands out.
    pub(crate) async fn set_visibility(&self, queue: &str, seconds: u64) {
        let url = self.queue_url(queue).await;
        let attributes = json!({"VisibilityTimeout": seconds.to_string()});
        self.sqs("SetQueueAttributes", json!({"QueueUrl": url, "Attributes": attributes})).await;
    }

    /// Messages of a queue, hidden and delayed ones included.
    pub(crate) async fn messages_in(&self, queue: &str) -> u64 {
        let url = self.queue_url(queue).await;
        let names = ["", "NotVisible", "Delayed"].map(|which| format!("ApproximateNumberOfMessages{which}"));
        let answer = self.sqs("GetQueueAttributes", json!({"QueueUrl": url, "AttributeNames": &names})).await;
        let count =
            |name: &str| answer["Attributes"][name].as_str().and_then(|n| n.parse::<u64>().ok()).expect("a count");
        names.iter().map(|name| count(name)).sum()
    }

    /// Stores a secret below the prefix of the local stage.
    pub(crate) async fn put_secret(&self, name: &str, value: &str) {
        let name = format!("/hiring-integrations/local/{name}");
        let body = json!({"Name": name, "Value": value, "Type": "SecureString", "Overwrite": true});
        self.json_call("ssm", "AmazonSSM.PutParameter", "1.1", body).await;
    }

    /// Sets a text attribute of an item of the table `control` or `records`.
    pub(crate) async fn set_text(&self, table: &str, (pk, sk): (&str, &str), attribute: &str, value: &str) {
        let body = json!({
            "TableName": self.table(table).await,
            "Key": {"pk": {"S": pk}, "sk": {"S": sk}},
            "UpdateExpression": "SET #a = :v",
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeNames": {"#a": attribute},
            "ExpressionAttributeValues": {":v": {"S": value}},
        });
        self.json_call("dynamodb", "DynamoDB_20120810.UpdateItem", "1.0", body).await;
    }

    /// Sets attributes of an item of the table `control`, which is made where it is missing.
    pub(crate) async fn set_control(&self, (pk, sk): (&str, &str), attributes: &Value) {
        let fields = attributes.as_object().expect("attributes");
        let sets: Vec<String> = fields.keys().map(|name| format!("#{name} = :{name}")).collect();
        let names: serde_json::Map<String, Value> =
            fields.keys().map(|name| (format!("#{name}"), json!(name))).collect();
        let values: serde_json::Map<String, Value> =
            fields.iter().map(|(name, value)| (format!(":{name}"), attribute(value))).collect();
        let body = json!({
            "TableName": self.table("control").await,
            "Key": {"pk": {"S": pk}, "sk": {"S": sk}},
            "UpdateExpression": format!("SET {}", sets.join(", ")),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        });
        self.json_call("dynamodb", "DynamoDB_20120810.UpdateItem", "1.0", body).await;
    }

    /// Writes a record as a function would have left it.
    pub(crate) async fn put_record(&self, item: &Value) {
        let item: serde_json::Map<String, Value> =
            item.as_object().expect("an item").iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
        let body = json!({"TableName": self.table("records").await, "Item": item,
                          "ConditionExpression": "attribute_not_exists(pk)"});
        self.json_call("dynamodb", "DynamoDB_20120810.PutItem", "1.0", body).await;
    }

    /// A record as the table holds it, each attribute with its type.
    pub(crate) async fn record(&self, pk: &str, sk: &str) -> Value {
        self.item("records", pk, sk).await
    }

    /// An item of the table `control` or `records`, each attribute with its type.
    pub(crate) async fn item(&self, table: &str, pk: &str, sk: &str) -> Value {
        let key = json!({"pk": {"S": pk}, "sk": {"S": sk}});
        let body = json!({"TableName": self.table(table).await, "Key": key, "ConsistentRead": true});
        self.json_call("dynamodb", "DynamoDB_20120810.GetItem", "1.0", body).await["Item"].clone()
    }

    /// The same with plain values.
    pub(crate) async fn plain_item(&self, table: &str, pk: &str, sk: &str) -> Value {
        fields(&self.item(table, pk, sk).await)
    }

    /// All records of an organisation.
    pub(crate) async fn records_of(&self, org: &str) -> Vec<Value> {
        let mut body = json!({"TableName": self.table("records").await, "FilterExpression": "begins_with(pk, :org)",
                              "ExpressionAttributeValues": {":org": {"S": format!("ORG#{org}#")}}});
        let mut records = Vec::new();
        loop {
            let page = self.json_call("dynamodb", "DynamoDB_20120810.Scan", "1.0", body.clone()).await;
            records.extend(page["Items"].as_array().into_iter().flatten().map(fields));
            match page.get("LastEvaluatedKey") {
                Some(key) => body["ExclusiveStartKey"] = key.clone(),
                None => return records,
            }
        }
    }

    /// Ends the lease of a connection's worker, unless it is another one than was seen. False when it was.
    pub(crate) async fn end_lease(&self, (org, connection): (&str, &str), seen: &Value) -> bool {
        let body = json!({
            "TableName": self.table("control").await,
            "Key": {"pk": {"S": format!("ORG#{org}#sync")}, "sk": {"S": connection}},
            "UpdateExpression": "SET lease_until = :over",
            "ConditionExpression": "lease_until = :seen",
            "ExpressionAttributeValues": {":over": {"N": "0"}, ":seen": {"N": seen.to_string()}},
        });
        let (status, answer) = self.json_answer("dynamodb", "DynamoDB_20120810.UpdateItem", "1.0", body).await;
        assert!(status == 200 || answer.to_string().contains("ConditionalCheckFailed"), "{answer}");
        status == 200
    }

    /// The name of a table, by a part of it.
    pub(crate) async fn table(&self, part: &str) -> String {
        let answer = self.json_call("dynamodb", "DynamoDB_20120810.ListTables", "1.0", json!({})).await;
        let names = answer["TableNames"].as_array().cloned().unwrap_or_default();
        let found = names.iter().filter_map(Value::as_str).find(|name| name.to_lowercase().contains(part));
        found.unwrap_or_else(|| panic!("no table {part}: {names:?}")).to_owned()
    }
}

/// A JSON value as DynamoDB writes it.
fn attribute(value: &Value) -> Value {
    match value {
        Value::Null => json!({"NULL": true}),
        Value::Bool(value) => json!({"BOOL": value}),
        Value::Number(value) => json!({"N": value.to_string()}),
        Value::String(value) => json!({"S": value}),
        Value::Array(values) => json!({"L": values.iter().map(attribute).collect::<Vec<_>>()}),
        Value::Object(fields) => {
            let fields: serde_json::Map<String, Value> =
                fields.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
            json!({"M": fields})
        }
    }
}

/// The attributes of an item as JSON values; none of an item that is not there.
fn fields(item: &Value) -> Value {
    item.as_object().map_or(Value::Null, |item| {
        Value::Object(item.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
    })
}

/// A value of DynamoDB as JSON writes it.
fn plain(value: &Value) -> Value {
    let (kind, value) = value.as_object().and_then(|typed| typed.iter().next()).expect("a typed value");
    match kind.as_str() {
        "NULL" => Value::Null,
        "N" => serde_json::from_str(value.as_str().expect("a number")).expect("a number"),
        "L" => value.as_array().expect("a list").iter().map(plain).collect(),
        "M" => fields(value),
        _ => value.clone(),
    }
}
