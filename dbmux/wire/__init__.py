"""The MySQL protocol without I/O: bytes in, messages out. No sockets, no clock, no logging."""
