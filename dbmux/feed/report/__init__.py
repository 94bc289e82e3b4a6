"""What a program's statements were like, told when it has ended: the report of `dbmux run` (docs/run.md)."""
