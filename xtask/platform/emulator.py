"""Starts MiniStack with the six things that its command line cannot say.

MiniStack fetches the keys of its own user pools at `http://localhost:PORT`, also when it serves TLS there; then no token
is ever valid. And with TLS it also takes port 443 where it may. Neither is wanted on a developer's machine.

And its functions call AWS through the proxy that counts their calls (`tests/simulators/src/calls.rs`), each with its name
as execution environment, which the SDK puts into its user agent.

And its SES tells nothing over the event bus, where only AWS itself may use the source `aws.ses`: here everybody may, so that
a test can stand in for it.

And its Runtime API writes the head and the body of an answer apart; with Nagle's algorithm the second waits for the
acknowledgement of the first, 44 ms in each invocation.

And its schedules follow the clock of the stack, which `TIME_SCALE` may make faster than the machine's.
"""

import os
import socketserver
import urllib.request

from ministack import app
from ministack.services import eventbridge, lambda_svc, scheduler

TIME_SCALE = int(os.environ.get("TIME_SCALE", "1"))


class OwnGatewayOverTls(urllib.request.BaseHandler):
    """Sends what MiniStack asks of itself in plain HTTP over TLS instead; SSL_CERT_FILE names the CA."""

    handler_order = 100

    def http_request(self, request):
        if request.host == f"localhost:{os.environ['GATEWAY_PORT']}":
            request.full_url = request.full_url.replace("http://", "https://", 1)
        return request


def environment_of_a_function(config, *rest, original=lambda_svc._provided_worker_env):
    environment = original(config, *rest)
    environment["AWS_ENDPOINT_URL"] = os.environ["FUNCTIONS_ENDPOINT_URL"]
    # hiring-integrations-STAGE-NAME
    environment["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + config["FunctionName"].split("-", 3)[-1]
    return environment


def put_events_of_anybody(data, original=eventbridge._put_events):
    return original(data, allow_aws_source=True)


def rate_by_the_clock_of_the_stack(expression, original=eventbridge._parse_rate_seconds):
    seconds = original(expression)
    return seconds and seconds / TIME_SCALE


if __name__ == "__main__":
    scheduler._SCHEDULE_TICK_INTERVAL /= TIME_SCALE
    eventbridge._parse_rate_seconds = rate_by_the_clock_of_the_stack
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True
    eventbridge._put_events = put_events_of_anybody
    lambda_svc._provided_worker_env = environment_of_a_function
    urllib.request.install_opener(urllib.request.build_opener(OwnGatewayOverTls))
    app._port_is_bindable = lambda host, port: False
    app.main()
