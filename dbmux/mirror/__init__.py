"""A second server beside the first: whether both answer alike."""
