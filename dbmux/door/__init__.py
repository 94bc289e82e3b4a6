"""The SQL door: what a running DbMux knows of itself, as tables for any MySQL client."""
