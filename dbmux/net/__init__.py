"""Sockets, TLS and flow control. The only folder that touches the network's bytes as they travel."""
