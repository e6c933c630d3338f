#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A web server that breaks one rule per path, for the tests of airlock-fetch.

evil_httpd.py DIR [--fixed]: DIR holds the certificates of make_test_ca.sh.  Listens on every address: ports 443, 80,
8443 … with --fixed (in a network namespace of the test's own), else on ports that the kernel picks.  With --fixed it
is the name server of that namespace, too: dns.example is 127.0.0.1, nothing else exists.  When it listens it writes DIR/ports ("NAME PORT" per line).  Every request is one JSON line in DIR/requests.
"""
import json
import os
import socket
import ssl
import sys
import threading
import time

sys.dont_write_bytecode = True
import evil_registry  # noqa: E402

CHUNK = 64 * 1024
IMAGE = b"".join(i.to_bytes(4, "big") for i in range(256 * 1024))  # 1 MiB
TAG = '"version-1"'
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"

lock = threading.Lock()
counts = {}
log_file = None


def count(key):
    """How often this was asked for before."""
    with lock:
        counts[key] = counts.get(key, 0) + 1
        return counts[key] - 1


class Request:
    def __init__(self, connection, port, text, body=b""):
        self.connection = connection
        self.body = body
        lines = text.split("\r\n")
        self.method, self.target, _ = lines[0].split(" ", 2)
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            if name:
                self.headers[name.strip().lower()] = value.strip()
        self.path, _, self.query = self.target.partition("?")
        with lock:
            log_file.write(json.dumps({"port": port, "target": self.target, "headers": self.headers}) + "\n")
            log_file.flush()

    def send(self, data):
        self.connection.sendall(data)

    def head(self, status, *fields):
        lines = ["HTTP/1.1 %s" % status, *fields, "Connection: close", "", ""]
        self.send("\r\n".join(lines).encode())

    def answer(self, status, body=b"", *fields):
        self.head(status, "Content-Length: %d" % len(body), *fields)
        self.send(body)

    def redirect(self, where):
        self.answer("302 Found", b"go away", "Location: " + where, "Set-Cookie: session=canary; Path=/")

    def first_byte(self):
        """Of the range that is asked for; None without one."""
        value = self.headers.get("range", "")
        return int(value[len("bytes="):].rstrip("-")) if value.startswith("bytes=") else None


def rest(request, first, tag=TAG, total=len(IMAGE), claimed=None):
    claimed = first if claimed is None else claimed
    body = IMAGE[first:]
    request.head("206 Partial Content", "Content-Range: bytes %d-%d/%d" % (claimed, total - 1, total),
                 "Content-Length: %d" % len(body), *(["ETag: " + tag] if tag else []))
    request.send(body)


def whole(request, *fields, tag=TAG):
    """A well-behaved server."""
    if request.headers.get("if-none-match") == tag:
        request.head("304 Not Modified", "ETag: " + tag, "Cache-Control: max-age=30")
        return
    first = request.first_byte()
    if first is not None and request.headers.get("if-range") == tag:
        rest(request, first)
        return
    request.answer("200 OK", IMAGE, "ETag: " + tag, "Accept-Ranges: bytes", *fields)


def half(request, *fields):
    request.head("200 OK", "Content-Length: %d" % len(IMAGE), *fields)
    request.send(IMAGE[:len(IMAGE) // 2])


RANGES = ("ETag: " + TAG, "Accept-Ranges: bytes")


def drop(request):
    half(request, *RANGES) if count("drop") == 0 else whole(request)


def drop_changed(request):
    half(request, *RANGES) if count("drop_changed") == 0 else whole(request, tag='"version-2"')


def drop_liar(request):
    """Sends the rest of another version as if it were the one asked for."""
    if count("drop_liar") == 0:
        half(request, *RANGES)
    elif request.first_byte() is not None:
        rest(request, request.first_byte(), tag='"version-2"')
    else:
        whole(request, tag='"version-2"')


def restless(request):
    if request.first_byte() is not None:
        rest(request, request.first_byte(), tag='"version-2"')
    else:
        half(request, *RANGES)


def drop_always(request):
    if request.first_byte() is None:
        half(request, *RANGES)
    else:
        first = request.first_byte()
        request.head("206 Partial Content", "Content-Range: bytes %d-%d/%d" % (first, len(IMAGE) - 1, len(IMAGE)),
                     "ETag: " + TAG)
        request.send(IMAGE[first:first + 1000])
        request.connection.close_hard()


def wrong_range(request):
    if request.first_byte() is None:
        half(request, *RANGES)
    else:
        rest(request, request.first_byte(), claimed=request.first_byte() - 1)


def endless(request):
    request.head("200 OK")
    while True:
        request.send(bytes(CHUNK))


def many_headers(request):
    request.send(b"HTTP/1.1 200 OK\r\n")
    for i in range(100_000):
        request.send(b"X-%d: filler filler filler filler\r\n" % i)
    request.send(b"\r\n")


def long_header(request):
    request.send(b"HTTP/1.1 200 OK\r\nX-Long: ")
    for _ in range(160):
        request.send(b"a" * CHUNK)
    request.send(b"\r\n\r\n")


def continues(request):
    for _ in range(100_000):
        request.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    whole(request)


def hints(request):
    for _ in range(100_000):
        request.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
    whole(request)


def slow_header(request):
    request.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(40):
        time.sleep(5)
        request.send(b"a")


def slow_body(request):
    request.head("200 OK", "Content-Length: 1000")
    for _ in range(40):
        time.sleep(5)
        request.send(b"a")


def many_redirects(request):
    left = int(request.path.split("/")[3])
    request.redirect("/s/redirects/%d/x.aci" % (left - 1)) if left > 0 else whole(request)


def deferred(request):
    if request.path.endswith(".asc"):
        if count("deferred") == 0:
            request.answer("202 Accepted")
        else:
            request.answer("200 OK", b"signature at last")
    else:
        whole(request)


def always_deferred(request):
    request.answer("202 Accepted") if request.path.endswith(".asc") else whole(request)


def gzip_encoded(request):
    request.answer("200 OK", b"\x1f\x8b" + bytes(1000), "Content-Encoding: gzip")


def gzip_transfer(request):
    request.head("200 OK", "Transfer-Encoding: gzip, chunked")
    request.send(b"5\r\n\x1f\x8b\x08\x00\x00\r\n0\r\n\r\n")


def with_length_and_chunks(request):
    request.head("200 OK", "Content-Length: 5", "Transfer-Encoding: chunked")
    request.send(b"a\r\n0123456789\r\n0\r\n\r\n")


def chunked(request):
    request.head("200 OK", "Transfer-Encoding: chunked", "Last-Modified: " + DATE)
    for at in range(0, len(IMAGE), CHUNK):
        request.send(b"%x\r\n%s\r\n" % (len(IMAGE[at:at + CHUNK]), IMAGE[at:at + CHUNK]))
    request.send(b"0\r\n\r\n")


def cut_chunks(request):
    request.head("200 OK", "Transfer-Encoding: chunked")
    request.send(b"%x\r\n%s" % (CHUNK, bytes(100)))


def go(where):
    return lambda request: request.redirect(where)


SCENARIOS = {
    "ok": lambda r: whole(r, "Cache-Control: public, max-age=60"),
    "no-store": lambda r: whole(r, "Cache-Control: max-age=60, no-store"),
    "missing": lambda r: r.answer("404 Not Found\x1b[31m", b"no"),
    "hostile-tag": lambda r: r.answer("200 OK", IMAGE, 'ETag: "a\tb\x7f"'),
    "short": half,
    "two-lengths": lambda r: r.answer("200 OK", b"0123456789", "Content-Length: 5"),
    "length-and-chunks": with_length_and_chunks,
    "word-length": lambda r: r.head("200 OK", "Content-Length: -5"),
    "longer": lambda r: (r.head("200 OK", "Content-Length: 4"), r.send(b"0123456789")),
    "chunked": chunked,
    "cut-chunks": cut_chunks,
    "drop": drop,
    "drop-changed": drop_changed,
    "drop-liar": drop_liar,
    "drop-always": drop_always,
    "drop-no-ranges": lambda r: half(r, "ETag: " + TAG),
    "restless": restless,
    "wrong-range": wrong_range,
    "unasked-part": lambda r: rest(r, 0),
    "bad-part": lambda r: r.answer("206 Partial Content", b"0123", "Content-Range: bytes 1000-2000/500"),
    "unknown-total": lambda r: r.answer("206 Partial Content", b"0123", "Content-Range: bytes 1000-1003/*"),
    "not-satisfiable": lambda r: r.answer("416 Range Not Satisfiable") if r.first_byte() is not None else whole(r),
    "endless": endless,
    "too-large": lambda r: (r.head("200 OK", "Content-Length: 1099511627776"), r.send(bytes(CHUNK))),
    "gzip": gzip_encoded,
    "gzip-transfer": gzip_transfer,
    "many-headers": many_headers,
    "long-header": long_header,
    "continues": continues,
    "hints": hints,
    "loop": go("/s/loop/x.aci"),
    "redirects": many_redirects,
    "to-nowhere": lambda r: r.answer("302 Found"),
    "to-file": go("file:///etc/shadow"),
    "to-gopher": go("gopher://example.com:70/_"),
    "to-ftp": go("ftp://example.com/x.aci"),
    "to-dict": go("dict://example.com:2628/d:x"),
    "to-smb": go("smb://example.com/share/x.aci"),
    "to-data": go("data:text/plain,hello"),
    "to-http": go("http://example.com/s/ok/x.aci"),
    "to-user": go("https://root:toor@good.example/s/ok/x.aci"),
    "to-other-host": go("https://good.example/s/ok/x.aci"),
    "to-machine": go("https://example.com/s/ok/x.aci"),
    "to-machine-number": go("https://2130706433/s/ok/x.aci"),
    "to-link": go("https://link.example/latest/meta-data/"),
    "to-site": go("https://site.example/s/ok/x.aci"),
    "to-dns": go("https://dns.example/s/ok/x.aci"),
    "to-public": go("https://public.example/s/ok/x.aci"),
    "slow-header": slow_header,
    "slow-body": slow_body,
    "deferred": deferred,
    "always-deferred": always_deferred,
    "no-http": lambda r: r.send(b"220 smtp.example.com ESMTP\r\n" * 10),
    "silent": lambda r: None,
}


def meta(prefix, template, name="ac-discovery"):
    return '<meta name="%s" content="%s %s">' % (name, prefix, template)


IMAGES = "https://example.com/images/{name}-{version}-{os}-{arch}.{ext}"
KEYS = "https://example.com/keys/%s.gpg"


def page(head, body="", after_head=""):
    return ("<!DOCTYPE html><html><head><title>t <meta name='ac-discovery'></title>%s</head>%s<body>%s</body></html>"
            % (head, after_head, body)).encode()


TRAP = "https://example.com/trap/{version}.{ext}"
PAGES = {
    "/app": page(meta("example.com/app", IMAGES) + meta("example.com/app", KEYS % "one", "ac-discovery-pubkeys") +
                 meta("example.com", KEYS % "two", "ac-discovery-pubkeys")),
    "/deep": page(meta("example.com/deep", IMAGES)),
    "/other": page(meta("example.com/othe", IMAGES) + meta("example.com/other/thing", IMAGES)),
    "/body": page("", body=meta("example.com/body", TRAP)),
    "/after-head": page("", after_head=meta("example.com/after-head", TRAP)),
    "/comment": page("<!-- " + meta("example.com/comment", TRAP) + " -->"),
    "/script": page("<script>" + meta("example.com/script", TRAP) + "</script><style>" +
                    meta("example.com/script", TRAP) + "</style>"),
    "/template": page("<template>" + meta("example.com/template", TRAP) + "</template><noscript>" +
                      meta("example.com/template", TRAP) + "</noscript>"),
    "/conflict": page(meta("example.com/conflict", IMAGES) + meta("example.com/conflict", TRAP)),
    "/javascript": page(meta("example.com/javascript", "javascript:alert(1)") +
                        meta("example.com/javascript", "file:///etc/shadow")),
    "/plain-template": page(meta("example.com/plain-template", "http://example.com/images/{version}.{ext}")),
    "/unfilled": page(meta("example.com/unfilled", "https://example.com/{color}.{ext}")),
    "/nested": b"<b>" * 170_000,
    "/attributes": b"<html><head><meta" + b" a b c" * 80_000 + b">",
    "/huge": b"<html><head>" + b"<link rel=x>" * 900_000,
    "/rebound": page(meta("public.example/rebound", "https://example.com/s/ok/x.aci?{ext}")),
    "/key-missing": page(meta("example.com/key-missing", KEYS % "none", "ac-discovery-pubkeys")),
    "/key-plain": page(meta("example.com/key-plain", "http://example.com/keys/one.gpg", "ac-discovery-pubkeys")),
    "/key-large": page(meta("example.com/key-large", KEYS % "large", "ac-discovery-pubkeys")),
    "/key-many": page("".join(meta("example.com", KEYS % i, "ac-discovery-pubkeys") for i in range(100))),
}
KEY_FILES = {"/keys/one.gpg": b"first key\n", "/keys/two.gpg": b"second key\n", "/keys/large.gpg": bytes(2 << 20)}


def respond(request, secure):
    if request.query == "ac-discovery=1":
        found = PAGES.get(request.path)
        if request.path == "/http-only" and not secure:
            found = page(meta("example.com/http-only", IMAGES))
        request.answer("200 OK", found, "Content-Type: text/html") if found else request.answer("404 Not Found")
    elif request.path.startswith("/s/"):
        name = request.path.split("/")[2]
        if request.path.endswith(".asc") and "deferred" not in name:
            request.answer("200 OK", b"signature of " + name.encode())
        else:
            SCENARIOS[name](request)
    elif request.path in KEY_FILES:
        request.answer("200 OK", KEY_FILES[request.path])
    elif request.path.startswith("/images/") and request.path.endswith(".aci.asc"):
        request.answer("200 OK", b"signature of an image")
    elif request.path.startswith("/images/"):
        whole(request)
    elif not evil_registry.respond(request, count):
        request.answer("404 Not Found")


class Connection:
    def __init__(self, raw):
        self.raw = raw

    def sendall(self, data):
        self.raw.sendall(data)

    def close_hard(self):
        """Without TLS's close_notify: what a broken network looks like."""
        os.close(self.raw.detach())


def pump(source, sink):
    try:
        while data := source.recv(CHUNK):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def tunnel(raw):
    """A proxy that knows CONNECT."""
    text = b""
    while b"\r\n\r\n" not in text:
        data = raw.recv(4096)
        if not data:
            return
        text += data
    request = Request(Connection(raw), "proxy", text.split(b"\r\n\r\n")[0].decode("latin-1"))
    if request.target.startswith("flood.example"):
        raw.sendall(b"HTTP/1.1 200 Connected\r\n" + b"X-Filler: filler\r\n" * 100_000 + b"\r\n")
        return
    host, _, port = request.target.rpartition(":")
    with socket.create_connection((host, int(port))) as far:
        raw.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        back = threading.Thread(target=pump, args=(far, raw), daemon=True)
        back.start()
        pump(raw, far)
        back.join()


def serve(raw, port, context):
    raw.settimeout(300)
    try:
        if port == "stall":
            time.sleep(60)
            return
        if port == "proxy":
            tunnel(raw)
            return
        stream = context.wrap_socket(raw, server_side=True) if context else raw
        text = b""
        while b"\r\n\r\n" not in text:
            data = stream.recv(4096)
            if not data or (context is None and data.startswith(b"\x16\x03")):
                return  # gone, or TLS where there is none
            text += data
        head, _, body = text.partition(b"\r\n\r\n")
        request = Request(Connection(stream), port, head.decode("latin-1"), body)
        while len(request.body) < int(request.headers.get("content-length", "0")):
            request.body += stream.recv(4096)
        respond(request, context is not None)
        stream.shutdown(socket.SHUT_WR)
        stream.close()
    except (OSError, ValueError, ssl.SSLError):
        pass
    finally:
        raw.close()


def listen(number, context, name):
    listener = socket.create_server(("", number), backlog=64)

    def loop():
        while True:
            raw, _ = listener.accept()
            threading.Thread(target=serve, args=(raw, name, context), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()
    return listener.getsockname()[1]


def answer_names():
    """DNS over UDP, RFC 1035: one question, at most one answer."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))

    def loop():
        while True:
            query, client = server.recvfrom(512)
            end = query.index(b"\0", 12) + 5
            question = query[12:end]
            known = question.startswith(b"\x03dns\x07example\0")
            found = known and question[-4:] == b"\0\x01\0\x01"
            flags = b"\x81\x80" if known else b"\x81\x83"
            reply = query[:2] + flags + b"\0\x01" + (b"\0\x01" if found else b"\0\0") + b"\0\0\0\0" + question
            if found:
                reply += b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04" + bytes([127, 0, 0, 1])
            server.sendto(reply, client)

    threading.Thread(target=loop, daemon=True).start()


def tls(directory, name, old=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(directory, name + ".pem"))
    if old:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def main():
    global log_file
    directory = sys.argv[1]
    fixed = "--fixed" in sys.argv
    log_file = open(os.path.join(directory, "requests"), "w", encoding="utf-8")
    doors = [("https", 443, tls(directory, "good")), ("http", 80, None),
             ("selfsigned", 8443, tls(directory, "selfsigned")), ("expired", 8444, tls(directory, "expired")),
             ("otherhost", 8445, tls(directory, "other")), ("oldtls", 8446, tls(directory, "good", old=True)),
             ("stall", 8447, None), ("proxy", 8448, None)]
    lines = ["%s %d\n" % (name, listen(number if fixed else 0, context, name)) for name, number, context in doors]
    if fixed:
        answer_names()
    partial = os.path.join(directory, "ports.new")
    with open(partial, "w", encoding="utf-8") as ports:
        ports.writelines(lines)
    os.rename(partial, os.path.join(directory, "ports"))
    threading.Event().wait()


main()
