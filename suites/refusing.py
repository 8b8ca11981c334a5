"""One sentence for each way in which a model or data set cannot be had: wrong name, no network, not what it should be."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import datasets.config
import huggingface_hub
from datasets.data_files import EmptyDatasetError
from datasets.exceptions import DatasetNotFoundError, DatasetsError
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from methods.parts import Refused

UNREACHABLE = (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError)
UNKNOWN = (RepositoryNotFoundError, DatasetNotFoundError)


ANSWER_S = 10.0


@contextmanager
def refusing(what: str, *, hub: bool) -> Iterator[None]:
    """Turns what transformers, datasets and the Hub raise while loading `what` into Refused, one sentence.

    `hub`: the Hub will be asked. Where it does not answer, the cache alone is: the libraries' own retries take minutes.
    """
    try:
        with ExitStack() as stack:
            if hub and not _hub_answers():
                stack.enter_context(patch.object(huggingface_hub.constants, "HF_HUB_OFFLINE", True))
                stack.enter_context(patch.object(datasets.config, "HF_HUB_OFFLINE", True))
            yield
    except Refused:
        raise
    except StopIteration as error:
        raise Refused(f"cannot load {what}; because a file has no row; use one that is not empty") from error
    except (OSError, ValueError, DatasetsError) as error:
        why, way = _explained(error)
        raise Refused(f"cannot load {what}; because {why}; {way}") from error


def _hub_answers() -> bool:
    if huggingface_hub.constants.is_offline_mode():
        return False
    try:
        with urlopen(Request(huggingface_hub.constants.ENDPOINT, method="HEAD"), timeout=ANSWER_S):
            return True
    except HTTPError:
        return True
    except OSError:
        return False


def _explained(error: Exception) -> tuple[str, str]:
    """The reason and the way out."""
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    if isinstance(cause, GatedRepoError):
        return "the Hub asks for a login and the consent of its owner", "accept its terms there and run `hf auth login`"
    if isinstance(cause, RevisionNotFoundError):
        return "the repository has no such revision", "check the revision, or leave it out"
    if isinstance(cause, UNKNOWN):
        return "there is no folder and no public repository of this name", "check the spelling, or give a local folder"
    if isinstance(cause, UNREACHABLE) or isinstance(error, UNREACHABLE):
        return ("there is no folder of this name, and the Hub cannot be reached nor is it in the cache",
                "connect to the network, or give a local folder")
    if isinstance(cause, HFValidationError):
        return "it is neither a folder here nor a possible name on the Hub", "check the path"
    if isinstance(cause, EmptyDatasetError):
        return "the folder has no data file", "put JSONL, JSON, CSV or Parquet files into it"
    return _short(cause), "check that it is complete and what it is said to be"


def _short(error: Exception) -> str:
    """The library's words on one line, the start of them where they are many."""
    words = " ".join(str(error).split()) or type(error).__name__
    return (words if len(words) <= 240 else words[:240].rsplit(" ", 1)[0] + " ...").rstrip(".")
