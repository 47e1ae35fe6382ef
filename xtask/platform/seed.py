"""Puts three organisations into a local stack: records, polling, secrets, users, tokens.

Everything is written only where it is missing, so a second run changes nothing that was worked with since; the ID
tokens are fresh each time.
"""

import hashlib
import json
from datetime import datetime, timezone
from pathlib import Path

# The last one has no connections yet.
ORGANISATIONS = {"acme": "Acme Robotics", "globex": "Globex Shipping", "initech": "Initech Payroll"}
UNCONNECTED = "initech"
PASSWORD = "Local-password-1"
SIMULATORS = Path(__file__).resolve().parents[2] / "tests/simulators"
GOOGLE_TEST_KEY = SIMULATORS / "google_test_key.pem"
SENDGRID_TEST_KEY = SIMULATORS / "sendgrid_test_key"
MAILGUN_SIGNING_KEY = "local-mailgun-signing-key"
BREVO_TOKEN = "local-brevo-token"


def seed(clients, outputs, stage):
    """Returns the organisations as `stack.json` shows them, without addresses."""
    prefix = f"/hiring-integrations/{stage}"
    parameter(clients["ssm"], f"{prefix}/gemini/api_key", "local-gemini-key")
    parameter(clients["ssm"], f"{prefix}/mail/smtp_username", "hiring")
    parameter(clients["ssm"], f"{prefix}/mail/smtp_password", "local-smtp-password")
    for provider in ("sendgrid", "mailgun", "brevo"):
        parameter(clients["ssm"], f"{prefix}/mail/{provider}_api_key", f"local-{provider}-key")
    parameter(clients["ssm"], f"{prefix}/mail/gmail_credentials", json.dumps(gmail_credentials()))
    webhook = f"{prefix}/mail/webhook"
    parameter(clients["ssm"], f"{webhook}/sendgrid_public_key", SENDGRID_TEST_KEY.with_suffix(".pub").read_text().strip())
    parameter(clients["ssm"], f"{webhook}/mailgun_signing_key", MAILGUN_SIGNING_KEY)
    parameter(clients["ssm"], f"{webhook}/brevo_token", BREVO_TOKEN)
    return [organisation(clients, outputs, prefix, org, name) for org, name in ORGANISATIONS.items()]


def mail_webhook_secrets():
    """What each mail provider's simulator signs its webhooks with; SendGrid's is the private half of what the product knows."""
    return {
        "sendgrid": SENDGRID_TEST_KEY.read_text().strip(),
        "mailgun": MAILGUN_SIGNING_KEY,
        "brevo": BREVO_TOKEN,
    }


def gmail_credentials():
    """A service account that only the simulator knows; without token_uri, which would name a port of this stack."""
    return {
        "type": "service_account",
        "client_email": "mailer@hiring-integrations-local.iam.gserviceaccount.com",
        "private_key": GOOGLE_TEST_KEY.read_text(),
        "subject": "hiring@example.com",
    }


def operator_token(clients, outputs):
    """The token of a person who may give orders about what all organisations share; of an organisation without records."""
    return id_token(clients["cognito-idp"], outputs, "operator@operations.example", "operations", "operator")


def organisation(clients, outputs, prefix, org, name):
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    records, control = outputs["RecordsTableName"], outputs["ControlTableName"]
    # The same on each stack, so that a recorded event can hold it; a deployment's keys are random.
    api_key = f"hi_{org}_{hashlib.sha256(f'local-api-key-{org}'.encode()).hexdigest()[:32]}"
    key_hash = hashlib.sha256(api_key.encode()).hexdigest()

    def record(kind, sk, **fields):
        item = {"pk": f"ORG#{org}#{kind}", "sk": sk, "v": 1, "id": sk, "created_at": now, "updated_at": now, **fields}
        missing(clients["dynamodb"], records, item)

    record("organisation", org, name=name, notify_email=f"hiring@{org}.example")
    record("api_key", key_hash, name="local")

    seeded = {}
    for key, seed in connections(org).items():
        connection, credentials, webhooks = seed["id"], seed.pop("credentials", None), seed.pop("webhooks", False)
        record("connection", connection, **seed, listed_at=f"{now}#{connection}")
        sync = {"pk": f"ORG#{org}#sync", "sk": connection, "v": 1, "org": org, "connection": connection}
        sync |= {"provider": seed["provider"], "next_at": now, "reason": "new connection"}
        # A paused one is not in the index of what is due until somebody resumes it.
        due = {"due_shard": f"due#{sum(connection.encode()) % 256 % 4}"} if seed["status"] == "active" else {}
        missing(clients["dynamodb"], control, {**sync, **due})
        secrets = f"{prefix}/orgs/{org}/connections/{connection}"
        if credentials:
            parameter(clients["ssm"], f"{secrets}/credentials", json.dumps(credentials))
        webhook_secret = f"local-webhook-secret-{connection}" if webhooks else None
        if webhook_secret:
            parameter(clients["ssm"], f"{secrets}/webhook_secret", webhook_secret)
        seeded[key] = {"id": connection, "provider": seed["provider"], "webhook_secret": webhook_secret}

    return {
        "id": org,
        "token": id_token(clients["cognito-idp"], outputs, f"recruiter@{org}.example", org, "admin"),
        "api_key": api_key,
        "connections": seeded,
    }


def connections(org):
    """One of each kind; the simulators know the account by the organisation's name. Those that ask for much are paused."""
    if org == UNCONNECTED:
        return {}
    return {
        "greenhouse": {
            "id": f"gh-{org}",
            "provider": "greenhouse",
            "status": "active",
            "login": "webhook-only",
            "webhooks": True,
        },
        "bamboohr": {
            "id": f"bamboo-{org}",
            "provider": "bamboohr",
            "status": "active",
            "login": "api-key",
            "account": org,
            "credentials": {"api_key": f"local-bamboohr-key-{org}"},
        },
        "greenhouse-api": {
            "id": f"greenhouse-api-{org}",
            "provider": "greenhouse",
            "status": "paused",
            "login": "client-credentials",
            "account": org,
            "settings": {"user_id": "1"},
            "credentials": {
                "client_id": f"local-greenhouse-{org}",
                "client_secret": f"local-greenhouse-secret-{org}",
            },
            "webhooks": True,
        },
        "lever": {
            "id": f"lever-{org}",
            "provider": "lever",
            "status": "paused",
            "login": "api-key",
            "account": org,
            "credentials": {"api_key": f"local-lever-key-{org}"},
            "webhooks": True,
        },
        "workday": {
            "id": f"workday-{org}",
            "provider": "workday",
            "status": "paused",
            "login": "refresh-token",
            "account": org,
            "settings": {"host": "local.myworkday.com"},
            "credentials": {
                "client_id": "local-workday-client",
                "client_secret": f"local-workday-secret-{org}",
                "refresh_token": f"local-workday-refresh-{org}",
            },
        },
    }


def attribute(value):
    if isinstance(value, dict):
        return {"M": {key: attribute(field) for key, field in value.items()}}
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def missing(dynamodb, table, item):
    encoded = {key: attribute(value) for key, value in item.items()}
    try:
        dynamodb.put_item(TableName=table, Item=encoded, ConditionExpression="attribute_not_exists(pk)")
    except dynamodb.exceptions.ConditionalCheckFailedException:
        pass


def parameter(ssm, name, value):
    ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def id_token(cognito, outputs, email, org, role):
    pool, client = outputs["UserPoolId"], outputs["UserPoolClientId"]
    try:
        cognito.admin_create_user(
            UserPoolId=pool,
            Username=email,
            MessageAction="SUPPRESS",
            UserAttributes=[
                {"Name": "email", "Value": email},
                {"Name": "email_verified", "Value": "true"},
                {"Name": "custom:organisation", "Value": org},
                {"Name": "custom:role", "Value": role},
            ],
        )
    except cognito.exceptions.UsernameExistsException:
        pass
    cognito.admin_set_user_password(UserPoolId=pool, Username=email, Password=PASSWORD, Permanent=True)
    answer = cognito.admin_initiate_auth(
        UserPoolId=pool,
        ClientId=client,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": email, "PASSWORD": PASSWORD},
    )
    if "AuthenticationResult" not in answer:
        raise SystemExit(f"signing in {email} ended in the challenge {json.dumps(answer.get('ChallengeName'))}")
    return answer["AuthenticationResult"]["IdToken"]
