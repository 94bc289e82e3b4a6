# The types with which eviction.py is compiled; not read when it runs interpreted.
cimport cython

@cython.final
cdef class Entry:
    cdef readonly bytes key
    cdef readonly bytes reply
    cdef readonly tuple tables
    cdef readonly long long captured
    cdef readonly double expires
    cdef public double refresh_at
    cdef public bint refreshing
    cdef public long long rows
    cdef public double cost_s
    cdef public long long size
    cdef public object tally
    cdef public bint used
    cdef readonly Queue queue
    cdef readonly Entry older
    cdef readonly Entry newer

@cython.final
cdef class Queue:
    cdef public long long limit
    cdef readonly long long bytes
    cdef readonly long long entries
    cdef readonly Entry oldest
    cdef readonly Entry newest
    cdef Entry _hand
    cdef Entry _broom

    cpdef add(self, Entry entry)
    @cython.locals(older=Entry, newer=Entry)
    cpdef remove(self, Entry entry)
    @cython.locals(entry=Entry)
    cpdef Entry victim(self)
    @cython.locals(entry=Entry)
    cpdef Entry next(self)
    cpdef unchain(self)
