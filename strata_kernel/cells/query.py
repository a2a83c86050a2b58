"""The text of SQL, read as far as every dialect agrees: comments, strings, quoted names, `:name` binds, statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<comment>--[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/|\Z))
    | (?P<dollar>\$(?P<tag>[A-Za-z_]\w*)\$.*?(?:\$(?P=tag)\$|\Z))
    | (?P<dollars>\$\$.*?(?:\$\$|\Z))
    | (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z))
    | (?P<string>'(?:[^']|'')*(?:'|\Z))
    | (?P<quoted>"(?:[^"]|"")*(?:"|\Z)|`(?:[^`]|``)*(?:`|\Z))
    | (?P<cast>::)
    | (?P<bind>(?<![\w:'"\])`]):(?P<name>[A-Za-z_]\w*))
    | (?P<word>[^\W\d]\w*)
    | (?P<number>\d[\w.]*)
    | (?P<end>;)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_SILENT = ("space", "comment")


class Token(msgspec.Struct, frozen=True):
    """A piece of the text: its kind, its text as written, and where it starts."""

    kind: str
    text: str
    start: int


def tokens(text: str) -> Iterator[Token]:
    """Yield every piece of a query, blanks and comments too; joined again they are the text."""
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        kind = {"tag": "dollar", "name": "bind", "dollars": "dollar", "escaped": "string"}.get(kind, kind)
        yield Token(kind, match.group(), match.start())


class Query(msgspec.Struct, frozen=True):
    """A query as it was read.

    `canonical` is its text without comments and with one blank for any run of them; `binds` are the names behind `:`,
    `words` its identifiers and keywords, quoted or not, `texts` the content of its strings, `statements` its parts.
    """

    canonical: tuple[str, ...]
    binds: tuple[str, ...]
    words: frozenset[str]
    texts: tuple[str, ...]
    statements: tuple[str, ...]


def read(text: str) -> Query:
    """Read a query; never raises."""
    canonical: list[str] = []
    binds: dict[str, None] = {}
    words: set[str] = set()
    texts: list[str] = []
    statements: list[str] = [""]
    for token in tokens(text):
        if token.kind == "end":
            statements.append("")
        else:
            statements[-1] += " " if token.kind == "comment" else token.text
        if token.kind in _SILENT:
            if canonical and canonical[-1] != " ":
                canonical.append(" ")
            continue
        canonical.append(token.text)
        if token.kind == "bind":
            binds[token.text[1:]] = None
        elif token.kind == "word":
            words.add(token.text)
        elif token.kind == "quoted":
            words.add(token.text[1:-1].replace('""', '"'))
            texts.append(token.text[1:-1])
        elif token.kind == "string":
            texts.append(token.text.lstrip("eE")[1:-1].replace("''", "'"))
        elif token.kind == "dollar":
            texts.append(token.text)
    while canonical and canonical[-1] in (" ", ";"):
        canonical.pop()
    kept = tuple(s.strip() for s in statements if s.strip())
    return Query(tuple(canonical), tuple(binds), frozenset(words), tuple(texts), kept)


def bound(text: str, place: Callable[[str], str], escape: Callable[[str], str] = lambda text: text) -> str:
    """Return the text with each bind replaced by what a driver calls it, and the rest escaped for that driver."""
    return "".join(place(t.text[1:]) if t.kind == "bind" else escape(t.text) for t in tokens(text))
