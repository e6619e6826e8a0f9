"""Hostile texts, and which arguments of a class can be given one."""

from __future__ import annotations

import inspect
import re

__all__ = ["TEXTS", "text_arguments"]

TEXTS = {
    "double quote": 'a"b',
    "single quote": "a'b",
    "backslash": "a\\b",
    "backslash at the end": "a\\",
    "backslash before a quote": 'a\\"b',
    "interpolation": "${1+1}",
    "interpolation of a row": "${r._value}",
    "line feed": "a\nb",
    "carriage return and line feed": "a\r\nb",
    "NUL": "a\0b",
    "Flux comment": "a//b",
    "Flux pipe": '") |> drop(columns: ["_value"]) //',
    "Flux condition": 'x" or r._measurement == "canary',
    "Flux second query": '")\nfrom(bucket: "canary") |> range(start: 0) //',
    "line protocol": "a v=9 1\ncanary",
    "line protocol comment": "#a",
    "comma and equals sign": "a,k=canary v",
    "header": "a\r\nX-Injected: 1",
    "query string": "a&bucket=canary#b?c%20",
    "path": "/../../etc/passwd",
    "glob": "*",
    "glob of letters": "[a-z]?",
    "RESP": "a\r\n*1\r\n$8\r\nFLUSHALL\r\n",
    "hash tag": "{canary}",
    "line separators": "a\u2028\u2029\x85b",
    "right to left": "\u202eabc\u202c",
    "escape sequence": "\x1b[31ma",
    "emoji": "😀",
    "half a surrogate pair": "a\ud800b",
    "template": "{{a}} %s {0}",
    "very long": "x" * 10_000,
}

_NO_TEXT = re.compile(r"(int|float|bool|None)( \| (int|float|bool|None))*")


def text_arguments(kind: type) -> set[tuple[str, str]]:
    """Give (method, argument) of all that can be given a text: whatever is no number, switch or nothing."""
    methods = inspect.getmembers(kind, inspect.isroutine)
    return {
        (name, parameter.name)
        for name, method in methods
        if name == "__init__" or not name.startswith("_")
        for parameter in inspect.signature(method).parameters.values()
        if parameter.name != "self" and not _NO_TEXT.fullmatch(str(parameter.annotation))
    }
