"""Files of the Hugging Face hub: the cached copy if there is one, else a download; a quick answer without network."""

from __future__ import annotations

import contextlib
import http
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ferbench.errors import UserError

_PATIENCE = 1.5  # seconds to wait for the hub's first answer


def hub_file(repository: str, name: str, *, revision: str | None = None, remedy: str) -> Path:
    """The local path of a file of a hub repository; a copy in the hub's cache is used without asking the hub.

    Args:
        repository: ``owner/name``.
        name: the file's name in it.
        revision: branch, tag or commit; None: ``main``.
        remedy: what to do where the file cannot be had, such as which option takes a local path.

    Raises:
        UserError: the file is not cached and the hub cannot be reached, refuses, or does not have it. Without network
            that takes two seconds at most; an answer of the hub that is an error is taken for its last word.
    """
    import huggingface_hub
    from huggingface_hub import constants, errors

    where = f"'{name}' of '{repository}' on the Hugging Face hub"
    network: Any = errors.HfHubHTTPError.__bases__[0]  # what the client's HTTP library raises, whichever it is
    try:
        cached = huggingface_hub.try_to_load_from_cache(repository, name, revision=revision)
        if isinstance(cached, str):
            return Path(cached)
        if constants.HF_HUB_OFFLINE:
            raise UserError(f"{where} is not in the local cache, and HF_HUB_OFFLINE forbids to fetch it", remedy)
        if not _reachable(constants.ENDPOINT):
            raise UserError(f"{where} is not in the local cache, and the hub cannot be reached", remedy)
        with _silent():
            # Asked once: a download asks again and again, for half a minute, where the hub answers with an error.
            url = huggingface_hub.hf_hub_url(repository, name, revision=revision)
            huggingface_hub.get_hf_file_metadata(url)
            return Path(huggingface_hub.hf_hub_download(repository, name, revision=revision))
    except errors.HFValidationError as error:
        raise UserError(
            f"'{repository}' is neither a local folder nor a name on the Hugging Face hub", remedy
        ) from error
    except errors.GatedRepoError as error:
        raise UserError(f"{where} needs its owner's permission", remedy) from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(f"there is no '{repository}' on the Hugging Face hub, or it is private", remedy) from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"'{repository}' on the Hugging Face hub has no revision '{revision}'", remedy) from error
    except errors.LocalEntryNotFoundError as error:
        raise UserError(f"{where} could not be fetched", remedy) from error
    except errors.EntryNotFoundError as error:
        raise UserError(f"there is no {where}", remedy) from error
    except errors.HfHubHTTPError as error:
        raise UserError(f"{where} could not be fetched: the hub answers {_status(error.response)}", remedy) from error
    except (OSError, network) as error:  # the connection broke, or the disk is full
        raise UserError(f"{where} could not be fetched: {type(error).__name__}: {error}", remedy) from error


def _reachable(endpoint: str) -> bool:
    """Whether the hub answers at all, in any way, soon.

    The hub's own client tries again for half a minute, and looking a host name up cannot be given a limit; hence a
    request of our own, through the user's proxy, in a thread that nobody waits for any longer.
    """
    reached = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=_PATIENCE).close()
        except urllib.error.HTTPError:
            pass
        except (OSError, ValueError):
            return
        reached.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    return reached.is_set()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """The hub's client says nothing of its own; its progress bar stays."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _status(response: Any) -> str:
    """Such as ``503 (Service Unavailable)``."""
    code: Any = getattr(response, "status_code", None)
    try:
        return f"{code} ({http.HTTPStatus(code).phrase})"
    except ValueError:
        return "an error" if code is None else str(code)
