# The types with which metrics.py is compiled; not read when it runs interpreted.
cimport cython
from dbmux.observe.histogram cimport Histogram

@cython.final
cdef class BackendFigures:
    cdef readonly list commands
    cdef readonly object errors
    cdef readonly list routes
    cdef readonly long long bytes
    cdef readonly Histogram latency
    cdef readonly bint is_up

@cython.final
cdef class UserFigures:
    cdef readonly long long commands
    cdef readonly long long errors
    cdef readonly double seconds
    cdef readonly long long bytes

@cython.final
cdef class Metrics:
    cdef readonly dict backends
    cdef readonly dict users
    cdef readonly long long sessions_opened
    cdef readonly object sessions_closed
    cdef readonly long long logins
    cdef readonly object logins_failed
    cdef readonly set users_in
    cdef readonly set schemas_in
    cdef readonly set users_refused
    cdef readonly long long addresses_blocked
    cdef readonly object pins
    cdef readonly object pins_now
    cdef readonly long long configs_applied
    cdef readonly long long configs_rejected
    cdef dict _by_type

    @cython.locals(figures=BackendFigures, user=UserFigures)
    cpdef query_finished(self, backend, who, route, int command, double seconds, Py_ssize_t bucket, long long size, int code)
    cdef BackendFigures _figures(self, backend)
    cdef UserFigures _user(self, who)
