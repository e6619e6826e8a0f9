"""Answers over HTTP as a peer sends them: whole ones, to be cut and damaged by tests."""

from __future__ import annotations

from tests.influx.msgpack import document, packed, series

# Two tables, as a raw read is answered; each row is a whole one.
ANSWER = (
    b"#datatype,string,long,dateTime:RFC3339,double,string,string\r\n"
    b"#group,false,false,false,false,true,true\r\n"
    b"#default,_result,,,,,\r\n"
    b",result,table,_time,_value,_field,k\r\n"
    b",,0,2026-01-01T00:00:00Z,1,v,a\r\n"
    b",,0,2026-01-01T00:00:01Z,2,v,a\r\n"
    b",,1,2026-01-01T00:00:00Z,3,v,b\r\n"
    b"\r\n"
)

# One row, as a query is answered.
ONE_ROW = (
    b"#datatype,string,long,dateTime:RFC3339,double\r\n"
    b"#group,false,false,false,false\r\n"
    b"#default,_result,,,\r\n"
    b",result,table,_time,_value\r\n"
    b",,0,2026-01-01T00:00:00Z,1.5\r\n"
    b"\r\n"
)

# ANSWER in msgpack, as InfluxQL is answered: two series, in two pieces.
SERIES = packed(
    {
        "results": [
            {
                "statement_id": 0,
                "series": [
                    series(["time", "v"], [1_767_225_600 * 10**9, 1.0], [1_767_225_601 * 10**9, 2.0], k="a")
                ],
                "partial": True,
            }
        ]
    }
) + document(series(["time", "v"], [1_767_225_600 * 10**9, 3.0], k="b"))

GZIPPED = b"\r\nContent-Encoding: gzip\r\n"  # behind a status line
NO_CONTENT = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


def http(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """Give an HTTP answer with its length."""
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {size}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """Give an HTTP answer in chunks."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end
