# The types with which observer.py is compiled; not read when it runs interpreted.
cimport cython
from dbmux.observe.digests cimport Digests, Figures
from dbmux.observe.histogram cimport bucket_of
from dbmux.observe.metrics cimport Metrics
from dbmux.observe.ring cimport Kept

cdef int WEIGHT, QUERY

@cython.final
cdef class Observer:
    cdef readonly Kept queries
    cdef readonly Kept events
    cdef readonly Metrics metrics
    cdef readonly Digests digests
    cdef readonly object pulse
    cdef object _log

    @cython.locals(at=cython.double, command=cython.int, seconds=cython.double, size=cython.longlong, code=cython.int,
                   microseconds=cython.longlong, bucket=Py_ssize_t, figures=Figures)
    cpdef emit(self, object event)
