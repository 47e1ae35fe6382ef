"""What `cargo xtask` asks of the local AWS: one subcommand a chore, JSON on standard output.

The credentials and the endpoint come from the environment that xtask sets; they are those of the emulator, never
those of an AWS account.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import boto3
from botocore.config import Config

import routes
import seed as seeding

CONFIG = Config(retries={"max_attempts": 2}, connect_timeout=3, read_timeout=130)


def client(name):
    if "localhost" not in os.environ.get("AWS_ENDPOINT_URL", ""):
        raise SystemExit("AWS_ENDPOINT_URL does not point at this machine; refusing to touch a real account")
    return boto3.client(name, config=CONFIG)


def physical_resources(cloudformation, stack):
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return [item for page in pages for item in page["StackResourceSummaries"]]


def functions(resources):
    return {
        item["LogicalResourceId"]: item["PhysicalResourceId"]
        for item in resources
        if item["ResourceType"] == "AWS::Lambda::Function"
    }


def finish(args):
    """After `sam deploy`: routes, time to live, seeds, tokens, and the files for replaying events by hand."""
    cloudformation = client("cloudformation")
    description = cloudformation.describe_stacks(StackName=args.stack)["Stacks"][0]
    outputs = {item["OutputKey"]: item["OutputValue"] for item in description["Outputs"]}
    parameters = {item["ParameterKey"]: item["ParameterValue"] for item in description["Parameters"]}
    template = cloudformation.get_template(StackName=args.stack, TemplateStage="Processed")["TemplateBody"]
    if isinstance(template, str):
        template = json.loads(template)
    resources = physical_resources(cloudformation, args.stack)

    for name, declared in template["Parameters"].items():
        if declared["Type"] == "CommaDelimitedList":
            parameters[name] = [part.strip() for part in parameters[name].split(",") if part.strip()]
    lambdas = functions(resources)
    arns = {logical: f"arn:aws:lambda:us-east-1:000000000000:function:{name}" for logical, name in lambdas.items()}
    resolver = routes.Resolver(
        "us-east-1",
        "000000000000",
        parameters,
        {item["LogicalResourceId"]: item["PhysicalResourceId"] for item in resources},
        arns,
        {"ServesBrowsers": bool(parameters.get("CorsOrigins"))},
    )
    body = resolver.resolve(template["Resources"]["HttpApi"]["Properties"]["Body"])
    count, changed = routes.ensure_routes(client("apigatewayv2"), outputs["ApiId"], body)

    dynamodb = client("dynamodb")
    expire(dynamodb, template["Resources"], resources)
    clients = {"dynamodb": dynamodb, "ssm": client("ssm"), "cognito-idp": client("cognito-idp")}
    organisations = seeding.seed(clients, outputs, parameters["Stage"])
    environments(client("lambda"), lambdas, Path(args.state))
    return {
        "outputs": outputs,
        "routes": count,
        "routes_changed": changed,
        "orgs": organisations,
        "operator_token": seeding.operator_token(clients, outputs),
        "mail_webhook_secrets": seeding.mail_webhook_secrets(),
        "functions": lambdas,
    }


def expire(dynamodb, template, resources):
    """MiniStack leaves out the time to live of a table that CloudFormation makes."""
    for item in resources:
        wanted = template.get(item["LogicalResourceId"], {}).get("Properties", {}).get("TimeToLiveSpecification")
        if item["ResourceType"] != "AWS::DynamoDB::Table" or not wanted:
            continue
        table = item["PhysicalResourceId"]
        now = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"]
        if now == "DISABLED":
            dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=wanted)


def environments(lambda_, lambdas, state):
    """Writes each function's environment for `cargo lambda invoke --env-file` and `sam local invoke --env-vars`."""
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    shared = {
        "AWS_ACCESS_KEY_ID": os.environ["AWS_ACCESS_KEY_ID"],
        "AWS_SECRET_ACCESS_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
        "AWS_REGION": os.environ["AWS_REGION"],
        "AWS_DEFAULT_REGION": os.environ["AWS_REGION"],
        "AWS_ENDPOINT_URL": endpoint,
        "SSL_CERT_FILE": os.environ["SSL_CERT_FILE"],
    }
    # A container of `sam local` sees this machine as 172.17.0.1 and its function's folder as /var/task.
    inside = {
        **shared,
        "AWS_ENDPOINT_URL": endpoint.replace("localhost", "172.17.0.1"),
        "SSL_CERT_FILE": "/var/task/ca.pem",
    }
    folder = state / "functions"
    folder.mkdir(parents=True, exist_ok=True)
    containers = {}
    for logical, name in lambdas.items():
        own = lambda_.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        short = name.split("-", 3)[3]
        lines = [f"{key}={value}" for key, value in sorted({**own, **shared}.items())]
        (folder / f"{short}.env").write_text("\n".join(lines) + "\n")
        containers[logical] = {
            key: value.replace("//localhost:", "//172.17.0.1:") for key, value in {**own, **inside}.items()
        }
    (state / "sam-env.json").write_text(json.dumps(containers, indent=2, sort_keys=True) + "\n")


def invoke(args):
    answer = client("lambda").invoke(FunctionName=args.function, Payload=args.payload.encode())
    payload = answer["Payload"].read().decode(errors="replace")
    return {"error": answer.get("FunctionError"), "payload": payload}


def warm(args):
    """Calls each function once with an event that asks for nothing, and reads how long its start took."""
    lambda_, logs = client("lambda"), client("logs")
    found = {}
    for name in args.function:
        event = json.dumps(IDLE_EVENTS.get(name.split("-", 3)[3], {"Records": []}))
        began = time.monotonic()
        answer = lambda_.invoke(FunctionName=name, Payload=event.encode())
        elapsed = (time.monotonic() - began) * 1000
        payload = answer["Payload"].read().decode(errors="replace")
        found[name] = {
            "first_ms": round(elapsed, 1),
            "init_ms": init_ms(logs, f"/aws/lambda/{name}"),
            "error": payload[:500] if answer.get("FunctionError") else None,
        }
    return found


def http_event(method, path, route):
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "localhost"},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": "localhost",
            "domainPrefix": "local",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "xtask"},
            "requestId": "warm",
            "routeKey": route,
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1767225600000,
        },
        "isBase64Encoded": False,
    }


# Each is refused or finds nothing to do: an unsigned webhook, a request without a key or token, a batch without messages.
IDLE_EVENTS = {
    "webhook-receiver": {
        **http_event("POST", "/api/webhooks/none/none/none", "POST /api/webhooks/{proxy+}"),
        "pathParameters": {"proxy": "none/none/none"},
        "body": "{}",
    },
    "application-intake": http_event("POST", "/api/external/job-application", "POST /api/external/{proxy+}"),
    "frontend-api": http_event("GET", "/api/jobs", "GET /api/{proxy+}"),
    "health": http_event("GET", "/api/health", "GET /api/health"),
    "sync-scheduler": {"detail-type": "Scheduled Event", "source": "aws.scheduler", "detail": {}},
    "maintenance": {"detail-type": "Scheduled Event", "source": "aws.scheduler", "detail": {}},
}


def init_ms(logs, group):
    """The start time that a function logged itself, of its newest start."""
    try:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        events = [event for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return None
    newest = None
    for event in events:
        if "cold start" not in event["message"]:
            continue
        try:
            line = json.loads(event["message"])
        except ValueError:
            continue
        value = line.get("init_ms", line.get("fields", {}).get("init_ms"))
        newest = value if isinstance(value, (int, float)) else newest
    return newest


def logs(args):
    """Prints the log of one function, and with --follow whatever comes after."""
    cloudwatch = client("logs")
    group = f"/aws/lambda/{args.function}"
    since = int((time.time() - args.minutes * 60) * 1000)
    printed = {}
    while True:
        events = []
        try:
            for page in cloudwatch.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since):
                events.extend(page["events"])
        except cloudwatch.exceptions.ResourceNotFoundException:
            pass
        # Each invocation has a stream of its own, whose lines keep their order.
        position = {}
        for event in sorted(events, key=lambda event: event["timestamp"]):
            stream = event["logStreamName"]
            position[stream] = position.get(stream, 0) + 1
            if position[stream] > printed.get(stream, 0):
                print(event["message"], flush=True)
        printed.update(position)
        if not args.follow:
            return None
        time.sleep(1)


def collect(args):
    """Saves the logs of functions as files."""
    cloudwatch = client("logs")
    folder = Path(args.folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in args.function:
        lines = []
        try:
            pages = cloudwatch.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
            lines = [event["message"] for page in pages for event in page["events"]]
        except cloudwatch.exceptions.ResourceNotFoundException:
            pass
        (folder / f"{name.split('-', 3)[3]}.log").write_text("\n".join(lines) + "\n")


def mail_providers(args):
    """Says who takes an organisation's mail by one write to its record, and answers what was said there before."""
    outputs = client("cloudformation").describe_stacks(StackName=args.stack)["Stacks"][0]["Outputs"]
    table = next(item["OutputValue"] for item in outputs if item["OutputKey"] == "RecordsTableName")
    # Without any the attribute goes, and the choice of the deployment holds again.
    change = {"UpdateExpression": "REMOVE mail_providers"}
    if args.provider:
        providers = {"L": [{"S": provider} for provider in args.provider]}
        change = {
            "UpdateExpression": "SET mail_providers = :providers",
            "ExpressionAttributeValues": {":providers": providers},
        }
    before = client("dynamodb").update_item(
        TableName=table,
        Key={"pk": {"S": f"ORG#{args.organisation}#organisation"}, "sk": {"S": args.organisation}},
        ConditionExpression="attribute_exists(pk)",
        ReturnValues="UPDATED_OLD",
        **change,
    )
    kept = before.get("Attributes", {}).get("mail_providers", {"L": []})
    return [provider["S"] for provider in kept["L"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("finish", help=finish.__doc__)
    command.add_argument("--stack", required=True)
    command.add_argument("--state", required=True)
    command.set_defaults(run=finish)
    command = commands.add_parser("invoke", help="call one function with a payload")
    command.add_argument("--function", required=True)
    command.add_argument("--payload", default="{}")
    command.set_defaults(run=invoke)
    command = commands.add_parser("warm", help=warm.__doc__)
    command.add_argument("function", nargs="+")
    command.set_defaults(run=warm)
    command = commands.add_parser("logs", help=logs.__doc__)
    command.add_argument("--function", required=True)
    command.add_argument("--minutes", type=int, default=60)
    command.add_argument("--follow", action="store_true")
    command.set_defaults(run=logs)
    command = commands.add_parser("collect", help=collect.__doc__)
    command.add_argument("--folder", required=True)
    command.add_argument("function", nargs="+")
    command.set_defaults(run=collect)
    command = commands.add_parser("mail-providers", help=mail_providers.__doc__)
    command.add_argument("--stack", required=True)
    command.add_argument("--organisation", required=True)
    command.add_argument("--provider", action="append", default=[])
    command.set_defaults(run=mail_providers)
    args = parser.parse_args()
    answer = args.run(args)
    if answer is not None:
        json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
