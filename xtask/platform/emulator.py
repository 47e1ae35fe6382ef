"""Starts MiniStack with the four things that its command line cannot say.

MiniStack fetches the keys of its own user pools at `http://localhost:PORT`, also when it serves TLS there; then no token
is ever valid. And with TLS it also takes port 443 where it may. Neither is wanted on a developer's machine.

And its functions call AWS through the proxy that counts their calls (`tests/simulators/src/calls.rs`), each with its name
as execution environment, which the SDK puts into its user agent.

And its SES tells nothing over the event bus, where only AWS itself may use the source `aws.ses`: here everybody may, so that
a test can stand in for it.
"""

import os
import urllib.request

from ministack import app
from ministack.services import eventbridge, lambda_svc


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


if __name__ == "__main__":
    eventbridge._put_events = put_events_of_anybody
    lambda_svc._provided_worker_env = environment_of_a_function
    urllib.request.install_opener(urllib.request.build_opener(OwnGatewayOverTls))
    app._port_is_bindable = lambda host, port: False
    app.main()
