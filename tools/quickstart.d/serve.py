#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An HTTPS server for the quick start: image discovery (appc spec, "Meta Discovery") and the files it leads to.

serve.py DIRECTORY CERTIFICATE KEY READY_FILE: listens on 127.0.0.1:443 and writes READY_FILE once it does.
"""
import http.server
import pathlib
import ssl
import sys
import urllib.parse

directory, certificate, key, ready = sys.argv[1:5]
PAGE = """<!DOCTYPE html><html><head>
<meta name="ac-discovery" content="example.test/tools https://example.test/images/{name}-{version}-{os}-{arch}.{ext}">
<meta name="ac-discovery-pubkeys" content="example.test/tools https://example.test/signing-key.asc">
</head><body>Images of example.test</body></html>
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        query = urllib.parse.urlsplit(self.path)
        if "ac-discovery=1" not in query.query:
            return super().do_GET()
        body = PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def make_handler(*arguments):
    return Handler(*arguments, directory=directory)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = ssl.TLSVersion.TLSv1_2
context.load_cert_chain(certificate, key)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 443), make_handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
pathlib.Path(ready).write_text("ready\n")
server.serve_forever()
