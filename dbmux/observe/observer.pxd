# The types with which observer.py is compiled; not read when it runs interpreted.
cimport cython
from dbmux.observe.digests cimport Digests
from dbmux.observe.histogram cimport bucket_of
from dbmux.observe.metrics cimport Metrics
from dbmux.observe.ring cimport Kept

cdef int WEIGHT

@cython.final
cdef class Observer:
    cdef readonly Kept queries
    cdef readonly Kept events
    cdef readonly Metrics metrics
    cdef readonly Digests digests
    cdef readonly object pulse
    cdef object _log

    @cython.locals(seconds=cython.double, microseconds=cython.longlong, bucket=Py_ssize_t)
    cpdef emit(self, object event)
