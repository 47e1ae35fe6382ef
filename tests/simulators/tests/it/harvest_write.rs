//! What a client may write in Greenhouse: applications, notes and candidates in Harvest, and the job board.

use serde_json::{Value, json};

use crate::{
    call,
    harvest::{basic, ids, stage},
};

#[tokio::test]
async fn applications_are_moved_rejected_and_hired() {
    let stage = stage(200);
    let token = stage.access().await;
    let active = "applications?status=active&prospect=false&per_page=1";
    let row = stage.read(&token, active).await.json()[0].clone();
    let id = row.get("id").and_then(Value::as_u64).unwrap();
    let (job, from) = (row.get("job_id").unwrap(), row.get("job_interview_stage_id").unwrap());
    let stages = stage.all(&token, &format!("job_interview_stages?job_ids={job}&active=true")).await;
    let to = stages.iter().find(|stage| stage.get("id") != Some(from)).unwrap();
    let write = async |verb: &str, body: Value| {
        stage.send("POST", &token, &format!("applications/{id}/{verb}"), &body).await.status.as_u16()
    };
    let now = async || stage.read(&token, &format!("applications?ids={id}")).await.json()[0].clone();
    let body = json!({"from_stage_id": from, "to_stage_id": to.get("id")});
    assert_eq!(write("move", json!({"to_stage_id": to.get("id")})).await, 422);
    assert_eq!(write("move", body.clone()).await, 204);
    assert_eq!(now().await.get("stage_name"), to.get("name"));
    assert_eq!(write("move", body).await, 422, "it is not in that stage any more");
    let passed = stage.all(&token, &format!("application_stages?application_ids={id}&current=true")).await;
    assert_eq!((passed.len(), passed[0].get("job_interview_stage_id")), (1, to.get("id")));
    let reason = stage.read(&token, "rejection_reasons").await.json()[0].get("id").cloned().unwrap();
    assert_eq!(write("reject", json!({})).await, 422);
    assert_eq!(write("reject", json!({"rejection_reason_id": reason})).await, 204);
    assert_eq!(now().await.get("status"), Some(&json!("rejected")));
    let details = stage.read(&token, &format!("rejection_details?application_ids={id}")).await.json();
    assert_eq!(details.pointer("/0/rejection_reason_id"), Some(&reason));
    assert_eq!(write("reject", json!({"rejection_reason_id": reason})).await, 422);
    assert_eq!(write("unreject", Value::Null).await, 204);
    assert_eq!(now().await.get("stage_name"), to.get("name"), "back where it was");
    let openings = stage.all(&token, &format!("openings?job_ids={job}&open=true")).await;
    let opening = openings[0].get("id").unwrap();
    assert_eq!(write("hire", json!({"opening_id": opening})).await, 204);
    assert_eq!(now().await.get("status"), Some(&json!("hired")));
    let opening = stage.read(&token, &format!("openings?ids={opening}")).await.json();
    assert_eq!((opening[0].get("open"), opening[0].get("application_id")), (Some(&json!(false)), Some(&json!(id))));
    assert_eq!(write("fire", Value::Null).await, 404);
    let candidate = row.get("candidate_id").unwrap();
    let note = json!({"candidate_id": candidate, "user_id": 1, "body": "Called.", "visibility": "public"});
    let note = stage.send("POST", &token, "notes", &note).await;
    assert_eq!((note.status.as_u16(), note.json().get("visibility")), (201, Some(&json!("publicly_visible"))));
    let path = format!("candidates/{candidate}");
    let changed = stage.send("PATCH", &token, &path, &json!({"title": "Lead"})).await;
    assert_eq!((changed.status.as_u16(), changed.json().get("title")), (200, Some(&json!("Lead"))));
    assert_eq!(stage.send("DELETE", &token, &path, &Value::Null).await.status, 204);
    assert_eq!(stage.read(&token, &format!("applications?ids={id}")).await.json(), json!([]));
}

#[tokio::test]
async fn the_job_board_takes_json_and_forms() {
    let stage = stage(10);
    let token = stage.access().await;
    let live = ids(&stage.read(&token, "job_posts?active=true&live=true").await)[0];
    let path = format!("/greenhouse/boards/v1/boards/acme/jobs/{live}");
    let key = basic("local-greenhouse-board-acme", "");
    let form = "--xx\r\nContent-Disposition: form-data; name=\"first_name\"\r\n\r\nAda\r\n\
                --xx\r\nContent-Disposition: form-data; name=\"last_name\"\r\n\r\nKing & Co\r\n\
                --xx\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\nada@example.com\r\n--xx--\r\n";
    let json = json!({"first_name": "Ada", "last_name": "King & Co", "email": "ada@example.com"});
    for (kind, body) in [("application/json", json), ("multipart/form-data; boundary=xx", json!(form))] {
        let headers = [("authorization", key.as_str()), ("content-type", kind)];
        let answer = call(&stage.app, "POST", &path, &headers, &body).await;
        assert_eq!((answer.status.as_u16(), answer.text.contains("success")), (200, true), "{}", answer.text);
        let newest = stage.read(&token, "applications?per_page=1").await.json();
        assert_eq!(newest.pointer("/0/job_post_id"), Some(&json!(live)));
        let candidate = newest.pointer("/0/candidate_id").unwrap();
        let person = stage.read(&token, &format!("candidates?ids={candidate}")).await.json();
        assert_eq!(person.pointer("/0/last_name"), Some(&json!("King & Co")));
        assert_eq!(person.pointer("/0/email_addresses/0/value"), Some(&json!("ada@example.com")));
    }
    let headers = [("authorization", key.as_str()), ("content-type", "application/json")];
    let nameless =
        call(&stage.app, "POST", &path, &headers, &json!({"first_name": "A", "email": "a@example.com"})).await;
    assert_eq!((nameless.status.as_u16(), nameless.text.contains("last_name")), (422, true));
    assert_eq!(call(&stage.app, "POST", &path, &[], &json!({})).await.status, 401);
}
