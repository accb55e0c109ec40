"""Entra, as far as workload identity needs it: whoever shows a token of a service account gets the organization's token for an
hour. entra.py FOLDER, which holds entra.crt, entra.key and token."""

import http.server
import json
import pathlib
import ssl
import sys
import urllib.parse

folder = pathlib.Path(sys.argv[1])


class Entra(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        right = form.get("client_assertion", [""])[0].count(".") == 2 and self.path.endswith("/oauth2/v2.0/token")
        answer = {"token_type": "Bearer", "expires_in": 3600, "access_token": (folder / "token").read_text().strip()}
        body = json.dumps(answer if right else {"error": "invalid_client", "error_description": "no assertion"}).encode()
        self.send_response(200 if right else 401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 8443), Entra)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder / "entra.crt", folder / "entra.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
