"""tokens.py PORT FOLDER: a token server like that of a private Azure registry, over TLS on loopback.

Whoever signs in with Basic credentials as Docker's clients do gets a token for what he asks for; nobody else does. FOLDER has `tls.crt`
and `tls.key`, which also sign the tokens, and `credential`, the name and password in base64.
"""
import base64
import json
import ssl
import subprocess
import sys
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer

port, folder = sys.argv[1:]
with open(f"{folder}/credential") as file:
    credential = "Basic " + file.read().strip()
with open(f"{folder}/tls.crt") as file:
    certificate = base64.b64encode(ssl.PEM_cert_to_DER_cert(file.read())).decode()


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(service, scopes):
    access = []
    for scope in scopes:
        kind, name, actions = scope.split(":")
        access.append({"type": kind, "name": name, "actions": actions.split(",")})
    now = int(time.time())
    claims = {"iss": "tests", "sub": "agent", "aud": service, "nbf": now - 5, "exp": now + 300, "access": access}
    header = {"typ": "JWT", "alg": "RS256", "x5c": [certificate]}
    text = b".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    sign = ["openssl", "dgst", "-sha256", "-sign", f"{folder}/tls.key"]
    return (text + b"." + encode(subprocess.run(sign, input=text, stdout=subprocess.PIPE, check=True).stdout)).decode()


class Tokens(BaseHTTPRequestHandler):
    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        known = self.headers.get("Authorization") == credential
        body = {"access_token": token(query["service"][0], query.get("scope", []))} if known else {}
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


server = HTTPServer(("127.0.0.1", int(port)), Tokens)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
