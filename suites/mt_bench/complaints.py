"""What went wrong between us and an OpenAI-compatible server, sorted: it may pass, it ends one judgment, or it ends the run.

Source: the errors of the `openai` client, and of OpenAI's, vLLM's, llama.cpp's and Ollama's servers. A server may put the key
it was sent into its message, so every word of a server goes through `Complaints.clean`.
"""
from __future__ import annotations

import datetime
import email.utils
import math
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2
import openai

from methods.parts import Refused
from suites.mt_bench.patience import Failed, Transient

PASSING = (408, 409, 425, 429, 500, 502, 503, 504, 529)
UNTAKEN = ("unsupported_parameter", "unsupported_value")
SPENT = ("insufficient_quota", "billing_hard_limit_reached")


@dataclass(frozen=True)
class Complaints:
    """Of one server, about one model."""

    model: str
    address: str
    key: str = field(repr=False)
    key_variable: str
    secret: bool
    """Whether the key is one; a stand-in for servers that want none is not."""

    def of(self, error: Exception, answered: bool) -> Exception:
        """What to raise in its place. `answered`: the server has been there before, so that its absence may pass."""
        if isinstance(error, openai.APITimeoutError):
            return Transient("no answer in time")
        if isinstance(error, openai.APIConnectionError):
            return self._connection(error, answered)
        if isinstance(error, openai.APIStatusError):
            return self._status(error, answered)
        return Transient("an answer that is no chat completion")

    def clean(self, text: object) -> str:
        """On one line, shortened, without the key; fit to stand inside one of our sentences."""
        words = " ".join(self.hide(str(text)).replace(";", ",").split()).rstrip(".,")
        return words if len(words) <= 200 else words[:200] + " ..."

    def hide(self, text: str) -> str:
        return text.replace(self.key, "[key]") if self.secret else text

    def _connection(self, error: openai.APIConnectionError, answered: bool) -> Exception:
        cause = error.__cause__
        if not isinstance(cause, httpx2.ConnectError | httpx2.UnsupportedProtocol | httpx2.InvalidURL):
            return Transient("the connection was dropped")
        refusal = Refused(f"cannot reach a judge at {self.address}; because there is no server ({self.clean(cause)}); "
                          "use the address of a running one with --base-url, which mostly ends in /v1")
        return Transient("the server is gone", refusal=refusal) if answered else refusal

    def _status(self, error: openai.APIStatusError, answered: bool) -> Exception:
        said = self.clean(said_by(error))
        unknown = error.status_code == 400 and not answered and self.model in said_by(error)
        if error.status_code in (401, 403):
            return Refused(f"cannot use the judge {self.model} at {self.address}; because the server does not accept the key "
                           f"({said}); set the environment variable {self.key_variable} to one that it accepts")
        if error.status_code == 404 or unknown:
            return self._missing(error, said)
        if error.code in SPENT or error.type in SPENT:
            return Refused(f"cannot go on with the judge {self.model}; because the account's credit is used up ({said}); "
                           "add to it and call again, which goes on from there")
        if error.code in UNTAKEN:
            return Refused(f"cannot use the judge {self.model}; because it does not take the settings of MT-Bench ({said}); use "
                           "another judge")
        if error.status_code in PASSING:
            return Transient(f"status {error.status_code} ({said})", wait_s(error.response.headers))
        return Failed(f"status {error.status_code} ({said})")

    def _missing(self, error: openai.APIStatusError, said: str) -> Refused:
        if error.code == "model_not_found" or error.param == "model" or self.model in said_by(error):
            return Refused(f"cannot use the judge {self.model}; because the server at {self.address} has no such model ({said}); "
                           "use one that it has with --judge")
        return Refused(f"cannot reach a judge at {self.address}; because there are no chat completions at that address ({said}); "
                       "use another with --base-url, which mostly ends in /v1")


def said_by(error: openai.APIStatusError) -> str:
    """The server's own message, without what the client puts around it."""
    body = error.body
    if isinstance(body, dict):
        inner = body.get("message") or body.get("detail") or body.get("error")
        return str(inner or error.message)
    return str(body or error.message)


def wait_s(headers: httpx2.Headers) -> float | None:
    """Seconds of Retry-After (a number or a date) or OpenAI's retry-after-ms; None where there is none that can be read."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name, "")
        try:
            seconds = float(text) / unit
        except ValueError:
            seconds = _until(text)
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None


def _until(date: str) -> float:
    try:
        then = email.utils.parsedate_to_datetime(date)
    except ValueError:
        return math.nan
    now = datetime.datetime.now(datetime.UTC)
    return max(0.0, ((then if then.tzinfo else then.replace(tzinfo=datetime.UTC)) - now).total_seconds())


def shown(url: str) -> str:
    """An address without the name and password that it may carry."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.rpartition("@")[2]
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl().rstrip("/")
