"""Invented prose with the statistics of language: a made vocabulary, words by Zipf's law, sentences, paragraphs.

Compressors and parsers see about what real prompts show them: gzip takes it to about a third, and line breaks, quotes,
digits and characters beyond ASCII need their escapes.
"""

import itertools
import random

BOOK_CHARACTERS = 1_000_000

_VOCABULARY = 20_000
_ZIPF_EXPONENT = 1.0
_ONSETS = (
    "b",
    "br",
    "c",
    "ch",
    "d",
    "f",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pr",
    "qu",
    "r",
    "s",
    "sh",
    "st",
)
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ou", "io")
_CODAS = ("", "", "", "n", "r", "s", "t", "l", "m", "nd", "ng", "rt", "ck", "ss")
_BEYOND_ASCII = ("naïve", "Straße", "café", "東京", "Zürich", "“so”", "—", "año", "📦", "→")


class Book:
    """A long text, the same for the same seed; calls cite passages of it."""

    def __init__(self, seed: int, characters: int = BOOK_CHARACTERS) -> None:
        self._text = _write(random.Random(f"book {seed}"), characters)

    def passage(self, chance: random.Random, characters: int) -> str:
        """Return so many characters from somewhere, longer ones than the book from its begin again and again."""
        length = len(self._text)
        begin = chance.randrange(max(1, length - characters))
        found = self._text[begin : begin + characters]
        return found if len(found) == characters else (found * (characters // length + 1))[:characters]


def _write(chance: random.Random, characters: int) -> str:
    vocabulary = _vocabulary(chance)
    cumulated = list(itertools.accumulate(1 / rank**_ZIPF_EXPONENT for rank in range(1, len(vocabulary) + 1)))
    paragraphs: list[str] = []
    written = 0
    while written < characters:
        sentences = chance.randint(2, 7)
        paragraph = " ".join(_sentence(chance, vocabulary, cumulated) for _ in range(sentences))
        paragraphs.append(paragraph)
        written += len(paragraph) + 2
    return "\n\n".join(paragraphs)[:characters]


def _sentence(chance: random.Random, vocabulary: list[str], cumulated: list[float]) -> str:
    words = chance.choices(vocabulary, cum_weights=cumulated, k=chance.randint(4, 26))
    if chance.random() < 0.15:
        words[chance.randrange(len(words))] = chance.choice(_BEYOND_ASCII)
    if chance.random() < 0.25:
        words[chance.randrange(len(words))] = str(chance.randint(1, 99_999))
    if chance.random() < 0.1:
        words[-1] = f'"{words[-1]}"'
    return " ".join(words).capitalize() + chance.choice((".", ".", ".", "?", ":\n-", ","))


def _vocabulary(chance: random.Random) -> list[str]:
    """Return distinct words, the frequent ones short, as in languages."""
    words: dict[str, None] = {}
    while len(words) < _VOCABULARY:
        syllables = 1 if len(words) < 200 else chance.randint(1, 2) if len(words) < 3000 else chance.randint(2, 4)
        parts = (chance.choice(_ONSETS) + chance.choice(_VOWELS) + chance.choice(_CODAS) for _ in range(syllables))
        words.setdefault("".join(parts))
    return list(words)
