"""The filter language: which statements somebody wants to see. docs/filters.md describes it.

`language.parse` makes a `Filter` of a text, `predicate.compile` a function of that; `completion.complete` helps whoever
types one.
"""
