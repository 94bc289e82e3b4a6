# The types with which histogram.py is compiled; not read when it runs interpreted.
cimport cython

cdef int SUB_BUCKETS
cdef long long MAX_MICROSECONDS

@cython.locals(doublings=cython.int)
cpdef Py_ssize_t bucket_of(long long microseconds) except -1

@cython.final
cdef class Histogram:
    cdef list _buckets
    cdef readonly long long count
    cdef readonly double sum_s

    cpdef count_in(self, Py_ssize_t bucket, double seconds)
