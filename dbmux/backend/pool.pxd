# The types with which pool.py is compiled; not read when it runs interpreted.
cimport cython
from dbmux.backend.connection cimport Connection

cdef object _ANOTHER

cdef class Shelf:
    cdef object __weakref__
    cdef public object account
    cdef public Py_ssize_t connecting
    cdef public double failed_at
    cdef public bint has_failed
    cdef public list idle
    cdef public bint is_relayed
    cdef public object key
    cdef public set members
    cdef public Pool pool

    @cython.locals(connection=Connection, at=Py_ssize_t)
    cpdef Connection take(self, object state, object session)
    cpdef give(self, Connection connection, double now)

cdef class Pool:
    cdef object _clock
    cdef object _dial
    cdef object _full_at
    cdef dict _kept
    cdef dict _met
    cdef dict _passed
    cdef object _taken_by
    cdef double _waited_s
    cdef list _waits
    cdef object _wanted
    cdef public Py_ssize_t busy
    cdef public object caps
    cdef public Py_ssize_t carried
    cdef public object choice
    cdef public bint is_closing
    cdef public object limit
    cdef public Py_ssize_t min_idle
    cdef public object name
    cdef public object queue
    cdef public object shelves
    cdef public Py_ssize_t taken
    cdef public Shelf unshared
    cdef public set worn

    cpdef wait(self, object waiter, object since=*)
    cpdef first(self, Shelf shelf)
    cpdef bint is_wanted_elsewhere(self, Shelf giver) except -1
    cdef bint _is_above(self, bytes account) except -1
    cdef _cap_of(self, bytes account)
    cdef _leave(self, object waiter)
