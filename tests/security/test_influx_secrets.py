"""The token of an `InfluxManager` is shown nowhere: in no repr, log, error, warning or address."""

from __future__ import annotations

import html
import http.client
import json
import logging
import urllib.parse
import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from db_core.errors import ConfigurationError, DatabaseError, QueryError
from db_influx import InfluxManager
from tests.peer import silence
from tests.security import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.peer import Peer, Turn
    from tools import servers

SECRET = "hunter2-hunter2-hunter2"
FRAME = pd.DataFrame({"v": [1.5]}, index=pd.DatetimeIndex(["2026-01-01"]))
CALLS: dict[str, Callable[[InfluxManager], Any]] = {
    "read": lambda manager: manager.read("2026-01-01", "2026-01-09", "m", "v", "b", interval=None),
    "query_batches": lambda manager: list(manager.query_batches("buckets()")),
    "write": lambda manager: manager.synchronous_write("b", FRAME, "m"),
    "create_bucket": lambda manager: manager.create_bucket("b"),
    "delete": lambda manager: manager.delete("b", "2026-01-01", "2026-01-02"),
    "get_query_api": lambda manager: manager.get_query_api().query("buckets()"),
    "get_write_api": lambda manager: manager.get_write_api().write(
        "b", record=FRAME, data_frame_measurement_name="m"
    ),
    "get_buckets_api": lambda manager: manager.get_buckets_api().find_buckets(),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def answer(status: str, body: bytes, *headers: str) -> bytes:
    """Give an answer after which the peer hangs up."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


ECHO = f"Your request was: Authorization: Token {SECRET}".encode()
ANSWERS: dict[str, Turn] = {
    "401": answer("401 Unauthorized", b'{"code":"unauthorized","message":"unauthorized access"}'),
    "404": answer("404 Not Found", b'{"code":"not found","message":"no such thing"}'),
    "503": answer("503 Service Unavailable", b"busy", "Retry-After: 0"),
    "redirect": answer("307 Temporary Redirect", b"", "Location: http://127.0.0.1:9/"),
    "no CSV": answer("200 OK", b"<html>hello</html>"),
    "cut off": answer("200 OK", b",result,table,_value\r\n,,0,"),
    "cut off by HTTP": answer("200 OK", b"#datatype,string\r\n").replace(b"Length: 18", b"Length: 99"),
    "no HTTP": b"+PONG\r\n",
    "malformed header": answer("500 Error", b"no").replace(b"Connection", b"\x00no colon\r\nConnection"),
    "nothing": b"",
    "silence": silence,
}
# What a proxy that is being debugged may answer.
ECHOES: dict[str, Turn] = {
    "an echo": answer("400 Bad Request", ECHO),
    "an echo as JSON": answer("400 Bad Request", b'{"code":"invalid","message":"%s"}' % ECHO),
    "an echo as the code": answer("400 Bad Request", b'{"code":"%s","message":"no"}' % ECHO),
    "an echo with 401": answer("401 Unauthorized", ECHO),
    "an echo at the edge": answer("400 Bad Request", b"x" * 190 + SECRET.encode()),
    "an echo as the reason": answer(f"400 {SECRET}", b""),
    "an echo for data": answer("200 OK", ECHO),
    "an echo after a header": answer("200 OK", b"#datatype," + ECHO + b"\r\n"),
    "an echo as a datatype": answer("200 OK", f"#datatype,{SECRET}\r\n,result\r\n,x\r\n\r\n".encode()),
    "an echo as a value": answer(
        "200 OK", f"#datatype,string,long\r\n,result,table\r\n,,{SECRET * 3}\r\n\r\n".encode()
    ),
    "an echo as an error": answer("200 OK", f",error,reference\r\n,{SECRET},1\r\n\r\n".encode()),
    "an echo as the status": f"HTTP/1.1 {SECRET} OK\r\n\r\n".encode(),
    "an echo for HTTP": f"{SECRET}\r\n\r\n".encode(),
    "an echo as a chunk's length": (
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{SECRET}\r\n".encode()
    ),
    "an echo for a header": answer("400 Bad Request", b"no", f"{SECRET}\r\nX: y"),
    "an echo in a header": answer("400 Bad Request", b"no", f"Retry-After: {SECRET}"),
    "half an echo": answer("400 Bad Request", b"x" * 180 + SECRET[:-2].encode()),
}


pytestmark = pytest.mark.usefixtures("at_once")


@pytest.fixture(autouse=True)
def _nothing_is_logged_or_printed(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """Have everything talk as much as it can, and look for the token in it after the test."""
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield
    assert SECRET not in caplog.text
    assert SECRET not in "".join(capfd.readouterr())
    assert [] == [warning for warning in warned if SECRET in str(warning.message)]


@pytest.fixture
def make(peer: Callable[..., Peer]) -> Iterator[Callable[..., InfluxManager]]:
    """Give a function that makes a manager with the secret token on a peer with this answer."""
    made = []

    def make(given: Turn, **options: Any) -> InfluxManager:
        timeout = 0.1 if given is silence else 10.0
        options = {"retries": 1, "timeout": timeout, "url": peer(given).url, "token": SECRET} | options
        made.append(InfluxManager(org="o", **options))
        return made[-1]

    yield make
    for manager in made:
        manager.close()


def assert_hidden(texts: list[str]) -> None:
    """No text holds the token."""
    assert [] == [text for text in texts if SECRET in text]


@each_call
@pytest.mark.parametrize("given", ANSWERS.values(), ids=ANSWERS)
def test_an_error_does_not_show_it(
    make: Callable[..., InfluxManager], call: Callable[[InfluxManager], Any], given: Turn
) -> None:
    """Whatever the server answers, by our methods and by the official client's objects."""
    manager = make(given)
    try:
        call(manager)
    except Exception as error:  # noqa: BLE001 - also those of influxdb-client
        assert_hidden(shown.of_error(error))
    assert_hidden(shown.of_object(manager))


@pytest.mark.parametrize("call", ["read", "query_batches", "write"])
@pytest.mark.parametrize("given", ECHOES.values(), ids=ECHOES)
def test_an_answer_that_quotes_it_is_not_repeated(
    make: Callable[..., InfluxManager], call: str, given: Turn
) -> None:
    """A proxy that shows the request it got does not bring the token into our errors."""
    with pytest.raises(DatabaseError) as caught:
        CALLS[call](make(given))

    assert_hidden(shown.of_error(caught.value))


ODD = "ab\\cd\"ef'gh-ijklmnop-qrstuvwxyz"


@pytest.mark.parametrize(
    "given",
    [
        f"{ODD} 200 OK\r\n\r\n".encode(),
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{ODD}\r\n".encode(),
        answer("200 OK", f"#datatype,string,{ODD}\r\n\r\n".encode()),
        answer("400 Bad Request", json.dumps({"code": "invalid", "message": {"request": ODD}}).encode()),
        answer("400 Bad Request", json.dumps([ODD]).encode()),
        answer("200 OK", b"x", f"Content-Encoding: gzip, {ODD}"),
    ],
)
def test_it_is_not_shown_in_any_spelling(make: Callable[..., InfluxManager], given: bytes) -> None:
    """Python and JSON put a backslash before quotes and backslashes."""
    with pytest.raises(DatabaseError) as caught:
        CALLS["read"](make(given, token=ODD))

    spellings = [ODD, repr(ODD)[1:-1], json.dumps(ODD)[1:-1]]
    texts = shown.of_error(caught.value)
    shown_texts = [text for text in texts for odd in spellings if odd in text or odd.lower() in text]
    assert [] == shown_texts


LATE_ODD = "abcdefghijklmnopqrst\"&\\/'secret-tail"  # odd only behind the start that is masked of a cut one


@pytest.mark.parametrize(
    "spelled",
    [
        LATE_ODD,
        repr(LATE_ODD)[1:-1],
        json.dumps(LATE_ODD)[1:-1],
        json.dumps(LATE_ODD)[1:-1].replace("/", "\\/"),
        json.dumps(LATE_ODD)[1:-1].replace("&", "\\u0026"),
        html.escape(LATE_ODD),
        html.escape(LATE_ODD).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
        urllib.parse.quote(LATE_ODD, safe=""),
        LATE_ODD[:16] + LATE_ODD,
    ],
)
def test_no_end_of_it_is_shown(make: Callable[..., InfluxManager], spelled: str) -> None:
    """As Python, JSON of three kinds, pages of two and a URL spell it, and behind a start of its own."""
    with pytest.raises(QueryError, match=r"HTTP 400: <b>(\*\*\*)+</b>") as caught:
        CALLS["read"](make(answer("400 Bad Request", f"<b>{spelled}</b>".encode()), token=LATE_ODD))
    assert [] == [text for text in shown.of_error(caught.value) if "tail" in text]


@pytest.mark.parametrize(
    "header",
    [
        f"Content-Encoding: gzip, {SECRET} dropped=1",
        f"Content-Type: multipart/x; boundary*=punycode''{SECRET}%ff",
    ],
)
@pytest.mark.parametrize("call", ["read", "write"])
def test_a_header_that_can_t_be_read_does_not_show_it(
    make: Callable[..., InfluxManager], call: str, header: str
) -> None:
    """Not by urllib3's error, which has it in lower case, nor by one of http.client."""
    with pytest.raises(DatabaseError) as caught:
        CALLS[call](make(answer("422 Unprocessable Entity", b"x", header)))
    assert [] == [text for text in shown.of_error(caught.value) if SECRET.lower() in text.lower()]


@each_call
def test_a_wrong_token_is_not_shown(server: servers.InfluxDB, call: Callable[[InfluxManager], Any]) -> None:
    """The real server's refusal."""
    with (
        InfluxManager(server.url, server.org, SECRET, retries=0) as manager,
        pytest.raises(Exception, match="nauthorized") as caught,
    ):
        call(manager)

    assert_hidden(shown.of_error(caught.value))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "https://127.0.0.1:9", "http://nowhere.invalid"])
@each_call
def test_a_server_that_is_not_there(
    make: Callable[..., InfluxManager], call: Callable[[InfluxManager], Any], url: str
) -> None:
    """Connection errors hold requests, pools and addresses."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - also those of urllib3
        call(make(b"", url=url))

    assert_hidden(shown.of_error(caught.value))


def test_a_deadline(make: Callable[..., InfluxManager]) -> None:
    """The error of a deadline holds the one before."""
    with pytest.raises(DatabaseError) as caught:
        CALLS["read"](make(answer("503 Busy", ECHO), deadline=0.3, retries=100))

    assert_hidden(shown.of_error(caught.value))


@pytest.mark.parametrize(
    "settings",
    [
        {"token": f"{SECRET}\r\nX-Injected: 1"},
        {"token": f" {SECRET}"},
        {"token": f"{SECRET}é"},
        {"token": f"{SECRET}\ud800"},
        {"token": SECRET.encode() + b"\0"},
        {"token": [SECRET]},
        {"org": ""},
        {"org": None},
        {"url": f"http://user:{SECRET}@127.0.0.1"},
        {"url": f"http://{SECRET}@127.0.0.1"},
        {"url": f"http://127.0.0.1?token={SECRET}"},
        {"url": f"http://127.0.0.1#{SECRET}"},
        {"url": f"http://127.0.0.1:{SECRET}"},
        {"url": f"http://[{SECRET}"},
        {"url": SECRET},
    ],
    ids=repr,
)
def test_a_refused_setting(settings: dict[str, Any]) -> None:
    """Neither the error nor anything chained to it holds any setting's value."""
    with pytest.raises(ConfigurationError) as caught:
        InfluxManager(**{"url": "http://127.0.0.1", "org": "o", "token": SECRET} | settings)

    assert_hidden(shown.of_error(caught.value))


@pytest.mark.parametrize("call", ["read", "query_batches", "write"])
def test_a_debugging_http_client_does_not_print_it(
    make: Callable[..., InfluxManager],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    call: str,
) -> None:
    """`http.client`'s own debug level prints the headers of every request of the process, but of ours."""
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 2)

    with pytest.raises(DatabaseError):
        CALLS[call](make(ANSWERS["401"]))

    assert "Token" not in "".join(capfd.readouterr())


def test_the_objects_handed_out(make: Callable[..., InfluxManager]) -> None:
    """Their repr shows no token; they hold it, as they send it."""
    manager = make(b"")
    apis = [manager.get_query_api(), manager.get_write_api({"k": "v"}), manager.get_buckets_api()]

    assert_hidden([text for api in apis for text in (repr(api), str(api))])
    assert_hidden(shown.of_object(manager))
