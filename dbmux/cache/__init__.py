"""The query cache: results by the bytes of their statements, and what makes each of them untrue."""
