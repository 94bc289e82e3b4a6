"""Whether one server can take another's place: what stands in the way, found before any traffic."""
