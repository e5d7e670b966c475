"""Decoding a JSON body with a decoder that names what is needed: the rest is dropped while decoding."""

import json
from typing import TypeVar

import msgspec

T = TypeVar("T")


def decode_json(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw) -> T:
    """The body as the decoder's type. Raises msgspec.ValidationError for another shape, ValueError for what is no JSON
    (and for one that is nested without end).

    Half a character (names cut by a database column in the middle of an emoji have them) is written as "?": JSON can
    write such a half, text cannot hold it, and one name must not cost a page.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except (ValueError, RecursionError):
        text = bytes(body)
        if b"\\ud" not in text.lower():
            raise ValueError("not JSON, or cut off") from None
    try:
        mended = json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        raise ValueError("not JSON, or cut off") from None
    return decoder.decode(mended)
