"""The query cache: which results are stored, how they are found, and what makes each of them untrue.

Tables have epochs, which every write moves; a stored reply is used only while none of its tables' epochs has moved.
"""
