"""Words that stand for other words: keyed, one to one, and of the same shape, so that bugs survive and people do not.

A word is a run of letters and digits. All that is not in a word (blanks, ``@ . - _ '``, percent escapes) stays where it is.

* Each word becomes a word of the same length: letters become letters of the same alphabet, digits digits, upper case stays
  upper case. Words that differ only in case become words that differ only in case.
* A number keeps its leading zeros, and the rest becomes the same with or without them: "00123" and "123" stay one apart.
* Hexadecimal ids (16 characters and more) stay hexadecimal, UUIDs stay UUIDs of their version.
* The last label of an e-mail address's domain stays ("…@example.org" ends with ".org").
* Words of one character stay, and so do letters that have no other case of one character (ß).

Different words never become the same word: a word's letters and digits are one number in a mixed radix, and that number
goes through a Feistel network whose rounds are keyed hashes. No table is kept, so any number of words costs no memory.
"""

import hashlib
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote

_ROUNDS: Final = 8
_HEX: Final = "abcdef"
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
#: From how many characters on a word of hexadecimal letters and digits is taken for an id (a word such as "face2" is none).
_HEX_LENGTH: Final = 16
#: Letters beyond ASCII change places within their block of 256, but for these larger alphabets.
_ALPHABETS: Final = ((0x80, 0x300), (0x4E00, 0xA000), (0xAC00, 0xD800))

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_UUID_VERSION: Final = (14, 19)  # where a UUID says of which version and variant it is
_HEX_WORD = re.compile(r"(?=.*[0-9])(?=.*[a-f])[0-9a-f]+")
_ASCII: Final = str.maketrans(dict.fromkeys(_LETTERS, "a") | dict.fromkeys("0123456789", "0"))
_WORD = re.compile(rf"(?<![^\W_]){_UUID.pattern}(?![^\W_])|[^\W_]+", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s@,;<>]+@[^\s@,;<>]+\.([A-Za-z]+)(?=[\s,;<>]|$)")
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")


class Pseudonyms:
    """Words and texts for one key; the same key always gives the same ones. ``key`` is 16 to 64 random bytes."""

    def __init__(self, key: bytes) -> None:
        if not 16 <= len(key) <= 64:
            raise ValueError("a key has 16 to 64 bytes")
        self._key = key
        self.word = lru_cache(maxsize=65536)(self._word)

    def text(self, text: str) -> str:
        """A text with all its words replaced; percent escapes stay escapes, of the same characters or their pseudonyms."""
        if "%" not in text:
            return self._words(text)
        plain, escapes = _unescaped(text)
        return _escaped(self._words(plain), plain, escapes)

    def number(self, number: int) -> int:
        """A number of as many digits; what has one digit stays."""
        return int(self._words(str(number)))

    def secret(self, secret: str) -> str:
        """A short mark instead of a secret: the same for the same secret, nothing can be learned from it."""
        return f"removed-{self._hash('secret', secret.encode(), 4).hex()}" if secret.strip() else secret

    def _words(self, text: str) -> str:
        if text.isalnum():
            return self.word(text)
        kept = {match.start(1) for match in _ADDRESS.finditer(text)} if "@" in text else ()
        return _WORD.sub(lambda match: match[0] if match.start() in kept else self.word(match[0]), text)

    def _word(self, word: str) -> str:
        folded = "".join(map(_lower, word))
        number = folded.lstrip("0") if folded.isascii() and folded.isdecimal() else folded
        if len(number) <= 1:
            return word
        replaced = word[: len(word) - len(number)] + self._permuted(number)
        return "".join(map(_in_case, word, replaced))

    def _permuted(self, word: str) -> str:
        """Walk through the permutation of all words of this shape until a word of the same sort comes."""
        shape, is_hex = _shape(_outline(word)), _is_hex(word)
        digits = [alphabet.index(letter) for letter, alphabet in zip(word, shape.alphabets, strict=True)]
        while True:
            digits = self._feistel(digits, shape)
            replaced = "".join(alphabet[digit] for alphabet, digit in zip(shape.alphabets, digits, strict=True))
            if _is_hex(replaced) == is_hex:
                return replaced

    def _feistel(self, digits: Sequence[int], shape: "_Shape") -> list[int]:
        """One to one: each round adds to one half what depends on the other half only."""
        first, second = shape.radices
        halves = [_number(digits[: len(first)], first), _number(digits[len(first) :], second)]
        for turn in range(_ROUNDS):
            this, other = turn % 2, 1 - turn % 2
            mixed = self._hash("round", f"{shape.outline}/{turn}/{halves[other]:x}".encode(), 64)
            halves[this] = (halves[this] + int.from_bytes(mixed, "big")) % shape.sizes[this]
        return [*_split(halves[0], first), *_split(halves[1], second)]

    def _hash(self, purpose: str, value: bytes, size: int) -> bytes:
        return hashlib.blake2b(value, digest_size=size, key=self._key, person=purpose.encode()).digest()


class _Shape(NamedTuple):
    """What may stand at each place of a word; how many letters that are, and how many words, for its two halves."""

    outline: str
    alphabets: tuple[str, ...]
    radices: tuple[tuple[int, ...], tuple[int, ...]]
    sizes: tuple[int, int]


def _outline(word: str) -> str:
    """All that the shape of a word (in lower case) depends on: its sort, and a letter of each place's alphabet."""
    letters = word.translate(_ASCII) if word.isascii() else "".join(_alphabet(letter)[0] for letter in word)
    if _UUID.fullmatch(word):
        kept = {place: word[place] for place in _UUID_VERSION}
        return "uuid:" + "".join(kept.get(place, letter) for place, letter in enumerate(letters))
    sort = "hex" if _is_hex(word) else "number" if word.isascii() and word.isdecimal() else "word"
    return f"{sort}:{letters}"


@lru_cache(maxsize=4096)
def _shape(outline: str) -> _Shape:
    sort, _, letters = outline.partition(":")
    alphabets = []
    for place, letter in enumerate(letters):
        if sort == "uuid" and (place in _UUID_VERSION or letter == "-"):
            alphabets.append(letter)
        elif sort == "number" and place == 0:
            alphabets.append("123456789")
        elif sort in ("uuid", "hex") and letter == "a":
            alphabets.append(_HEX)
        else:
            alphabets.append(_alphabet(letter))
    radices = tuple(map(len, alphabets))
    halves = radices[: len(radices) // 2], radices[len(radices) // 2 :]
    return _Shape(outline, tuple(alphabets), halves, (math.prod(halves[0]), math.prod(halves[1])))


def _is_hex(word: str) -> bool:
    """Whether a word (in lower case) looks like a hexadecimal id: long, and of digits and letters up to f."""
    return len(word) >= _HEX_LENGTH and _HEX_WORD.fullmatch(word) is not None


@lru_cache(maxsize=4096)
def _alphabet(letter: str) -> str:
    """The letters (in lower case) or digits that may stand for one; only itself where none may."""
    code = ord(letter)
    if letter in _LETTERS:
        return _LETTERS
    if letter.isdecimal():
        zero = code - unicodedata.decimal(letter)
        return "".join(chr(zero + digit) for digit in range(10))
    if not _is_letter(letter):
        return letter
    block = (code & ~0xFF, (code | 0xFF) + 1)
    span = next((larger for larger in _ALPHABETS if larger[0] <= code < larger[1]), block)
    return _letters_between(*span, letter.upper() != letter)


@lru_cache(maxsize=512)
def _letters_between(first: int, end: int, with_case: bool) -> str:
    return "".join(c for c in map(chr, range(first, end)) if _is_letter(c) and (c.upper() != c) == with_case)


def _is_letter(letter: str) -> bool:
    """A letter that is in lower case, or has none, and that neither normalizing nor changing case takes apart."""
    upper = letter.upper()
    return (
        letter.isalpha()
        and letter == letter.lower()
        and (upper == letter or (len(upper) == 1 and upper.lower() == letter))
        and unicodedata.normalize("NFKC", letter) == letter
    )


def _lower(letter: str) -> str:
    """A letter in lower case, where that is one letter and leads back."""
    lower = letter.lower()
    return lower if len(lower) == 1 and lower.upper() == letter else letter


def _in_case(pattern: str, letter: str) -> str:
    return letter.upper() if pattern != _lower(pattern) else letter


def _number(digits: Sequence[int], radices: Sequence[int]) -> int:
    number = 0
    for digit, radix in zip(digits, radices, strict=True):
        number = number * radix + digit
    return number


def _split(number: int, radices: Sequence[int]) -> list[int]:
    digits = []
    for radix in reversed(radices):
        number, digit = divmod(number, radix)
        digits.append(digit)
    return digits[::-1]


def _unescaped(text: str) -> tuple[str, dict[int, str]]:
    """A text without its percent escapes, and which characters of it were escaped, how. What is no UTF-8 stays."""
    plain: list[str] = []
    escapes: dict[int, str] = {}
    end = 0
    for match in _ESCAPES.finditer(text):
        try:
            letters = bytes.fromhex(match[0].replace("%", "")).decode()
        except UnicodeDecodeError:
            continue
        plain.extend(text[end : match.start()])
        end = match.end()
        for letter, escape in zip(letters, _each_escape(match[0], letters), strict=True):
            escapes[len(plain)] = escape
            plain.append(letter)
    plain.extend(text[end:])
    return "".join(plain), escapes


def _each_escape(escaped: str, letters: str) -> Iterator[str]:
    start = 0
    for letter in letters:
        end = start + 3 * len(letter.encode())
        yield escaped[start:end]
        start = end


def _escaped(replaced: str, plain: str, escapes: dict[int, str]) -> str:
    """Escape the same places again."""
    return "".join(
        new if place not in escapes else escapes[place] if new == old else _escape(new)
        for place, (new, old) in enumerate(zip(replaced, plain, strict=True))
    )


def _escape(letter: str) -> str:
    """Percent escapes even for letters that need none."""
    escaped = quote(letter, safe="")
    return escaped if escaped.startswith("%") else f"%{ord(letter):02X}"
