"""What holds for all tests: machines are shared and noisy, so none of them fails by the time that it took."""

from hypothesis import settings

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
