#!/usr/bin/env python3
"""A real SMTP server that keeps what it receives, for the local stack and for tests. It sends nothing anywhere.

SMTP: STARTTLS is required, then AUTH (PLAIN or LOGIN; with --token XOAUTH2, too). With --smtps-port there is a second port
whose first byte is TLS. The reply after the message is `250 2.0.0 Ok: queued as <hex id>`.

HTTP (no authentication, loopback only):
  GET /            JSON list, oldest first: [{to, from, subject, message_id, headers, text, html, received_at, queue_id}]
  GET /?to=ADDR    only the messages to this address
  DELETE /         forgets all messages
  GET /health      200
  POST /faults     adds a fault, 201 {"id"}; unknown fields are refused with 400
  GET /faults      the faults with `remaining` and `hits`
  DELETE /faults   removes all faults

A fault: {"stage": "connect"|"mail"|"rcpt"|"data"|"after_data", "code"?: 400-599, "text"?, "times"?: n or null (until
cleared), "delay_ms"?: n, "drop"?: bool, "to_contains"?: only for messages to such an address (rcpt, data, after_data)}.
`data` refuses the message after its last line; `after_data` has kept the message when it delays, drops the connection or
answers the code, which leaves the sender in doubt. `drop` closes without a reply.
"""

import argparse
import asyncio
import base64
import binascii
import collections
import datetime
import email
import email.policy
import hmac
import ipaddress
import json
import logging
import secrets
import signal
import ssl
import threading
import urllib.parse
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

MESSAGES_MAX = 10_000
FAULTS_MAX = 1_000
BODY_MAX = 1_048_576
DELAY_MAX_MS = 600_000
STAGES = ("connect", "mail", "rcpt", "data", "after_data")
TEXTS = {
    421: "4.3.2 Service not available, closing transmission channel",
    450: "4.2.1 Mailbox unavailable, try again later",
    451: "4.3.0 Requested action aborted: local error in processing",
    452: "4.3.1 Insufficient system storage",
    550: "5.1.1 No such user here",
    552: "5.2.2 Mailbox full",
    554: "5.7.1 Message rejected",
}
FIELDS = {"stage": str, "code": int, "text": str, "times": int, "delay_ms": int, "drop": bool, "to_contains": str}


class Refused(Exception):
    """A control request that cannot be done; the text names the field."""


def checked(fault):
    """The fault with every field set, or Refused."""
    if not isinstance(fault, dict):
        raise Refused("body: must be an object")
    for name, value in fault.items():
        if name not in FIELDS:
            raise Refused(f"{name}: unknown field")
        # A bool is an int in Python, so `isinstance` would take true for a number.
        if value is not None and type(value) is not FIELDS[name]:
            raise Refused(f"{name}: must be {FIELDS[name].__name__}")
    fault = {name: fault.get(name) for name in FIELDS}
    code, text, times, delay = fault["code"], fault["text"], fault["times"], fault["delay_ms"] or 0
    if fault["stage"] not in STAGES:
        raise Refused("stage: must be one of " + ", ".join(STAGES))
    if code is not None and not 400 <= code <= 599:
        raise Refused("code: must be 400 to 599")
    if text is not None and (not text.isascii() or not text.isprintable()):
        raise Refused("text: must be one line of ASCII")
    if times is not None and times < 1:
        raise Refused("times: must be at least 1, or null for until cleared")
    if not 0 <= delay <= DELAY_MAX_MS:
        raise Refused(f"delay_ms: must be 0 to {DELAY_MAX_MS}")
    if code is None and not delay and not fault["drop"]:
        raise Refused("one of code, delay_ms, drop is required")
    if fault["to_contains"] and fault["stage"] in ("connect", "mail"):
        raise Refused("to_contains: the recipient is not known at this stage")
    return fault


class Store:
    """Messages and faults, shared by the SMTP loop and the HTTP threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.messages = collections.deque(maxlen=MESSAGES_MAX)
        self.faults = []
        self.last_id = 0

    def keep(self, message):
        with self.lock:
            self.messages.append(message)

    def list(self, to=None):
        with self.lock:
            messages = list(self.messages)
        if to is None:
            return messages
        return [message for message in messages if to.lower() in (one.lower() for one in message["to"])]

    def clear(self):
        with self.lock:
            self.messages.clear()

    def add_fault(self, fault):
        fault = checked(fault)
        with self.lock:
            self.faults = [one for one in self.faults if one["remaining"] != 0]
            if len(self.faults) >= FAULTS_MAX:
                raise Refused(f"there are {FAULTS_MAX} faults already")
            self.last_id += 1
            self.faults.append({"id": self.last_id, **fault, "remaining": fault["times"], "hits": 0})
            return self.last_id

    def list_faults(self):
        with self.lock:
            return [dict(fault) for fault in self.faults]

    def clear_faults(self):
        with self.lock:
            self.faults.clear()

    def meet(self, stage, recipients=()):
        """The first fault for this stage, counted; None when there is none."""
        with self.lock:
            for fault in self.faults:
                part = (fault["to_contains"] or "").lower()
                meant = not part or any(part in one.lower() for one in recipients)
                if fault["stage"] == stage and fault["remaining"] != 0 and meant:
                    fault["hits"] += 1
                    if fault["remaining"] is not None:
                        fault["remaining"] -= 1
                    return dict(fault)
        return None


def parsed(envelope, queue_id):
    """A received message as `GET /` shows it."""
    message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
    headers = {}
    for name, value in message.items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else str(value)

    def part(kind):
        found = message.get_body((kind,))
        try:
            return None if found is None else found.get_content()
        except LookupError:
            # An unknown charset must not lose the message: the raw text shows what was sent.
            return found.get_payload()

    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "to": list(envelope.rcpt_tos),
        "from": envelope.mail_from,
        "subject": headers.get("Subject"),
        "message_id": headers.get("Message-ID"),
        "headers": headers,
        "text": part("plain"),
        "html": part("html"),
        "received_at": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "queue_id": queue_id,
    }


class Handler:
    """The hooks that aiosmtpd calls; each returns the reply line."""

    def __init__(self, store, time_scale):
        self.store = store
        self.time_scale = time_scale

    async def fault(self, server, stage, recipients=()):
        """Lets a fault happen: its reply line, or None when the session goes on as usual."""
        fault = self.store.meet(stage, recipients)
        if fault is None:
            return None
        await asyncio.sleep((fault["delay_ms"] or 0) / 1000 / self.time_scale)
        if fault["drop"]:
            if server.transport is not None:
                server.transport.abort()
            # The closed connection cancels this task; the sleep only keeps a reply from being tried before that.
            await asyncio.sleep(5)
        code = fault["code"]
        return None if code is None else f"{code} {fault['text'] or TEXTS.get(code, 'Simulated fault')}"

    async def handle_MAIL(self, server, session, envelope, address, mail_options):
        reply = await self.fault(server, "mail")
        if reply is None:
            envelope.mail_from = address
            envelope.mail_options.extend(mail_options)
        return reply or "250 2.1.0 Ok"

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        reply = await self.fault(server, "rcpt", [address])
        if reply is None:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(rcpt_options)
        return reply or "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):
        reply = await self.fault(server, "data", envelope.rcpt_tos)
        if reply is not None:
            return reply
        queue_id = secrets.token_hex(6).upper()
        self.store.keep(parsed(envelope, queue_id))
        reply = await self.fault(server, "after_data", envelope.rcpt_tos)
        return reply or f"250 2.0.0 Ok: queued as {queue_id}"


class Session(SMTP):
    """One connection; it adds the stage that comes before the greeting."""

    async def auth_XOAUTH2(self, _, args):
        try:
            data = base64.b64decode(args[1].encode(), validate=True) if len(args) == 2 else b""
        except binascii.Error:
            return AuthResult(success=False)
        result = self._authenticate("XOAUTH2", data)
        if not result.success:
            # The reason comes as a challenge, which the client answers with an empty line before it is refused.
            await self.challenge_auth(json.dumps({"status": "400", "schemes": "Bearer"}))
        return result

    async def _handle_client(self):
        reply = await self.event_handler.fault(self, "connect")
        if reply is None:
            await super()._handle_client()
            return
        await self.push(reply)
        if self.transport is not None:
            self.transport.close()


def authenticator(user, password, token):
    """Compares in constant time; a wrong pair or token gets 535."""

    def check(server, session, envelope, mechanism, data):
        if mechanism == "XOAUTH2":
            wanted = f"user={user}\x01auth=Bearer {token}\x01\x01".encode()
            good = token is not None and hmac.compare_digest(data, wanted)
        else:
            good = (
                mechanism in ("PLAIN", "LOGIN")
                and isinstance(data, LoginPassword)
                and hmac.compare_digest(data.login, user.encode())
                and hmac.compare_digest(data.password, password.encode())
            )
        return AuthResult(success=good, handled=False)

    return check


def http_handler(store):
    """The control server's request handler, bound to the store."""

    class Control(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format, *args):
            """Silent: the list of messages is the log."""

        def answer(self, status, value=None):
            body = b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            if value is not None:
                self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            url = urllib.parse.urlsplit(self.path)
            if url.path == "/":
                to = urllib.parse.parse_qs(url.query).get("to")
                self.answer(200, store.list(to[0] if to else None))
            elif url.path == "/faults":
                self.answer(200, {"items": store.list_faults()})
            elif url.path == "/health":
                self.answer(200, {"status": "ok"})
            else:
                self.answer(404, {"error": "unknown path"})

        def do_DELETE(self):
            work = {"/": store.clear, "/faults": store.clear_faults}.get(urllib.parse.urlsplit(self.path).path)
            if work is None:
                self.answer(404, {"error": "unknown path"})
            else:
                work()
                self.answer(204)

        def do_POST(self):
            length = self.headers.get("Content-Length", "")
            if not length.isdigit() or int(length) > BODY_MAX:
                self.close_connection = True
                self.answer(413, {"error": f"body: Content-Length must be 0 to {BODY_MAX}"})
                return
            body = self.rfile.read(int(length))
            if urllib.parse.urlsplit(self.path).path != "/faults":
                self.answer(404, {"error": "unknown path"})
                return
            try:
                self.answer(201, {"id": store.add_fault(json.loads(body))})
            except ValueError as error:
                self.answer(400, {"error": f"body: {error}"})
            except Refused as error:
                self.answer(400, {"error": str(error)})

    return Control


def loopback(text):
    if not ipaddress.ip_address(text).is_loopback:
        raise argparse.ArgumentTypeError("must be a loopback address: the control has no authentication")
    return text


async def serve(arguments):
    # aiosmtpd warns about its own use of a deprecated field at every login.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    # And about AUTH without STARTTLS, which it does not see to be over TLS already.
    warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS")
    store = Store()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(arguments.cert, arguments.key)
    loop = asyncio.get_running_loop()

    offered = arguments.mechanisms.split(",") + ([] if arguments.token is None else ["XOAUTH2"])

    def session(implicit=False):
        return Session(
            Handler(store, arguments.time_scale),
            loop=loop,
            hostname="smtp-sink.localhost",
            ident="ESMTP ready",
            # Where TLS came first there is nothing to start.
            tls_context=None if implicit else context,
            require_starttls=not implicit,
            auth_required=True,
            auth_require_tls=not implicit,
            auth_exclude_mechanism=[name for name in ("PLAIN", "LOGIN", "XOAUTH2") if name not in offered],
            authenticator=authenticator(arguments.user, arguments.password, arguments.token),
            enable_SMTPUTF8=True,
        )

    smtp = await loop.create_server(session, arguments.host, arguments.smtp_port)
    smtps = None
    if arguments.smtps_port is not None:
        smtps = await loop.create_server(lambda: session(implicit=True), arguments.host, arguments.smtps_port, ssl=context)
    http = ThreadingHTTPServer((arguments.host, arguments.http_port), http_handler(store))
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, daemon=True).start()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ports = smtp.sockets[0].getsockname()[1], http.server_address[1]
    tls = "" if smtps is None else f", TLS on {arguments.host}:{smtps.sockets[0].getsockname()[1]}"
    print(f"smtp sink listens on {arguments.host}:{ports[0]}, mailbox on http://{arguments.host}:{ports[1]}{tls}", flush=True)
    await stop.wait()
    smtp.close()
    if smtps is not None:
        smtps.close()
    http.shutdown()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--smtp-port", type=int, required=True, help="port of the SMTP server; 0 lets the system choose")
    parser.add_argument("--smtps-port", type=int, help="port with TLS from the first byte; without it there is none")
    parser.add_argument("--http-port", type=int, required=True, help="port of the mailbox; 0 lets the system choose")
    parser.add_argument("--host", type=loopback, default="127.0.0.1", help="loopback address (default %(default)s)")
    parser.add_argument("--cert", required=True, help="PEM file of the certificate")
    parser.add_argument("--key", required=True, help="PEM file of its private key")
    parser.add_argument("--user", required=True, help="user name that AUTH accepts")
    parser.add_argument("--password", required=True, help="its password")
    parser.add_argument("--token", help="access token that AUTH XOAUTH2 accepts; without it XOAUTH2 is not offered")
    parser.add_argument("--time-scale", type=int, default=1, help="a delay of a second takes so many times less")
    parser.add_argument("--mechanisms", default="PLAIN,LOGIN", help="what else AUTH offers (default %(default)s)")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
