# SPDX-License-Identifier: Apache-2.0
"""Damaged JSON documents and what Python's parser, held to our rules, says of them (test J12).

usage: json_oracle.py SEED COUNT FILE...    The files are documents to start from.
Writes per document: "<accepted> <bytes of document> <bytes of Python's rewriting>\\n", then both texts.
"""
import json
import random
import sys

BITS = [b"\\u0000", b"\\ud800", b"\\udc00", b"\xff", b"\xc3\xa9", b"0", b"-", b"e", b".", b",", b":", b'"', b"{", b"}",
        b"[", b"]", b"\x00", b" ", b"\\", b"/", b"\t", b"\x1f", b"NaN", b"9" * 19, b"9" * 20, b"-0", b"1e400",
        b"\xef\xbb\xbf", b"\\/", b"\\x", b"'", b"\x7f", b"\xc2\x85", b"\x0b", b"\x0c", b"\r\n"]
SEEDS = [b'{"a":[1,-2.5e3,"x\\u00e9\\ud83d\\ude00\\n",true,false,null,{"b":{}}]}',
         b"[0,-1,1e5,1E-5,0.5,9223372036854775807]", b"[" * 32 + b"]" * 32]


def pairs(members):
    if len({key for key, _ in members}) != len(members):
        raise ValueError("duplicate key")
    return dict(members)


def integer(text):
    value = int(text)
    if text == "-0" or not -2**63 <= value < 2**63:
        raise ValueError("integer")
    return value


def fraction(text):
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("float")
    return value


def constant(_):
    raise ValueError("NaN or Infinity")


def check(value, depth):
    if isinstance(value, str):
        value.encode("utf-8")  # refuses lone surrogates
        if "\0" in value:
            raise ValueError("NUL")
    elif isinstance(value, (list, dict)):
        if depth == 32:
            raise ValueError("depth")
        for member in value:
            check(member, depth + 1)
        if isinstance(value, dict):
            check(list(value.values()), depth)


def rewritten(document):
    text = document.decode("utf-8")
    if text.startswith("\ufeff"):
        raise ValueError("BOM")
    value = json.loads(text, object_pairs_hook=pairs, parse_int=integer, parse_float=fraction, parse_constant=constant)
    check(value, 0)
    return json.dumps(value).encode()


def damaged(document):
    text = bytearray(document)
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(text) + 1)
        kind = random.random()
        if kind < 0.5:
            text[at:at] = random.choice(BITS)
        elif kind < 0.8:
            del text[at:at + random.randint(1, 3)]
        else:
            text[at:at + 1] = random.choice(BITS)
    return bytes(text)


def main():
    random.seed(int(sys.argv[1]))
    files = []
    for path in sys.argv[3:]:
        with open(path, "rb") as file:
            files.append(file.read())
    for _ in range(int(sys.argv[2])):
        document = damaged(random.choice(SEEDS if random.random() < 0.7 else files or SEEDS))
        try:
            accepted, text = 1, rewritten(document)
        except (ValueError, RecursionError):
            accepted, text = 0, b""
        sys.stdout.buffer.write(b"%d %d %d\n" % (accepted, len(document), len(text)) + document + text)


main()
