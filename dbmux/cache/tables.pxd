# The types with which tables.py is compiled; not read when it runs interpreted.
cimport cython

@cython.final
cdef class Epoch:
    cdef public long long number

    cpdef move(self)

@cython.final
cdef class Table:
    cdef readonly str schema
    cdef readonly str name
    cdef public long long number
    cdef readonly Epoch everything
    cdef public long long bytes
    cdef public long long entries
    cdef public object share
    cdef public long long writes

    cpdef move(self)

@cython.locals(total=cython.longlong, table=Table)
cpdef long long capture(tuple tables) except -1
cpdef bint is_current(tuple tables, long long captured) except -1
