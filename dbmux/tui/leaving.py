"""What is to become of the engine when the interface is left."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from dbmux.tui.app import Leave
from dbmux.tui.look import Look


class Leaving(ModalScreen[Leave | None]):
    """Asks for one of three keys."""

    DEFAULT_CSS = """
    Leaving { align: center middle; }
    Leaving Vertical { width: 62; max-width: 96%; height: auto; padding: 1 2; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "choose('DETACH')", "detach", show=False),
        Binding("s", "choose('STOP')", "stop", show=False),
        Binding("escape,c,q", "dismiss(None)", "cancel", show=False),
    ]

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look

    def compose(self) -> ComposeResult:
        """The question."""
        text = Text()
        text.append("Clients are connected through this process.\n\n", self._look.strong)
        for key, what in (
            ("d", "detach: it goes on without the interface; `dbmux attach` comes back"),
            ("s", "stop: open transactions may end, then it is over"),
            ("Esc", "stay here"),
        ):
            text.append(f"{key:>5}  ", self._look.accent)
            text.append(f"{what}\n", self._look.text)
        with Vertical(classes="box"):
            yield Static(text)

    def action_choose(self, name: str) -> None:
        """That is it."""
        self.dismiss(Leave[name])
