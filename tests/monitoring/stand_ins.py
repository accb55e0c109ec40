"""What stands around the scaler where it is monitored in earnest, as far as it asks for it: Kubernetes' API server (lists and
watches), a machine's identity endpoint, and KEDA's calls over gRPC. On loopback; the organization is `azp-scaler simulate`.
"""

import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

KINDS = {"scaledjobs": "ScaledJob", "scaledobjects": "ScaledObject", "jobs": "Job", "pods": "Pod"}


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *where):
        # Whoever asked may be gone.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(*where)


def serve(handler):
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


class Kubernetes:
    """Objects by resource, which can only be added. Out of order until it is told otherwise."""

    def __init__(self):
        self.works = False
        self.events = []
        self.changed = threading.Condition()
        world = self

        class Handler(Quiet):
            def do_GET(self):
                if not world.works:
                    return self.send_error(503)
                path = urlsplit(self.path)
                query = parse_qs(path.query)
                resource = path.path.rsplit("/", 1)[1]
                if query.get("watch"):
                    self.watch(resource, int(query["resourceVersion"][0]), int(query["timeoutSeconds"][0]))
                else:
                    with world.changed:
                        items = [thing for of, thing in world.events if of == resource]
                        version = str(len(world.events))
                    kind = KINDS[resource] + "List"
                    if "PartialObjectMetadata" in self.headers.get("accept", ""):
                        kind, items = "PartialObjectMetadataList", [{"metadata": item["metadata"]} for item in items]
                    listed = {"metadata": {"resourceVersion": version}, "items": items}
                    self.answer({"kind": kind, "apiVersion": "v1", **listed})

            def watch(self, resource, seen, seconds):
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("connection", "close")
                self.end_headers()
                deadline = time.monotonic() + seconds
                while (left := deadline - time.monotonic()) > 0:
                    with world.changed:
                        world.changed.wait_for(lambda: len(world.events) > seen, left)
                        news, seen = world.events[seen:], len(world.events)
                    for of, thing in news:
                        if of == resource:
                            self.wfile.write(json.dumps({"type": "ADDED", "object": thing}).encode() + b"\n")

        self.url = serve(Handler)

    def add(self, resource, name, labels=None, **parts):
        with self.changed:
            metadata = {
                "name": name, "namespace": "agents", "uid": name, "labels": labels or {},
                "creationTimestamp": now(), "resourceVersion": str(len(self.events) + 1),
            }
            api = {"pods": "v1", "jobs": "batch/v1"}.get(resource, "keda.sh/v1alpha1")
            self.events.append((resource, {"kind": KINDS[resource], "apiVersion": api, "metadata": metadata, **parts}))
            self.changed.notify_all()

    def agent(self, scaled_job, name):
        """A Kubernetes Job of KEDA's whose pod runs."""
        self.add("jobs", name, {"scaledjob.keda.sh/name": scaled_job}, status={"active": 1})
        state = {"running": {"startedAt": now()}}
        container = {"name": "agent", "image": "", "imageID": "", "ready": True, "restartCount": 0, "state": state}
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": now()}
        labels = {"scaledjob.keda.sh/name": scaled_job, "job-name": name}
        status = {"phase": "Running", "conditions": [scheduled], "containerStatuses": [container]}
        self.add("pods", name, labels, spec={"containers": [{"name": "agent"}]}, status=status)

    def broken(self, scaled_job, name):
        """A Kubernetes Job of KEDA's that has failed."""
        condition = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "it failed"}
        self.add("jobs", name, {"scaledjob.keda.sh/name": scaled_job}, status={"conditions": [condition]})


def identity(token, seconds):
    """A machine's endpoint that gives this token out, for some time."""

    class Handler(Quiet):
        def do_GET(self):
            self.answer({"access_token": token, "expires_in": str(seconds), "token_type": "Bearer"})

    return serve(Handler)


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def ask(address, scaled_job, metadata):
    """What KEDA asks in one poll of a trigger."""
    scaled_object = text(1, scaled_job) + text(2, "agents")
    for key, value in metadata.items():
        scaled_object += field(3, text(1, key) + text(2, value))
    messages = {"GetMetricSpec": scaled_object, "IsActive": scaled_object, "GetMetrics": field(1, scaled_object)}
    for method, message in messages.items():
        command = ["curl", "--silent", "--max-time", "6", "--http2-prior-knowledge", "--output", "/dev/null"]
        headers = ["--header", "content-type: application/grpc", "--header", "te: trailers"]
        url = f"http://{address}/externalscaler.ExternalScaler/{method}"
        frame = b"\0" + len(message).to_bytes(4, "big") + message
        subprocess.run([*command, *headers, "--data-binary", "@-", url], input=frame, check=False)


def field(number, content):
    """A length-delimited field of a protocol buffer."""
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def text(number, content):
    return field(number, content.encode())


def varint(number):
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)
