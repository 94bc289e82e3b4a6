"""The live interface: what a feed tells, on a terminal. The only part that knows Textual."""
