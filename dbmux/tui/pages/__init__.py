"""The nine pages, one a module, and their order."""

from __future__ import annotations

from dbmux.feed.feed import Feed
from dbmux.tui.look import Look
from dbmux.tui.page import Page
from dbmux.tui.pages.cache import Cache
from dbmux.tui.pages.clients import Clients
from dbmux.tui.pages.config import Config
from dbmux.tui.pages.happenings import Happenings
from dbmux.tui.pages.live import Live
from dbmux.tui.pages.mirror import Mirror
from dbmux.tui.pages.routes import Routes
from dbmux.tui.pages.servers import Servers
from dbmux.tui.pages.top import Top

PAGES = (Live, Top, Cache, Routes, Mirror, Servers, Clients, Config, Happenings)


def make(feed: Feed, look: Look) -> list[Page]:
    """All of them, in the order of their keys."""
    return [page(feed, look) for page in PAGES]
