# The types with which digests.py is compiled; not read when it runs interpreted.
cimport cython
from dbmux.observe.histogram cimport Histogram

@cython.final
cdef class Slice:
    cdef readonly long long number
    cdef readonly long long count
    cdef readonly double seconds
    cdef readonly long long errors
    cdef readonly long long hits
    # As a server may tell them: up to 64 bits.
    cdef readonly object rows
    cdef readonly long long bytes
    cdef readonly dict buckets

    cpdef add(self, Slice other)

@cython.final
cdef class KindFigures:
    cdef readonly Histogram durations
    cdef readonly long long errors
    # As a server may tell them: up to 64 bits.
    cdef readonly object rows

@cython.final
cdef class Figures:
    cdef readonly KindFigures all_alike
    cdef public object query
    cdef readonly bytes text
    cdef readonly object example
    cdef readonly Slice past
    cdef readonly object slices
    cdef readonly Slice newest

    @cython.locals(piece=Slice, alike=KindFigures, buckets=dict)
    cpdef count(self, backend, double seconds, Py_ssize_t bucket, long long size, int code, rows)
    cpdef Slice turn(self, long long number)

@cython.final
cdef class Digests:
    cdef readonly dict kinds
    cdef dict _by_query
    cdef dict _by_text
    cdef long long _number
    cdef double _until

    @cython.locals(figures=Figures)
    cpdef Figures find(self, event, query, double at)
    cdef Figures _meet(self, event)
