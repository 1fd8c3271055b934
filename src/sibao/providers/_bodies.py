"""Bodies of requests and answers: JSON out, and bytes in that end in time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2

from sibao.core.errors import BadInput, ProviderError
from sibao.providers._calls import Call


def written(body: dict[str, Any]) -> bytes:
    """A request as JSON.

    Raises:
        BadInput: it holds what JSON has no form for.
    """
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:  # half a character: JSON has a way to write it, UTF-8 has none
        return json.dumps(body).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise BadInput(f"the request cannot be written as JSON: {error}") from None


class Bounded(httpx2.SyncByteStream):
    """A body that ends with its call and at its limit of bytes, however slowly or fast it comes."""

    def __init__(self, who: str, source: Any, most: int, call: Call) -> None:
        self._who, self._source, self._call = who, source, call
        self._left = self._most = most

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._source:
            self._left -= len(chunk)
            if self._left < 0:
                raise ProviderError(f"{self._who}: the answer has more than {self._most} bytes", hint="ask for less")
            self._in_time()
            self._call.alive()
            yield chunk
        self._in_time()  # a connection that was broken looks like a body that has ended, where no length was told

    def _in_time(self) -> None:
        if self._call.late:
            raise httpx2.ReadTimeout("its time is over")

    def close(self) -> None:
        """Close the connection under it."""
        self._source.close()
