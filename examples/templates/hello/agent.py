"""A whole workspace agent in one file of standard-library Python.

It repeats what it is told over A2A, registers with the platform and sends heartbeats when
PLATFORM_URL is set, and leaves a snapshot in the config volume when it is asked to stop.
"""

import hmac
import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BODY_BYTES = 1024 * 1024
MAX_RESPONSE_BYTES = 64 * 1024
MAX_TRANSCRIPT_ENTRIES = 1000
PLATFORM_TIMEOUT_SECONDS = 10


def read_config(path):
    """Reads the part of YAML that config.yaml uses: `key: value`, and one level of nesting."""
    config, section = {}, None
    with open(path, encoding="utf-8") as file:
        for line in file:
            text = line.split(" #", 1)[0].rstrip()
            if not text or text.lstrip().startswith(("#", "-")) or ":" not in text:
                continue
            key, value = (part.strip() for part in text.split(":", 1))
            if text[0] in " \t":
                if section is not None:
                    section[key] = value.strip("'\"")
            elif value:
                config[key], section = value.strip("'\""), None
            else:
                section = config[key] = {}
    return config


def read_port(config):
    a2a = config.get("a2a")
    text = a2a.get("port", "8000") if isinstance(a2a, dict) else "8000"
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= 65535:
        raise ValueError(f"a2a.port must be 1 to 65535, not {text!r}")
    return int(text)


def write_atomically(path, text, mode):
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


class Token:
    """The workspace's bearer token: one line in the config volume, absent until somebody writes it."""

    def __init__(self, path):
        self.path = path
        self.value = self.read()

    def read(self):
        try:
            with open(self.path, encoding="utf-8") as file:
                return file.readline().strip()
        except OSError:
            return ""

    def reload(self):
        self.value = self.read()

    def save(self, value):
        self.value = value
        write_atomically(self.path, value + "\n", 0o600)

    def matches(self, header):
        expected = f"Bearer {self.value}"
        return self.value != "" and hmac.compare_digest(header.encode(), expected.encode())


class Agent:
    def __init__(self, workspace_id, config_dir, config, token):
        self.workspace_id = workspace_id
        self.config_dir = config_dir
        self.name = config.get("name", "hello")
        self.description = config.get("description", "")
        self.version = config.get("version", "0.0.0")
        self.port = read_port(config)
        self.url = f"http://{os.environ.get('HOSTNAME', 'localhost')}:{self.port}"
        self.token = token
        self.started_at = time.monotonic()
        self.lock = threading.Lock()
        self.transcript = []
        self.active_tasks = 0
        self.requests = 0
        self.failures = 0
        self.last_error = ""

    def card(self):
        return {
            "protocolVersion": "0.3.0",
            "name": self.name,
            "description": self.description,
            "url": self.url,
            "preferredTransport": "JSONRPC",
            "version": self.version,
            "capabilities": {"streaming": False, "pushNotifications": False},
            "defaultInputModes": ["text/plain"],
            "defaultOutputModes": ["text/plain"],
            "skills": [
                {
                    "id": "echo",
                    "name": "Echo",
                    "description": "Repeats the text it is sent.",
                    "tags": ["echo"],
                }
            ],
        }

    def answer(self, request):
        """The JSON-RPC response to one decoded request, or None for a notification."""
        if not isinstance(request, dict) or request.get("jsonrpc") != "2.0":
            return rpc_error(None, -32600, "Not a JSON-RPC 2.0 request object.")
        request_id = request.get("id")
        if request_id is not None and not isinstance(request_id, (str, int, float)):
            return rpc_error(None, -32600, "The id must be a string, a number or null.")
        if request.get("method") != "message/send":
            return rpc_error(request_id, -32601, "This agent knows only the method message/send.")
        text = message_text(request.get("params"))
        if text is None:
            return rpc_error(request_id, -32602, "params.message.parts needs at least one text part.")
        with self.lock:
            self.active_tasks += 1
        try:
            result = self.reply(request["params"]["message"], text)
        finally:
            with self.lock:
                self.active_tasks -= 1
        return {"jsonrpc": "2.0", "id": request_id, "result": result} if "id" in request else None

    def reply(self, message, text):
        answer = f"{self.name} heard: {text}"
        context_id = message.get("contextId")
        self.record("user", text)
        self.record("agent", answer)
        return {
            "kind": "message",
            "role": "agent",
            "messageId": str(uuid.uuid4()),
            "contextId": context_id if isinstance(context_id, str) else str(uuid.uuid4()),
            "parts": [{"kind": "text", "text": answer}],
        }

    def record(self, role, text):
        with self.lock:
            self.transcript.append({"role": role, "text": text, "at": time.time()})
            del self.transcript[:-MAX_TRANSCRIPT_ENTRIES]

    def count(self, failed, error=""):
        with self.lock:
            self.requests += 1
            if failed:
                self.failures += 1
                self.last_error = error

    def heartbeat(self):
        with self.lock:
            return {
                "workspace_id": self.workspace_id,
                "error_rate": self.failures / self.requests if self.requests else 0.0,
                "sample_error": self.last_error,
                "active_tasks": self.active_tasks,
                "uptime_seconds": int(time.monotonic() - self.started_at),
                "current_task": "",
            }

    def write_snapshot(self):
        with self.lock:
            entries = list(self.transcript)
        text = json.dumps({"workspace_id": self.workspace_id, "transcript": entries}, indent=2)
        if self.token.value:
            text = text.replace(self.token.value, "***")
        folder = os.path.join(self.config_dir, ".snapshot")
        os.makedirs(folder, mode=0o755, exist_ok=True)
        write_atomically(os.path.join(folder, "transcript.json"), text + "\n", 0o644)


def message_text(params):
    message = params.get("message") if isinstance(params, dict) else None
    parts = message.get("parts") if isinstance(message, dict) else None
    if not isinstance(parts, list):
        return None
    texts = [
        part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)
    ]
    return "\n".join(texts) if texts else None


def rpc_error(request_id, code, message):
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "hello-agent"
    sys_version = ""
    timeout = 30

    def do_GET(self):
        agent = self.server.agent
        path = self.path.split("?", 1)[0]
        if path in ("/.well-known/agent-card.json", "/.well-known/agent.json"):
            self.send_json(200, agent.card())
        elif path == "/health":
            self.send_json(200, {"status": "ok"})
        elif path == "/transcript":
            self.send_transcript(agent)
        else:
            self.send_json(404, {"error": "not found"})

    def do_POST(self):
        body = self.read_body()
        if body is None:
            return
        if self.path.split("?", 1)[0] != "/":
            self.send_json(404, {"error": "not found"})
            return
        try:
            request = json.loads(body)
        except (ValueError, RecursionError):
            response = rpc_error(None, -32700, "The body is not JSON.")
        else:
            response = self.server.agent.answer(request)
        failed = response is not None and "error" in response
        self.server.agent.count(failed, response["error"]["message"] if failed else "")
        if response is None:
            self.send_json(202, {})
        else:
            self.send_json(200, response)

    def read_body(self):
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self.refuse(411, "Content-Length is required")
        elif int(length) > MAX_BODY_BYTES:
            self.refuse(413, "the body is larger than 1 MiB")
        else:
            return self.rfile.read(int(length))
        return None

    def refuse(self, status, reason):
        # The unread body would be taken for the next request on this connection.
        self.close_connection = True
        self.send_json(status, {"error": reason})

    def send_transcript(self, agent):
        if not agent.token.matches(self.headers.get("Authorization", "")):
            self.send_json(401, {"error": "a bearer token of this workspace is required"})
            return
        with agent.lock:
            entries = list(agent.transcript)
        self.send_json(200, {"transcript": entries})

    def send_json(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        path = self.path.split("?", 1)[0] if hasattr(self, "path") else ""
        # Whoever watches health asks every few seconds.
        if path != "/health":
            log(f"{self.command} {path!r} {args[1] if len(args) > 1 else ''}")


class RefuseRedirects(urllib.request.HTTPRedirectHandler):
    """The token must not travel to wherever a redirect points."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        return None


class Platform:
    """Registers once and then says every few seconds that the agent lives. Never fails the agent."""

    def __init__(self, base_url, agent, interval_seconds):
        self.base_url = base_url.rstrip("/")
        self.agent = agent
        self.interval_seconds = interval_seconds
        self.stopped = threading.Event()
        self.registered = False
        self.opener = urllib.request.build_opener(RefuseRedirects)

    def run(self):
        while not self.stopped.is_set():
            if not self.registered:
                self.registered = self.attempt("register", self.register)
            else:
                self.attempt("heartbeat", self.heartbeat)
            self.stopped.wait(self.interval_seconds)

    def attempt(self, what, call):
        try:
            call()
            return True
        except (OSError, ValueError) as error:
            log(f"{what} failed, trying again later: {error}")
            return False

    def register(self):
        agent = self.agent
        answer = self.post(
            "/registry/register",
            {"id": agent.workspace_id, "url": agent.url, "agent_card": agent.card()},
        )
        token = answer.get("auth_token") if isinstance(answer, dict) else None
        if isinstance(token, str) and token:
            agent.token.save(token)
        log("registered with the platform")

    def heartbeat(self):
        try:
            self.post("/registry/heartbeat", self.agent.heartbeat())
        except urllib.error.HTTPError as error:
            if error.code != 401:
                raise
            self.agent.token.reload()
            self.post("/registry/heartbeat", self.agent.heartbeat())

    def post(self, path, value):
        headers = {"Content-Type": "application/json"}
        if self.agent.token.value:
            headers["Authorization"] = f"Bearer {self.agent.token.value}"
        request = urllib.request.Request(
            self.base_url + path, json.dumps(value).encode(), headers, method="POST"
        )
        with self.opener.open(request, timeout=PLATFORM_TIMEOUT_SECONDS) as response:
            return json.loads(response.read(MAX_RESPONSE_BYTES) or b"null")


def log(text):
    print(text, file=sys.stderr, flush=True)


def main():
    workspace_id = os.environ.get("WORKSPACE_ID", "")
    if not workspace_id:
        return "WORKSPACE_ID is not set"
    config_dir = os.environ.get("WORKSPACE_CONFIG_PATH", "/configs")
    config_path = os.path.join(config_dir, "config.yaml")
    try:
        token = Token(os.path.join(config_dir, ".auth_token"))
        agent = Agent(workspace_id, config_dir, read_config(config_path), token)
    except (OSError, ValueError) as error:
        return f"cannot use {config_path}: {error}"

    server = ThreadingHTTPServer(("0.0.0.0", agent.port), Handler)
    server.daemon_threads = True
    server.agent = agent

    def stop(signum, frame):
        log(f"stopping on {signal.Signals(signum).name}")
        # shutdown() waits for the serving loop, which runs in this very thread.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)

    platform = None
    platform_url = os.environ.get("PLATFORM_URL", "")
    if platform_url:
        interval_seconds = float(os.environ.get("HEARTBEAT_INTERVAL_SECONDS", "30"))
        platform = Platform(platform_url, agent, interval_seconds)
        threading.Thread(target=platform.run, daemon=True).start()

    log(f"{agent.name} listens on port {agent.port}")
    server.serve_forever(poll_interval=0.1)
    if platform is not None:
        platform.stopped.set()
    server.server_close()
    try:
        agent.write_snapshot()
    except OSError as error:
        return f"cannot write the snapshot: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main())
