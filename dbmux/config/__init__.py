"""appconfig.json: read, checked, compared, watched."""
