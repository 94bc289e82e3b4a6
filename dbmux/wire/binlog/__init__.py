"""The binary log: what a server tells its replicas of every write."""
