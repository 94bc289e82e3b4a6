# The types with which prepared.py is compiled; not read when it runs interpreted.
cimport cython

cdef Py_ssize_t NUMBER_AT, NUMBER_END, _BEHIND_HEAD

cdef class Statement:
    cdef object _key
    cdef object _shown
    cdef public object columns
    cdef public bytes derived
    cdef public bytes derived_at_first
    cdef public bytes fitting
    cdef public object id
    cdef public bint is_apart
    cdef public bint is_astray
    cdef public bint is_bare
    cdef public bint is_bent
    cdef public bint is_changed
    cdef public bint is_derailed
    cdef public bint is_homeless
    cdef public bint is_makeshift
    cdef public Py_ssize_t parameters
    cdef public object query
    cdef public bytes sizes
    cdef public object state
    cdef public bytes text
    cdef public bytes types

    @cython.locals(count=Py_ssize_t, flag_at=Py_ssize_t)
    cpdef bint has_only_values(self, bytes data)

cpdef unsigned int number_in(bytes data)
@cython.locals(anew=bytearray)
cpdef bytes renumbered(bytes data, unsigned int number)
