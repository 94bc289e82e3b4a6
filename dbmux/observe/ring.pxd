# The types with which ring.py is compiled; not read when it runs interpreted.
cimport cython
from cpython cimport array

cdef class Kept:
    cdef readonly long long size
    cdef readonly long long limit
    cdef readonly long long count
    cdef readonly long long oldest
    cdef readonly long long bytes
    cdef readonly list _events
    cdef array.array _weights

    @cython.locals(at=Py_ssize_t, count=cython.longlong)
    cpdef append(self, object event, long long weight)
    @cython.locals(at=Py_ssize_t)
    cdef _forget(self)
