# The types with which eviction.py is compiled; not read when it runs interpreted.
cimport cython
from cpython cimport array

cdef int MOST_USES, PROVEN, MAX_STEPS

@cython.final
cdef class Entry:
    cdef readonly bytes key
    cdef readonly bytes reply
    cdef readonly tuple tables
    cdef readonly long long captured
    cdef readonly double expires
    cdef public double refresh_at
    cdef public double cost_s
    cdef public long long rows
    cdef public long long size
    cdef public object tally
    cdef public object query
    cdef public int uses
    cdef readonly Room room
    cdef readonly Chain chain
    cdef readonly Entry older
    cdef readonly Entry newer

cpdef count_use(Entry entry)

@cython.final
cdef class Chain:
    cdef readonly long long bytes
    cdef readonly Entry oldest
    cdef readonly Entry newest

    cdef add(self, Entry entry)
    @cython.locals(older=Entry, newer=Entry)
    cdef remove(self, Entry entry)

@cython.final
cdef class Room:
    cdef public long long limit
    cdef readonly long long bytes
    cdef readonly long long entries
    cdef readonly Chain small
    cdef readonly Chain main
    cdef Chain _swept
    cdef Entry _broom

    cpdef add(self, Entry entry)
    cpdef add_again(self, Entry entry)
    cdef _add(self, Entry entry, Chain chain)
    cpdef remove(self, Entry entry)
    cdef _unchain(self, Entry entry)
    @cython.locals(entry=Entry)
    cpdef Entry victim(self)
    @cython.locals(entry=Entry)
    cpdef Entry next(self)
    @cython.locals(chain=Chain)
    cpdef empty(self)

@cython.final
cdef class Ghosts:
    cdef readonly array.array places
    cdef long long _mask

    cpdef add(self, Py_hash_t number)
    cpdef bint knows(self, Py_hash_t number) except -1
