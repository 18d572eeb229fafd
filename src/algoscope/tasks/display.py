"""A sequence of tokens as a person wants to see it: some of them highlighted."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from rich.console import Console
from rich.text import Text


@dataclass(frozen=True)
class Shown:
    """Tokens with a mark on some. Prints highlighted in a terminal (`print` or rich) and in a notebook."""

    tokens: tuple[tuple[str, bool], ...]
    """(text, highlighted) of each token."""
    note: str = ""
    """Written behind the tokens, set apart."""

    @property
    def plain(self) -> str:
        """The text alone, wherever it is printed."""
        return self.__rich__().plain

    def __rich__(self) -> Text:
        text = Text()
        for index, (token, marked) in enumerate(self.tokens):
            text.append(self._gap(index))
            text.append(token, style="bold red reverse" if marked else None)
        if self.note:
            text.append(f"  {self.note}", style="dim")
        return text

    def __str__(self) -> str:
        """The text, with colours if standard output is a terminal."""
        console = Console(soft_wrap=True)
        with console.capture() as captured:
            console.print(self.__rich__(), end="")
        return captured.get()

    def _repr_html_(self) -> str:
        """HTML for a notebook or a report; token texts are escaped."""
        parts = [
            self._gap(index) + (_MARK.format(escape(token)) if marked else escape(token))
            for index, (token, marked) in enumerate(self.tokens)
        ]
        note = f" <small>{escape(self.note)}</small>" if self.note else ""
        return f'<code class="tokens">{"".join(parts)}</code>{note}'

    def _gap(self, index: int) -> str:
        """A space between tokens unless both are single characters, so brackets stay together."""
        if index == 0:
            return ""
        pair = self.tokens[index - 1][0], self.tokens[index][0]
        return "" if all(len(token) == 1 and not token.isdigit() for token in pair) else " "


_MARK = '<mark class="offending" style="background:#d62728;color:white">{}</mark>'
