"""Starts MiniStack with the two things that its command line cannot say.

MiniStack fetches the keys of its own user pools at `http://localhost:PORT`, also when it serves TLS there; then no token
is ever valid. And with TLS it also takes port 443 where it may. Neither is wanted on a developer's machine.
"""

import os
import urllib.request

from ministack import app


class OwnGatewayOverTls(urllib.request.BaseHandler):
    """Sends what MiniStack asks of itself in plain HTTP over TLS instead; SSL_CERT_FILE names the CA."""

    handler_order = 100

    def http_request(self, request):
        if request.host == f"localhost:{os.environ['GATEWAY_PORT']}":
            request.full_url = request.full_url.replace("http://", "https://", 1)
        return request


if __name__ == "__main__":
    urllib.request.install_opener(urllib.request.build_opener(OwnGatewayOverTls))
    app._port_is_bindable = lambda host, port: False
    app.main()
