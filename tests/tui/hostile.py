"""Texts that break screens: markup, control characters, what is wide, what is nothing, what is long."""

from __future__ import annotations

TEXTS = (
    "[red]SELECT[/red] [/] [",
    "[link=file:///etc/passwd]x[/link] {0} {name} %s",
    "\x1b]0;title\x07\x1b[2J\x1b[31mred",
    "a\x00b\rc\nd\te\x7f\x9b31m",
    "世界 你好 ｗｉｄｅ 한국어",
    "e\u0301\u200b\u200d\ufeff a\u0300\u0301\u0302",
    "\u202eSELECT\u202c \u2066x\u2069 שלום",
    "👨‍👩‍👧‍👦 🏳️‍🌈 ☃️",
    "\ud800 lone surrogate".encode("utf-8", "replace").decode(),
    "x" * 100_000,
    "'" * 50 + '"' * 51 + "/*" * 30 + "--",
    "",
)
