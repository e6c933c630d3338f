#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A registry that can be told to fail, for the tests of `airlock fetch` from end to end.

image_httpd.py DIR: serves DIR/www on https://…:443 with DIR/good.pem, in a network namespace of the test's own.  Every
page has discovery tags for example.test, and one for keys where DIR/www/pubkeys.gpg is.  What happens to images is the first word of DIR/behaviour, read anew for each
request: whole; half (the connection breaks there, and whenever the rest is asked for); untagged (the same, from a
server that names no version); hold (half, then silence until the file says something else).  Writes DIR/ready when it
listens; every request is a line "PATH RANGE IF-NONE-MATCH" in DIR/requests.
"""
import hashlib
import os
import pathlib
import socket
import ssl
import sys
import threading
import time

directory = pathlib.Path(sys.argv[1])
PAGE = b"""<!DOCTYPE html><html><head>
<meta name="ac-discovery" content="example.test https://example.test/images/{name}-{version}-{os}-{arch}.{ext}">
%s</head><body>Images</body></html>
"""
KEYS = b"""<meta name="ac-discovery-pubkeys" content="example.test https://example.test/pubkeys.gpg">
"""
lock = threading.Lock()


def behaviour():
    return (directory / "behaviour").read_text().split()[0]


class Answer:
    def __init__(self, stream, path, headers):
        self.stream, self.path, self.headers = stream, path, headers

    def send(self, status, fields, body=b""):
        lines = ["HTTP/1.1 " + status, "Connection: close", *fields, "", ""]
        self.stream.sendall("\r\n".join(lines).encode() + body)

    def allowed(self):
        """Where DIR/credentials is, its line has to come with every request."""
        wanted = directory / "credentials"
        return not wanted.exists() or self.headers.get("authorization") == wanted.read_text().strip()

    def file(self):
        """What the path leads to; None when there is nothing."""
        found = (directory / "www" / self.path.lstrip("/")).resolve()
        inside = found.is_relative_to(directory / "www") and found.is_file()
        return found.read_bytes() if inside else None

    def give(self):
        """True when the connection is to be broken instead of closed."""
        path, _, query = self.path.partition("?")
        self.path = path
        if not self.allowed():
            self.send("401 Unauthorized", ["Content-Length: 0", 'WWW-Authenticate: Basic realm="images"'])
            return False
        if query == "ac-discovery=1":
            keys = KEYS if (directory / "www" / "pubkeys.gpg").exists() else b""
            page = PAGE.replace(b"%s", keys)
            self.send("200 OK", ["Content-Length: %d" % len(page), "Content-Type: text/html"], page)
            return False
        body = self.file()
        if body is None:
            self.send("404 Not Found", ["Content-Length: 0"])
            return False
        if not path.endswith(".aci"):
            self.send("200 OK", ["Content-Length: %d" % len(body)], body)
            return False
        return self.image(body)

    def image(self, body):
        how = behaviour()
        tag = '"%s"' % hashlib.sha256(body).hexdigest()[:16]
        fields = [] if how == "untagged" else ["ETag: " + tag, "Accept-Ranges: bytes"]
        if self.headers.get("if-none-match") == tag:
            self.send("304 Not Modified", fields)
            return False
        first = 0
        if "range" in self.headers and self.headers.get("if-range") == tag:
            first = int(self.headers["range"].removeprefix("bytes=").rstrip("-"))
        fields.append("Content-Length: %d" % (len(body) - first))
        if first > 0:
            fields.append("Content-Range: bytes %d-%d/%d" % (first, len(body) - 1, len(body)))
        status = "206 Partial Content" if first > 0 else "200 OK"
        if how == "whole":
            self.send(status, fields, body[first:])
            return False
        middle = max(first, len(body) // 2)
        self.send(status, fields, body[first:middle])
        if how == "hold":
            while behaviour() == "hold":
                time.sleep(0.02)
            self.stream.sendall(body[middle:])
            return False
        return True


def serve(raw, context):
    raw.settimeout(60)
    try:
        stream = context.wrap_socket(raw, server_side=True)
        text = b""
        while b"\r\n\r\n" not in text:
            data = stream.recv(4096)
            if not data:
                return
            text += data
        first, *lines = text.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        path = first.split(" ")[1]
        with lock, open(directory / "requests", "a", encoding="utf-8") as log:
            log.write("%s %s %s\n" % (path, headers.get("range", "-"), headers.get("if-none-match", "-")))
        if Answer(stream, path, headers).give():
            os.close(stream.detach())  # without TLS's close_notify
            return
        stream.shutdown(socket.SHUT_WR)
        stream.close()
    except (OSError, ValueError):
        pass
    finally:
        raw.close()


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "good.pem")
    listener = socket.create_server(("127.0.0.1", 443), backlog=64)
    (directory / "ready").write_text("ready\n")
    while True:
        raw, _ = listener.accept()
        threading.Thread(target=serve, args=(raw, context), daemon=True).start()


main()
