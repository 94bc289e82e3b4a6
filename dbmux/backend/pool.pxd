# The types with which pool.py is compiled; not read when it runs interpreted.
cimport cython
from dbmux.backend.connection cimport Connection

cdef object _ANOTHER

@cython.final
cdef class Place:
    cdef public Py_ssize_t passed
    cdef public Shelf shelf
    cdef public double since
    cdef public object waiter

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
    @cython.locals(place=Place)
    cpdef give(self, Connection connection, double now)

cdef class Pool:
    cdef object _clock
    cdef object _dial
    cdef object _full_at
    cdef dict _kept
    cdef dict _met
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
    cdef public object ration
    cdef public object shelves
    cdef public Py_ssize_t taken
    cdef public Shelf unshared
    cdef public set worn

    @cython.locals(shelf=Shelf)
    cpdef wait(self, object waiter, object since=*)
    @cython.locals(place=Place)
    cpdef Place first(self, Shelf shelf)
    @cython.locals(first=Place, place=Place)
    cpdef bint is_wanted_elsewhere(self, Shelf giver) except -1
    cdef bint _is_above(self, bytes account) except -1
    cdef _cap_of(self, bytes account)
    @cython.locals(place=Place)
    cdef Place _first_helped(self, bytes account, bint is_full)
    cdef _leave(self, Place place)
