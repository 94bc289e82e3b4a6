"""DbMux beside its peers: direct, HAProxy, ProxySQL where it is installed, all in one run, in turns."""
